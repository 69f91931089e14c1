"""Tests of gemma_st.training.teacher: a cross-encoder labels the lists, each pair once, and a student learns it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sentence_transformers
import torch
from datasets import Dataset
from safetensors.torch import load_file

from gemma_st import ModelError
from gemma_st.training import teacher as module
from gemma_st.training.checkpoints import LOSS_FILENAME
from gemma_st.training.config import read_config
from gemma_st.training.lists import read_lists
from gemma_st.training.teacher import Teacher
from gemma_st.training.trainer import train
from tests.gemma_st.conftest import LICENSE
from tests.gemma_st.training.conftest import same, weights

ROOT = LICENSE.parent


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the files."""
    monkeypatch.setenv("GEMMA_ST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/teachers"


@pytest.fixture(scope="session")
def classifier(teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Save a stock BERT classifier with random weights, whose scores differ."""
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    def make(labels: int = 1) -> Path:
        folder = tmp_path_factory.mktemp("classifier")
        torch.manual_seed(labels)
        config = BertConfig.from_pretrained(teacher.parent / "bert", num_labels=labels, initializer_range=0.3)
        BertForSequenceClassification(config).save_pretrained(folder)
        AutoTokenizer.from_pretrained(teacher.parent / "bert").save_pretrained(folder)
        return folder

    return make


@pytest.fixture
def data() -> Dataset:
    """Lists of one to four documents."""
    rows = [("patent", 1), ("copies of the work", 4), ("warranty", 2)]
    texts = [text for text in LICENSE.read_text().split("\n\n") if len(text) > 100]
    return Dataset.from_list([{"query": q, "documents": texts[:n], "labels": [0.0] * n} for q, n in rows])


def count_scored(teacher: Teacher) -> list[int]:
    """Return a list that gets the number of pairs of each chunk that the teacher scores."""
    scored, values = [], teacher._values

    def counting(pairs: list[tuple[str, str]]) -> np.ndarray:
        scored.append(len(pairs))
        return values(pairs)

    teacher._values = counting
    return scored


def test_labels_are_the_scores_of_the_stock_class_before_its_activation(
    classifier: Callable[..., Path], data: Dataset
) -> None:
    """In float32, in the order of the documents."""
    folder = classifier()
    found = Teacher(str(folder)).label(data)
    stock = sentence_transformers.CrossEncoder(str(folder), activation_fn=torch.nn.Identity())
    assert found.column_names == ["query", "documents", "labels"]
    assert found.features["labels"].feature.dtype == "float32"
    for row, labels in zip(data, found["labels"], strict=True):
        wanted = stock.predict([(row["query"], text) for text in row["documents"]])
        assert labels == pytest.approx(wanted.tolist(), abs=1e-5)
    assert np.ptp(np.concatenate(found["labels"])) > 0.1


def test_states_are_what_the_last_layer_reads(classifier: Callable[..., Path], data: Dataset) -> None:
    """The pooled [CLS] state of a BERT classifier; the score comes first."""
    from transformers import AutoTokenizer, BertForSequenceClassification

    folder = classifier()
    teacher = Teacher(str(folder), states=True)
    found = teacher.label(data)
    bert = BertForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert teacher.width == 24
    for row, labels in zip(data, found["labels"], strict=True):
        given = [row["query"]] * len(labels), row["documents"]
        inputs = tokenizer(*given, truncation="only_second", max_length=64, padding=True, return_tensors="pt")
        with torch.no_grad():
            pooled = bert.bert(**inputs).pooler_output
        scores, states = np.split(np.array(labels), [1], axis=1)
        assert states == pytest.approx(pooled.numpy(), abs=1e-4)
        assert scores == pytest.approx(bert.classifier(pooled).detach().numpy(), abs=1e-4)


def test_no_pair_is_scored_twice(classifier: Callable[..., Path], data: Dataset, cache: Path) -> None:
    """Also of other lists; a pair that is divided elsewhere is another pair, and another teacher scores for itself."""
    folder = str(classifier())
    first = Teacher(folder)
    scored = count_scored(first)
    before = first.label(data)
    assert (scored, len(list(cache.rglob("*.npz")))) == ([7], 1)
    again = Teacher(folder)
    scored = count_scored(again)
    assert again.label(data)["labels"][:] == before["labels"][:]
    assert scored == []
    rows = [*data, {"query": "ab", "documents": ["c", "c"], "labels": [0, 0]}]
    rows.append({"query": "a", "documents": ["bc", data[0]["documents"][0]], "labels": [0, 0]})
    more = again.label(Dataset.from_list(rows))
    assert scored == [3]
    assert more["labels"][:3] == before["labels"][:]
    assert more["labels"][3][0] == more["labels"][3][1] != more["labels"][4][0]
    assert not [path for path in cache.rglob(".*")]


def test_an_interrupted_run_goes_on_after_its_last_file(
    classifier: Callable[..., Path], data: Dataset, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short pairs come first, and a file is whole or not there."""
    monkeypatch.setattr(module, "CHUNK", 3)
    folder = str(classifier())
    broken = Teacher(folder)
    values, calls = broken._values, []

    def interrupted(pairs: list[tuple[str, str]]) -> np.ndarray:
        calls.append([sum(map(len, pair)) for pair in pairs])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return values(pairs)

    broken._values = interrupted
    with pytest.raises(KeyboardInterrupt):
        broken.label(data)
    assert sum(calls, []) == sorted(sum(calls, []))
    assert [path.suffix for path in cache.rglob("*") if path.is_file()] == [".npz"]
    resumed = Teacher(folder)
    scored = count_scored(resumed)
    assert len(resumed.label(data)) == 3
    assert scored == [3, 1]


@pytest.mark.parametrize("content", [b"", b"PK", b"x" * 3000])
def test_a_damaged_file_is_named(classifier: Callable[..., Path], data: Dataset, cache: Path, content: bytes) -> None:
    """Its pairs would be scored again on every run if it were ignored."""
    teacher = Teacher(str(classifier()))
    teacher.label(data)
    (path,) = cache.rglob("*.npz")
    path.write_bytes(content or path.read_bytes()[:-300])
    with pytest.raises(ModelError, match=f"^{path}: not a file of a teacher's scores .*; delete it$"):
        teacher.label(data)
    path.unlink()
    assert len(teacher.label(data)) == 3


def test_teachers_that_cannot_teach_are_one_line(classifier: Callable[..., Path]) -> None:
    """Several labels, a name that does not exist, a bi-encoder, and windows where states are asked for."""
    with pytest.raises(ModelError, match=r"^teacher .* has 3 labels; expected a reranker, which has 1$"):
        Teacher(str(classifier(3)))
    with pytest.raises(ModelError, match=r"^model 'absent': no such directory or packaged model"):
        Teacher("absent")
    with pytest.raises(ModelError, match=r"^teacher 'gemma-encoder-msmarco' reads long documents in windows"):
        Teacher("gemma-encoder-msmarco", states=True)


@pytest.mark.parametrize(
    ("loss", "teacher", "message"),
    [
        ("states", False, r'^\[loss\] name = "states" learns from the states of a cross-encoder; set teacher$'),
        ("softmax", True, r'^\[loss\] name = "softmax" learns from labels; remove teacher, or use distillation$'),
    ],
)
def test_a_loss_and_a_teacher_that_do_not_go_together_are_one_line(
    ranking: Callable[..., Path], tiny_reranker: Path, loss: str, teacher: bool, message: str
) -> None:
    """Before the lists are read."""
    file = ranking(loss=loss, more=f'teacher = "{tiny_reranker}"\n' if teacher else "")
    with pytest.raises(ModelError, match=message):
        train(read_config(file))


@pytest.mark.parametrize("loss", ["distillation", "margin-mse", "states"])
def test_a_stage_learns_from_its_teacher(
    ranking: Callable[..., Path], lists: Path, classifier: Callable[..., Path], tmp_path: Path, loss: str
) -> None:
    """From lists without labels; the map of the states is trained, resumed, and not part of the model."""
    rows = [{name: row[name] for name in ("query", "documents")} for row in map(json.loads, lists.open())]
    (tmp_path / "bare.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    teacher = classifier()
    file = ranking(loss=loss, more=f'teacher = "{teacher}"')
    file.write_text(file.read_text().replace(str(lists), str(tmp_path / "bare.jsonl")).replace("1e-2", "1e-3"))
    trained = train(read_config(file))
    record = json.loads((trained / "training.json").read_text())
    losses = [entry["loss"] for entry in record["log"] if "loss" in entry]
    assert min(losses[3:]) < losses[0]
    assert record["stage"]["taught_by"] == Teacher(str(teacher)).fingerprint
    assert not any("map" in name for name in weights(trained))
    own = load_file(trained / "checkpoints/checkpoint-6" / LOSS_FILENAME)
    assert set(own) == ({"map.weight", "map.bias"} if loss == "states" else set())
    model = sentence_transformers.CrossEncoder(str(trained), device="cpu")
    assert np.isfinite(model.predict([("patent", "a license")])).all()


def test_the_teachers_scores_are_what_lists_with_its_labels_have(
    ranking: Callable[..., Path], lists: Path, classifier: Callable[..., Path], tmp_path: Path
) -> None:
    """Training with a teacher equals training on lists whose labels are its scores."""
    teacher = classifier()
    taught = weights(train(read_config(ranking("taught", loss="distillation", more=f'teacher = "{teacher}"'))))
    scored = Teacher(str(teacher)).label(read_lists([lists]))
    (tmp_path / "scored.jsonl").write_text("".join(json.dumps(row) + "\n" for row in scored))
    file = ranking("given", loss="distillation")
    file.write_text(file.read_text().replace(str(lists), str(tmp_path / "scored.jsonl")))
    assert same(taught, weights(train(read_config(file))))


def test_the_example_and_the_ten_lines_of_the_documentation_run(
    lists: Path,
    dev: str,
    classifier: Callable[..., Path],
    tiny_gemma: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a small decoder, a small teacher and few steps in place of the large ones."""
    monkeypatch.chdir(tmp_path)
    teacher = str(classifier())
    text = (ROOT / "examples/distill.toml").read_text()
    collection, run = re.findall(r'collection = "(.*?)", run = "(.*?)"', dev)[0]
    for old, new in (
        ("runs/distill/nq-qed.jsonl", str(lists)),
        ("cross-encoder/ms-marco-MiniLM-L-12-v2", teacher),
        ("google/gemma-3-270m", str(tiny_gemma)),
        ("max_length = 256", "max_length = 64"),
        ("{data}/beir/nq-qed", collection),
        ('split = "dev"', f'split = "dev"\nrun = "{run}"'),
        ("steps = 1000", "steps = 2\nuse_cpu = true"),
        ("steps = 100\n", "steps = 1\n"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    Path("distill.toml").write_text(text)
    assert (train(read_config("distill.toml")) / "modules.json").exists()
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/training.md").read_text(), re.DOTALL)
    code = code.replace("google/gemma-3-270m", str(tiny_gemma)).replace("lists.jsonl", str(lists))
    code = code.replace("cross-encoder/ms-marco-MiniLM-L-12-v2", teacher)
    assert code.count("\n") <= 16
    exec(compile(code, "training.md", "exec"), {})  # noqa: S102
    assert (tmp_path / "student/modules.json").exists()
