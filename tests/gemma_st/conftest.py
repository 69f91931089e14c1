"""Fixtures that the tests of gemma_st share: small decoders, a stock process, an evaluation and training stages."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import LICENSE as LICENSE, offer_losses

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

Pairs = list[tuple[str, str]]
PAIRS: Pairs = [
    ("what is a derivative work", "Any work based on the Work and for which the editorial revisions are original."),
    ("patent", "Each Contributor hereby grants to You a perpetual patent license."),
    ("who may distribute copies of the work", "Redistribution."),
]

# Another process, without gemma_st: it reads lines [model directory, pairs], and writes lines of scores.
STOCK = """
import json, sys
from sentence_transformers import CrossEncoder
for line in sys.stdin:
    path, pairs = json.loads(line)
    model = CrossEncoder(path, device="cpu")
    scores = model.predict([tuple(pair) for pair in pairs]).tolist()
    stock = all(type(part).__module__.startswith("sentence_transformers.") for part in model)
    assert stock and "gemma_st" not in sys.modules
    dtype = str(next(model.parameters()).dtype)
    print(json.dumps([scores, model.num_labels, str(model.activation_fn), dtype]), flush=True)
"""


def gemma_tokenizer() -> "PreTrainedTokenizerBase":
    """A tokenizer of Gemma's own class: no token crosses a blank, and other characters are bytes."""
    from transformers import GemmaTokenizer

    from gemma_st.modeling.template import set_template

    text = LICENSE.read_text().lower()
    tokens = [*"abcdefghijklmnopqrstuvwxyz,.", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "\n"]
    learned = GemmaTokenizer().train_new_from_iterator([text], 900)
    state = learned.backend_tokenizer
    vocab = dict.fromkeys([*sorted(learned.get_vocab(), key=learned.get_vocab().get), *tokens])
    merges = [tuple(pair) for pair in json.loads(state.to_str())["model"]["merges"]]
    made = GemmaTokenizer(vocab={token: place for place, token in enumerate(vocab)}, merges=merges)
    made.add_tokens(["\n\n", "<table>"])
    set_template(made)
    return made


def make_deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make transformers' Gemma ignore ``is_causal``, as a version that does not know it would."""
    from transformers.models.gemma import modeling_gemma

    mask = modeling_gemma.create_causal_mask

    def causal(config: "PreTrainedConfig", **given: object) -> object:
        asked, config.is_causal = config.is_causal, True
        made = mask(config=config, **given)
        config.is_causal = asked
        return made

    monkeypatch.setattr(modeling_gemma, "create_causal_mask", causal)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sends a request to the hub."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path, Pairs], list[object]]]:
    """Ask stock sentence-transformers, in its own process, for [scores, num_labels, activation, weight type]."""
    command = [sys.executable, "-c", STOCK]
    errors = tmp_path_factory.mktemp("stock") / "errors"
    with (
        errors.open("w") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=errors.parent
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        question, answer = process.stdin, process.stdout

        def ask(path: Path, pairs: Pairs) -> list[object]:
            question.write(json.dumps([str(path), pairs]) + "\n")
            question.flush()
            line = answer.readline()
            assert line, errors.read_text()[-2000:]
            return json.loads(line)

        yield ask
        question.close()


@pytest.fixture
def decoder(tiny_gemma: Path, tmp_path: Path) -> Callable[..., Path]:
    """Save a small random decoder of any family beside the tokenizer of ``tiny_gemma``."""
    import torch
    import transformers

    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 128}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
    ids = {"vocab_size": 1000, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}

    def make(family: str, **options: object) -> Path:
        folder = tmp_path / f"{family}-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(tiny_gemma, folder, ignore=shutil.ignore_patterns("config.json", "*.safetensors"))
        config = getattr(transformers, family.replace("Model", "Config").replace("ForCausalLM", "Config"))
        torch.manual_seed(0)
        getattr(transformers, family)(config(**shape, **heads, **ids, **options)).save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def dev(lists: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An [evaluation] table that evaluates on a BEIR folder made from the lists, every second step."""
    folder = tmp_path_factory.mktemp("dev") / "toy"
    (folder / "qrels").mkdir(parents=True)
    rows = [json.loads(line) for line in lists.read_text().splitlines()]
    texts = list(dict.fromkeys(text for row in rows for text in row["documents"]))
    records = [{"_id": f"d{place}", "text": text} for place, text in enumerate(texts)]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, records)))
    queries = [{"_id": f"q{place}", "text": row["query"]} for place, row in enumerate(rows)]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    judged = [f"q{place}\td{texts.index(row['documents'][0])}\t1\n" for place, row in enumerate(rows)]
    (folder / "qrels/dev.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(judged))
    run = [f"q{place} Q0 d{n} {n + 1} {-n} a\n" for place in range(len(rows)) for n in range(len(texts))]
    (folder / "run.trec").write_text("".join(run))
    table = f'steps = 2, collection = "{folder}", run = "{folder}/run.trec", measures = ["mrr@10", "ndcg@10"]'
    return f"evaluation = {{ {table} }}"


STAGE = """\
output = "{output}"
{head}
lists = ["{lists}"]
{more}
[model]
{model}
[loss]
name = "{loss}"
[trainer]
use_cpu = true
max_steps = 6
save_steps = 2
logging_steps = 1
per_device_train_batch_size = 2
learning_rate = 1e-2
disable_tqdm = true
"""


@pytest.fixture
def stage(
    teacher: Path, tiny_reranker: Path, lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Write the file of a stage with dropout, a teacher and a loss of another package that has a trained parameter.

    Without arguments the stage trains ``tiny_reranker`` further.
    """
    offer_losses(tmp_path, {"taught": "tests.gemma_st.training.taught_loss:TaughtLoss"}, monkeypatch)

    def write(name: str = "stage", *, model: str | None = None, more: str = "", trainer: str = "") -> Path:
        path = tmp_path / f"{name}.toml"
        given = {"model": f'base = "{tiny_reranker}"' if model is None else model, "loss": "taught"}
        head = f'teacher = "{teacher}"\ndropout = {{ head = 0.3, feed_forward = 0.1 }}'
        path.write_text(STAGE.format(output=tmp_path / name, head=head, lists=lists, more=more, **given) + trainer)
        return path

    return write


@pytest.fixture
def ranking(lists: Path, tiny_gemma: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write the file of a stage that trains ``tiny_gemma`` on lists, without a teacher."""

    def write(
        name: str = "ranking", *, loss: str = "softmax", base: Path | None = None, more: str = "", **parts: str
    ) -> Path:
        path = tmp_path / f"{name}.toml"
        model = f'base = "{base or tiny_gemma}"\n{parts.get("model", "")}'
        text = STAGE.format(output=tmp_path / name, head="", lists=lists, more=more, model=model, loss=loss)
        path.write_text(text + parts.get("trainer", ""))
        return path

    return write
