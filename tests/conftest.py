"""Fixtures of all tests."""

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

LICENSE = Path(__file__).parents[1] / "LICENSE"
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before the libraries read it: no test waits for the hub's retries


def offer_losses(folder: Path, losses: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make losses known to this process and its children, as an installed package with entry points does.

    Args:
        folder: Folder for the package's metadata.
        losses: ``module:Class`` of each loss, by the name of its entry point.
        monkeypatch: Undoes it after the test.
    """
    metadata = folder / "offered_losses-1.0.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: offered-losses\nVersion: 1.0\n")
    entries = "".join(f"{name} = {target}\n" for name, target in losses.items())
    (metadata / "entry_points.txt").write_text(f"[gemma_st.losses]\n{entries}")
    monkeypatch.syspath_prepend(folder)
    path = [str(folder), str(LICENSE.parent), str(LICENSE.parent / "examples/packaged_model")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*path, *filter(None, [os.environ.get("PYTHONPATH")])]))


@pytest.fixture(scope="session", autouse=True)
def _hears_ctrl_c() -> None:
    """Restore Ctrl-C, which some tests send; a shell ignores SIGINT in its background jobs."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the public data sets; without it the tests that need it are skipped, except in CI."""
    folder = Path(os.environ.get("GEMMA_ST_DATA") or Path(__file__).parents[1] / "../shared/data").resolve()
    if not (folder / "msmarco").is_dir():
        reason = f"no data sets in {folder}: set GEMMA_ST_DATA to their folder"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def tiny_gemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a Gemma with two layers and random weights, and of a tokenizer with a template for pairs."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.decoders import ByteLevel as Decoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.processors import TemplateProcessing
    from tokenizers.trainers import BpeTrainer
    from transformers import GemmaConfig, GemmaModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "tiny-gemma"
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<query>", "<document>"]
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = ByteLevel(), Decoder()
    alphabet = ByteLevel.alphabet()  # every byte: no text is unknown
    trainer = BpeTrainer(vocab_size=1000, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([LICENSE.read_text()], trainer)
    tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A <eos>",
        pair="<bos> <query> $A <document> $B <eos>",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in special],
    )
    roles = {f"{role}_token": f"<{role}>" for role in ("pad", "eos", "bos", "unk")}
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=128, padding_side="right", **roles
    ).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 128}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
    ids = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    GemmaModel(GemmaConfig(vocab_size=tokenizer.get_vocab_size(), **shape, **heads, **ids)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_reranker(tiny_gemma: Path) -> Path:
    """Folder of a saved cross-encoder with random weights: bidirectional ``tiny_gemma``, mean pooling and a head."""
    import torch

    from gemma_st.build import cross_encoder
    from gemma_st.hub.saving import save

    torch.manual_seed(0)
    return save(cross_encoder(tiny_gemma), tiny_gemma.parent / "tiny-reranker")


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a mean-pooled bi-encoder: a BERT of two layers with random weights and a WordPiece tokenizer."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("teacher")
    # Made by hand, since the trainer of word pieces breaks ties differently from run to run.
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()] + ["α", "中"]
    words = Counter(re.findall("[a-z]{2,}", LICENSE.read_text().lower())).most_common(200)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    suffixes = [f"##{piece}" for piece in [*letters, "s", "ed", "ing", "tion"]]
    known = [*special, *letters, *suffixes, "query", "document", *(word for word, _ in words)]
    vocabulary = {piece: place for place, piece in enumerate(dict.fromkeys(known))}
    pieces = BertWordPieceTokenizer(vocabulary)
    BertTokenizerFast(tokenizer_object=pieces._tokenizer, model_max_length=64).save_pretrained(folder / "bert")
    torch.manual_seed(0)
    shape = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 3}
    config = BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **shape)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder / "bert")
    bert = Transformer(str(folder / "bert"))
    SentenceTransformer(modules=[bert, Pooling(24, "mean")], device="cpu").save(str(folder / "sbert"))
    return folder / "sbert"


@pytest.fixture(scope="session")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JSONL file of five lists of three, so that six steps of two lists are two epochs."""
    path = tmp_path_factory.mktemp("lists") / "lists.jsonl"
    texts = [" ".join(text.split()) for text in LICENSE.read_text().split("\n\n") if len(text) > 100]
    rows = [{"query": texts[i][:30], "documents": texts[i : i + 3], "labels": [1, 0, 0]} for i in range(5)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
