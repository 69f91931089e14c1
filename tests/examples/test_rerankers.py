"""Tests of the PyTerrier and LangChain examples: they rerank by the scores of the model, and the scripts run."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gemma_st import CrossEncoder

EXAMPLES = Path(__file__).parents[2] / "examples"
TEXTS = ["A decoder is an encoder.", "Paris is the capital of France.", "Rome is old.", "", "The mask is taken off."]


def test_pyterrier(tiny_reranker: Path) -> None:
    """Each query is ranked by its own scores, in any order of the rows; other columns stay."""
    reranker = runpy.run_path(str(EXAMPLES / "1_pyterrier.py"))["GemmaReranker"](str(tiny_reranker))
    queries = {"2": "capital of Italy", "1": "capital of France"}
    rows = [
        {"qid": qid, "query": query, "docno": f"d{number}", "text": text, "score": 0.0, "docid": number}
        for number, text in enumerate(TEXTS)
        for qid, query in queries.items()
    ]
    found = reranker.transform(pd.DataFrame(rows))
    model = CrossEncoder(str(tiny_reranker))
    for qid, query in queries.items():
        part = found[found["qid"] == qid]
        scores = model.predict([(query, text) for text in TEXTS])
        order = np.argsort(-scores, kind="stable")
        assert part["docid"].tolist() == order.tolist()
        assert part["rank"].tolist() == list(range(len(TEXTS)))
        np.testing.assert_allclose(part["score"], scores[order], atol=1e-5)
    assert reranker.transform(found.head(0)).empty
    assert found["qid"].tolist() == ["1"] * len(TEXTS) + ["2"] * len(TEXTS)


def test_langchain(tiny_reranker: Path) -> None:
    """The best documents come back with their scores, and the given documents do not change."""
    model = CrossEncoder(str(tiny_reranker))
    reranker = runpy.run_path(str(EXAMPLES / "2_langchain.py"))["GemmaReranker"](model=model, top_n=3)
    documents = [SimpleNamespace(page_content=text, metadata={"id": number}) for number, text in enumerate(TEXTS)]
    found = reranker.compress_documents(documents, "capital of France")
    scores = model.predict([("capital of France", text) for text in TEXTS])
    best = np.argsort(-scores, kind="stable")[:3]
    assert [document.metadata["id"] for document in found] == best.tolist()
    np.testing.assert_allclose([document.metadata["score"] for document in found], scores[best], atol=1e-5)
    assert [document.page_content for document in found] == [TEXTS[number] for number in best]
    assert all("score" not in document.metadata for document in documents)
    assert reranker.compress_documents([], "nothing") == []


@pytest.mark.parametrize("script", ["1_pyterrier.py", "2_langchain.py"])
def test_the_script_runs(
    tiny_reranker: Path, script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints the two documents."""
    monkeypatch.setattr(sys, "argv", [script, str(tiny_reranker)])
    runpy.run_path(str(EXAMPLES / script), run_name="__main__")
    assert len(capsys.readouterr().out.splitlines()) >= 2


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short(script: Path) -> None:
    """Every example has fewer than 40 lines."""
    assert len(script.read_text().splitlines()) < 40
