"""ir_datasets ids, through the library's own loading code and a mirror of real files; no network is used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ir_eval.collections import open_collection
from ir_eval.errors import InputError

SHOW = """
import sys
from ir_eval.collections import open_collection
from ir_eval.errors import InputError
try:
    collection = open_collection(sys.argv[1])
    documents = dict(collection.documents())
    ids = list(documents)[:50]
    assert collection.texts(ids) == {doc_id: documents[doc_id] for doc_id in ids}
    assert len(collection.fingerprint) == 64
    assert list(collection.qrels) == sorted(collection.topics)
    sizes = len(documents), len(collection.topics), len(collection.qrels.doc_ids)
    print(collection.name, *sizes, documents["1000485"][:18])
except InputError as error:
    print("InputError", error)
"""


def show(home: Path, *arguments: str, code: str = SHOW) -> str:
    """Open a collection in a new process, because ir_datasets reads its home once, and without network."""
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = os.environ | proxies | {"IR_DATASETS_HOME": str(home), "IR_DATASETS_DL_TRIES": "1"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def mirror(data: Path, tmp_path: Path) -> Path:
    """TREC-DL 2019 as ir_datasets lays it out."""
    source, home = data / "msmarco" / "trec-dl19", tmp_path / "msmarco-passage"
    (home / "trec-dl-2019").mkdir(parents=True)
    (home / "irds_version.txt").write_text("v2")  # without it ir_datasets deletes planted passages
    (home / "collection.tsv").write_bytes((source / "passages.tsv").read_bytes())
    queries = (source / "queries.tsv").read_text(encoding="utf-8")
    (home / "trec-dl-2019" / "queries.tsv").write_text(queries + "9999999\tnobody judged this\n", encoding="utf-8")
    (home / "trec-dl-2019" / "qrels").write_bytes((source / "qrels.txt").read_bytes())
    return tmp_path


@pytest.mark.parametrize("name", ["msmarco-passage/trec-dl-2019/judged", "msmarco-passage/trec-dl-2019"])
def test_a_mirror_is_opened_offline(mirror: Path, name: str) -> None:
    """Documents, judged topics and judgements come from the local files."""
    assert show(mirror, name) == f"{name} 14581 43 9260 Pseudobulbar palsy\n"


@pytest.mark.parametrize(
    ("removed", "part"),
    [("collection.tsv", "documents"), ("trec-dl-2019/queries.tsv", "queries"), ("trec-dl-2019/qrels", "judgements")],
)
def test_what_cannot_be_downloaded_is_named(mirror: Path, removed: str, part: str) -> None:
    """The message has the id, the part that is missing and the remedy."""
    (mirror / "msmarco-passage" / removed).unlink()
    shown = show(mirror, "msmarco-passage/trec-dl-2019/judged")
    assert shown.startswith(f"InputError msmarco-passage/trec-dl-2019/judged: ir_datasets has no {part} (")
    assert f"expected them under {mirror} or by download" in shown
    assert shown.count("\n") == 1


def test_a_malformed_mirror_is_named(mirror: Path) -> None:
    """An error of ir_datasets in a local file becomes a message of one line."""
    with (mirror / "msmarco-passage" / "collection.tsv").open("a", encoding="utf-8") as file:
        file.write("no tab\n")
    assert "has no documents (RuntimeError: expected 2 fields, got 1)" in show(
        mirror, "msmarco-passage/trec-dl-2019/judged"
    )


def test_a_download_cut_short_is_named(tmp_path: Path) -> None:
    """The local archive is damaged."""
    (tmp_path / "beir" / "scifact").mkdir(parents=True)
    (tmp_path / "beir" / "scifact" / "source.zip").write_bytes(b"PK\x03\x04 and no more")
    assert show(tmp_path, "beir/scifact/test").startswith(
        "InputError beir/scifact/test: ir_datasets has no judgements (BadZipFile"
    )


def test_an_id_without_queries_offers_its_parts() -> None:
    """``msmarco-passage`` has passages only."""
    with pytest.raises(InputError, match="expected both; give one of its parts: .*msmarco-passage/dev/small"):
        open_collection("msmarco-passage")


def test_a_split_is_the_end_of_the_id() -> None:
    """The same option selects judgements in folders and in ir_datasets."""
    with pytest.raises(InputError, match="beir/scifact/nosuch: no such collection; .*beir/scifact/test"):
        open_collection("beir/scifact", split="nosuch")


RUN = """
import sys
from ir_eval.experiment import read_results, run_experiment, single
results = run_experiment(single(sys.argv[1], first_stage=sys.argv[2], measures=("ndcg@10",)), sys.argv[3])
figure, = results.outcomes[0].systems[0].evaluation.means.values()
print(f"{figure:.4f}", results.outcomes[0].texts, read_results(sys.argv[3]).outcomes[0].texts)
"""


def test_a_given_run_downloads_no_documents(mirror: Path, data: Path) -> None:
    """A large collection is not fetched for its fingerprint: measuring a run needs judgements only."""
    (mirror / "msmarco-passage/collection.tsv").unlink()
    run = data / "msmarco/trec-dl19/runs/bm25.top100.trec"
    name = "msmarco-passage/trec-dl-2019/judged"
    assert show(mirror, name, str(run), str(mirror / "out"), code=RUN) == "0.5058 False False\n"


QUIET = """
import sys
from ir_eval.cli import main
sys.stderr = sys.stdout
main(["run", sys.argv[1]])
"""


@pytest.mark.parametrize("name", ["vaswani", "msmarco-passage/trec-dl-2019/judged", "disks45/nocr/trec-robust-2004"])
def test_without_network_there_is_one_line(tmp_path: Path, name: str) -> None:
    """The log of ir_datasets, with addresses, licences and causes, is kept back."""
    shown = show(tmp_path, name, code=QUIET)
    assert shown.startswith(f"ir-eval: error: {name}: ir_datasets has no ")
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    ("planted", "content", "reason"),
    [
        ("collection.tsv", b"1\tone\n1\ttwo\n", "record 2: id '1' a second time"),
        ("collection.tsv", b"1\tone\na b\ttwo\n", "record 2: id 'a b'; expected text without whitespace"),
        ("trec-dl-2019/qrels", b"19335 0 1 x\n", "ValueError: invalid literal for int"),
        ("trec-dl-2019/qrels", b"19335 0\n", "has no judgements ("),
        ("trec-dl-2019/queries.tsv", b"19335\tone\n19335\ttwo\n", "record 2: id '19335' a second time"),
    ],
)
def test_a_damaged_mirror_is_one_line(mirror: Path, planted: str, content: bytes, reason: str) -> None:
    """Planted files are not checked by ir_datasets, and it raises what its parser raises."""
    (mirror / "msmarco-passage" / planted).write_bytes(content)
    shown = show(mirror, "msmarco-passage/trec-dl-2019/judged")
    assert shown.startswith("InputError msmarco-passage/trec-dl-2019/judged: ")
    assert reason in shown
    assert shown.count("\n") == 1
