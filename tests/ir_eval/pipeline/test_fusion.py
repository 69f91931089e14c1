"""Tests of ir_eval.pipeline.fusion: the numbers of ranx, the order of the input, tuning, and ``ir-eval fuse``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ir_eval.cli import main
from ir_eval.data import table
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.pipeline import fusion
from ir_eval.pipeline.fusion import NORMALISATIONS, Tuned, fuse, tune

IN_RANX = {"z-score": "zmuv"}
DOCS = [f"{stem}{number}" for stem in ("d", "é", "sixteen-long-ids") for number in range(15)]


def random_run(seed: int, queries: int = 40, docs: list[str] = DOCS) -> Run:
    """Make a run with ties, negative scores, a query with one document and a query with equal scores."""
    rng = np.random.default_rng(seed)
    scores = {}
    for query in range(queries):
        found = rng.permutation(docs)[: rng.integers(2, 30)].tolist()[: 1 if query == 1 else None]
        drawn = rng.normal(0, 5, len(found)).round(1) if query != 2 else [3.0] * len(found)
        scores[f"q{query}"] = dict(zip(found, drawn, strict=True))
    return Run.from_dict(scores)


RANX = """
import json, sys
import ranx
for runs, options in json.load(sys.stdin):
    print(json.dumps(ranx.fuse([ranx.Run(run) for run in runs], **options).to_dict()))
"""


def test_the_scores_equal_ranx() -> None:
    """RRF, and weighted sums after every normalisation. ranx runs without compilation, which is faster here."""
    cases: list[tuple[list[Run], str | None, list[float]]] = [([random_run(seed) for seed in (5, 6, 7)], "rrf", [])]
    for normalisation in (None, *NORMALISATIONS):
        cases.append(([random_run(1), random_run(2)], normalisation, [0.3, 0.7]))
        cases.append(([random_run(1), random_run(2), random_run(3)], normalisation, [0.3, 0.7, 1.5]))
    asked = []
    for runs, norm, weights in cases:
        given = [ranks(run) if norm in ("rrf", "rank") else run.to_dict() for run in runs]
        ours = {"norm": norm and IN_RANX.get(norm, norm), "method": "wsum", "params": {"weights": weights}}
        asked.append((given, {"norm": None, "method": "rrf"} if norm == "rrf" else ours))
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RANX],
        input=json.dumps(asked),
        env=environment,
        text=True,
        capture_output=True,
        check=True,
    )
    for (runs, norm, weights), truth in zip(cases, done.stdout.splitlines(), strict=True):
        fused = fuse(runs) if norm == "rrf" else fuse(runs, "sum", normalisation=norm, weights=weights)
        assert_same(fused, json.loads(truth))


def ranks(run: Run) -> dict[str, dict[str, float]]:
    """Replace scores by negative ranks, without ties: ranx leaves tied documents in the order of its sort."""
    return {query: {doc: -float(place) for place, doc in enumerate(docs)} for query, docs in run.to_dict().items()}


def assert_same(found: Run, truth: dict[str, dict[str, float]]) -> None:
    """Compare the scores to float32 precision, and the order of the documents."""
    assert found == Run.from_dict(found.to_dict())  # the rows are in canonical order
    assert list(found) == sorted(truth)
    for query, scores in truth.items():
        docs, own = found[query]
        assert sorted(docs.tolist()) == sorted(scores)
        np.testing.assert_allclose(own, [scores[doc] for doc in docs.tolist()], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("method", ["rrf", "sum"])
def test_the_order_of_runs_and_rows_does_not_matter(tmp_path: Path, method: str) -> None:
    """Reading a run from a file, which keeps the ids as bytes, makes no difference either."""
    one, two = random_run(1), random_run(2)
    expected = fuse([one, two], method)
    assert fuse([two, one], method) == expected
    one.write(tmp_path / "one.trec")
    assert fuse([Run.read(tmp_path / "one.trec"), two], method) == expected
    backwards = {query: dict(reversed(docs.items())) for query, docs in reversed(one.to_dict().items())}
    assert fuse([Run.from_dict(backwards), two], method) == expected


def test_a_missing_query_or_document_adds_zero() -> None:
    """Equal fused scores are ordered by document id, descending."""
    one = Run.from_dict({"a": {"x": 2.0, "y": 1.0}, "b": {"z": 1.0}}, name="one")
    two = Run.from_dict({"a": {"y": 2.0, "x": 1.0}, "c": {"z": 5.0, "w": 1.0}}, name="two")
    fused = fuse([one, two], name="both")
    score = float(np.float32(1 / 61 + 1 / 62))
    third, fourth = float(np.float32(1 / 61)), float(np.float32(1 / 62))
    expected = {"a": {"y": score, "x": score}, "b": {"z": third}, "c": {"z": third, "w": fourth}}
    assert fused.to_dict() == expected
    assert (list(fused.to_dict()["a"]), fused.name) == (["y", "x"], "both")
    assert fuse([one, two], "sum", weights=[2, 1]).to_dict()["a"] == {"x": 5.0, "y": 4.0}


def test_different_documents_with_equal_hashes_are_separate(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every hash set to 0, the fused run is the same."""
    runs = [random_run(3), random_run(4)]
    expected = fuse(runs)
    for module in (table, fusion):
        monkeypatch.setattr(module, "row_keys", lambda codes, docs: np.zeros(len(docs), dtype=np.uint64))
    assert fuse(runs) == expected


ONE, TWO, OTHER = (Run.from_dict({query: {"d": 1.0}}, name=query) for query in ("q", "q", "other"))


@pytest.mark.parametrize(
    ("runs", "options", "message"),
    [
        ([ONE], {}, "1 runs to fuse; expected at least 2"),
        ([], {}, "0 runs to fuse"),
        ([ONE, OTHER], {}, "q: no other run has one of its queries, such as 'q'; expected runs of the same topics"),
        ([ONE, TWO, OTHER], {}, "other: no other run has one of its queries"),
        ([ONE, TWO], {"method": "wsum"}, "fusion 'wsum'; expected rrf or sum"),
        ([ONE, TWO], {"weights": [1, 2]}, "rrf with weights or a normalisation; expected neither"),
        ([ONE, TWO], {"normalisation": "max"}, "rrf with weights or a normalisation"),
        ([ONE, TWO], {"method": "sum", "normalisation": "zmuv"}, "normalisation 'zmuv'; expected one of min-max, max,"),
        ([ONE, TWO], {"method": "sum", "weights": [1]}, "weights 1; expected 2 finite numbers, one per run"),
        ([ONE, TWO], {"method": "sum", "weights": [1, np.nan]}, "weights 1 nan; expected 2 finite numbers"),
        ([ONE, TWO], {"method": "sum", "weights": [1, 1e39]}, "a fused score is not a finite 32-bit number"),
        (
            [ONE, TWO],
            {"method": "sum", "weights": Tuned((0.5, 0.5), frozenset({"x", "q"}), 1.0)},
            "weights tuned on topic 'q', which is also fused; expected other topics for tuning",
        ),
    ],
)
def test_wrong_input_is_an_error(runs: list[Run], options: dict[str, object], message: str) -> None:
    """The error is one line."""
    with pytest.raises(InputError) as caught:
        fuse(runs, **options)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_tuning_finds_the_best_and_most_even_weights() -> None:
    """A loop over the grid gives the same maximum; if several weights reach it, the most even ones win."""
    rng = np.random.default_rng(0)
    qrels = Qrels.from_dict({f"q{n}": {doc: int(rng.integers(0, 3)) for doc in DOCS} for n in range(20)})
    noisy = {q: {doc: level + rng.normal(0, 1) for doc, level in qrels[q].items()} for q in qrels}
    noisier = {q: {doc: level + rng.normal(0, 3) for doc, level in qrels[q].items()} for q in qrels}
    runs = [Run.from_dict(noisy), Run.from_dict(noisier)]
    tuned = tune(runs, qrels, "ndcg@5", normalisation="z-score")
    grid = [(n / 10, (10 - n) / 10) for n in range(11)]
    means = {
        weights: evaluate(qrels, fuse(runs, "sum", normalisation="z-score", weights=weights), ["ndcg@5"]).means[
            "ndcg@5"
        ]
        for weights in grid
    }
    assert tuned.score == means[tuned.weights] == max(means.values())
    assert tuned.weights[0] > 0.5
    assert tuned.queries == set(qrels)
    assert tune([runs[0], runs[0]], qrels, "ndcg@5", step=0.25).weights == (0.5, 0.5)
    assert sum(tune([*runs, runs[0]], qrels, "map", step=0.2).weights) == pytest.approx(1)
    for step in (0.3, 0, -1):
        with pytest.raises(InputError, match=f"step {step}; expected a step that divides 1"):
            tune(runs, qrels, "map", step=step)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs of test topics and two of development topics with their judgements."""
    monkeypatch.chdir(tmp_path)
    good = {"a": 3.0, "b": 2.0, "c": 1.0}
    bad = {"c": 9.0, "b": 2.0, "a": 1.0}
    for topic in ("test", "dev"):
        Run.from_dict({f"{topic}1": good, f"{topic}2": good}).write(f"good.{topic}.trec")
        Run.from_dict({f"{topic}1": bad, f"{topic}2": bad}).write(f"bad.{topic}.trec")
        Qrels.from_dict({f"{topic}1": {"a": 1}, f"{topic}2": {"a": 1}}).write(f"{topic}.txt")
    return tmp_path


def test_the_command_fuses_and_tunes(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The written run equals the result of the functions, under the name of the method."""
    runs = [Run.read("good.test.trec"), Run.read("bad.test.trec")]
    assert main("fuse good.test.trec bad.test.trec --out rrf.trec.gz".split()) == 0
    assert capsys.readouterr().out == "2 queries, 6 documents written to rrf.trec.gz\n"
    assert (Run.read("rrf.trec.gz"), Run.read("rrf.trec.gz").name) == (fuse(runs), "rrf")
    options = "--method sum --normalisation min-max"
    assert main(f"fuse good.test.trec bad.test.trec {options} --weights 0.3 0.7 --out sum.trec".split()) == 0
    assert Run.read("sum.trec") == fuse(runs, "sum", normalisation="min-max", weights=[0.3, 0.7])
    capsys.readouterr()
    tuning = "--tune-on dev.txt good.dev.trec bad.dev.trec -m mrr"
    assert main(f"fuse good.test.trec bad.test.trec {options} {tuning} --out tuned.trec".split()) == 0
    assert capsys.readouterr().out.splitlines()[0] == "weights 0.6 0.4: mrr 1.0000 on 2 topics"
    assert Run.read("tuned.trec") == fuse(runs, "sum", normalisation="min-max", weights=[0.6, 0.4])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--tune-on test.txt good.test.trec bad.test.trec", "weights tuned on topic 'test1', which is also fused"),
        ("--tune-on dev.txt good.dev.trec", "--tune-on with 1 development runs; expected 2, one a run"),
        ("--tune-on dev.txt good.dev.trec bad.dev.trec --weights 1 2", "--weights with --tune-on; expected one"),
        ("--normalisation zmuv", "normalisation 'zmuv'; expected one of min-max"),
    ],
)
def test_the_command_refuses(files: Path, capsys: pytest.CaptureFixture[str], options: str, message: str) -> None:
    """The error is one line, and nothing is written."""
    assert main(f"fuse good.test.trec bad.test.trec --method sum {options} --out fused.trec".split()) == 2
    assert capsys.readouterr().err.startswith(f"ir-eval: error: {message}")
    assert not Path("fused.trec").exists()
