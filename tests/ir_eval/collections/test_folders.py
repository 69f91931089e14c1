"""BEIR and TREC folders: real collections are opened, and errors name the line."""

import gzip
import json
import shutil
from pathlib import Path

import pytest

from ir_eval.collections import open_collection
from ir_eval.errors import InputError

BEIR = {  # documents, topics, split, judgements: as the data's own documentation gives them
    "vaswani": (11_429, 93, "test", 2_083),
    "cranfield": (1_400, 225, "test", 1_837),
    "cisi": (1_460, 76, "test", 3_114),
    "cacm": (3_204, 52, "test", 796),
    "nq-qed": (8_095, 1_360, "dev", 1_360),
    "squad": (20_958, 10_570, "dev", 10_570),
    "scifact-train": (5_183, 809, "train", 919),
}
FILES = {
    "corpus.jsonl": ['{"_id": "d1", "title": "One", "text": "first"}', '{"_id": "d2", "text": ""}'],
    "queries.jsonl": ['{"_id": "q1", "text": "first?"}', '{"_id": "q2", "text": "unjudged"}'],
    "qrels/test.tsv": ["query-id\tcorpus-id\tscore", "q1\td1\t1", "q1\telsewhere\t0"],
}


def write(folder: Path, files: dict[str, list[str]]) -> Path:
    """Write lines of text as files of a folder."""
    for name, lines in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", BEIR)
def test_beir_folders_hold_what_their_documentation_says(data: Path, name: str) -> None:
    """Documents, judged topics, split and judgements are counted."""
    collection = open_collection(str(data / "beir" / name))
    documents = dict(collection.documents())
    assert collection.qrels is not None
    found = len(documents), len(collection.topics), collection.split, len(collection.qrels.doc_ids)
    assert found == BEIR[name]
    assert collection.name == name
    assert set(collection.topics) == set(collection.qrels)
    assert set(collection.qrels.doc_ids.tolist()) <= set(documents)


def test_split_is_the_one_asked_for(data: Path) -> None:
    """nq-qed has the queries of both splits in one file: each split's topics are its own."""
    folder = str(data / "beir" / "nq-qed")
    dev, train = open_collection(folder), open_collection(folder, split="train")
    assert len(train.topics) == 7_036
    assert not set(dev.topics) & set(train.topics)
    assert dev.fingerprint == train.fingerprint  # one index serves both
    with pytest.raises(InputError, match="no split 'test'; expected one of: dev, train"):
        open_collection(folder, split="test")


def test_split_must_be_chosen_among_unknown_ones(tmp_path: Path) -> None:
    """The default is ``test``, then ``dev``, then an error with the choices."""
    write(tmp_path, FILES)
    (tmp_path / "qrels" / "test.tsv.bak").touch()
    for split in ("a", "b", "dev"):
        shutil.copy(tmp_path / "qrels" / "test.tsv", tmp_path / "qrels" / f"{split}.tsv")
    assert open_collection(str(tmp_path)).split == "test"
    (tmp_path / "qrels" / "test.tsv").unlink()
    assert open_collection(str(tmp_path)).split == "dev"
    (tmp_path / "qrels" / "dev.tsv").unlink()
    with pytest.raises(InputError, match="2 splits; expected a choice; give one of: a, b"):
        open_collection(str(tmp_path))


@pytest.mark.parametrize(("name", "documents", "topics"), [("trec-dl19", 14_581, 43), ("trec-dl21", 10_553, 53)])
def test_trec_folders_hold_what_their_documentation_says(data: Path, name: str, documents: int, topics: int) -> None:
    """Only judged queries are topics: 53 of 477 in 2021."""
    collection = open_collection(str(data / "msmarco" / name))
    assert sum(1 for _ in collection.documents()) == documents
    assert (len(collection.topics), collection.split) == (topics, None)
    assert collection.qrels is not None
    assert set(collection.topics) == set(collection.qrels)
    with pytest.raises(InputError, match="this layout has no splits"):
        open_collection(str(data / "msmarco" / name), split="test")


def test_queries_without_passages_are_no_collection(data: Path) -> None:
    """MS MARCO's development queries come without the 8.8 million passages: the message names the missing file."""
    with pytest.raises(InputError, match=r"dev-small: no passages.tsv or collection.tsv; expected"):
        open_collection(str(data / "msmarco" / "dev-small"))


def test_trec_folder_without_judgements_keeps_every_query(tmp_path: Path) -> None:
    """The original name of MS MARCO's passages works as well."""
    write(tmp_path, {"collection.tsv": ["1\tone", "2\t"], "queries.tsv": ["b\tone?", "a\ttwo?"]})
    collection = open_collection(str(tmp_path))
    assert collection.qrels is None
    assert list(collection.topics.items()) == [("b", "one?"), ("a", "two?")]
    assert dict(collection.documents()) == {"1": "one", "2": ""}


def test_text_is_title_and_body_and_gzip_changes_nothing(tmp_path: Path) -> None:
    """Every file may be compressed; titles may be missing or null; a text may be empty."""
    plain = open_collection(str(write(tmp_path / "plain", FILES)))
    (tmp_path / "gz" / "qrels").mkdir(parents=True)
    for name in FILES:
        packed = gzip.compress((tmp_path / "plain" / name).read_bytes())
        (tmp_path / "gz" / f"{name}.gz").write_bytes(packed)
    packed_collection = open_collection(str(tmp_path / "gz"))
    for collection in (plain, packed_collection):
        assert dict(collection.documents()) == {"d1": "One first", "d2": ""}
        assert collection.topics == {"q1": "first?"}
        assert collection.qrels is not None
        assert collection.qrels["q1"] == {"d1": 1, "elsewhere": 0}


def test_integer_ids_are_decimal_strings(tmp_path: Path) -> None:
    """In the corpus, the queries or both; true and 1.0 are no ids."""
    plain = open_collection(str(write(tmp_path / "plain", FILES)))
    numbers = {
        name: [line.replace('"q1"', "1").replace('"d1"', "-7") for line in lines] for name, lines in FILES.items()
    }
    numbers["qrels/test.tsv"] = ["query-id\tcorpus-id\tscore", "1\t-7\t1"]
    collection = open_collection(str(write(tmp_path / "numbers", numbers)))
    assert list(collection.topics.values()) == list(plain.topics.values())
    assert (list(collection.topics), list(dict(collection.documents()))) == (["1"], ["-7", "d2"])
    write(tmp_path / "numbers", {"corpus.jsonl": ['{"_id": true, "text": ""}']})
    with pytest.raises(InputError, match="corpus.jsonl:1: '_id' is true; expected a string"):
        list(collection.documents())


def test_texts_finds_what_exists_and_names_what_does_not(data: Path) -> None:
    """Repeated ids are allowed; the error counts the missing documents and names the first."""
    collection = open_collection(str(data / "msmarco" / "trec-dl19"))
    assert collection.qrels is not None
    wanted = [doc_id for doc_id, _ in collection.documents()][::997]
    everything = dict(collection.documents())
    assert collection.texts([*wanted, *wanted]) == {doc_id: everything[doc_id] for doc_id in wanted}
    with pytest.raises(InputError, match="2 of 3 documents asked for are not in the collection, the first is 'no'"):
        collection.texts(["no", wanted[0], "nor this"])


def test_fingerprint_is_of_the_documents(tmp_path: Path) -> None:
    """The fingerprint ignores the folder and the queries, and changes with one character of a document."""
    first = open_collection(str(write(tmp_path / "a", FILES)))
    queries = {"queries.jsonl": ['{"_id": "q1", "text": "other"}']}
    second = open_collection(str(write(tmp_path / "b", FILES | queries)))
    corpus = {"corpus.jsonl": [FILES["corpus.jsonl"][0].replace("first", "First"), FILES["corpus.jsonl"][1]]}
    third = open_collection(str(write(tmp_path / "c", FILES | corpus)))
    assert first.fingerprint == second.fingerprint != third.fingerprint


@pytest.mark.parametrize("layout", ["beir", "trec"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_changes_nothing(tmp_path: Path, layout: str, packed: bool) -> None:
    """Documents, topics and judgements are those of the files without the marks."""
    trec = {
        "passages.tsv": ["d1\tOne first", "d2\t"],
        "queries.tsv": ["q1\tfirst?", "q2\tunjudged"],
        "qrels.txt": ["q1 0 d1 1", "q1 0 elsewhere 0"],
    }
    folder = write(tmp_path / "c", FILES if layout == "beir" else trec)
    plain = open_collection(str(folder))
    expected = dict(plain.documents()), plain.topics, plain.qrels
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        data = b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n")
        path.unlink()
        path.with_name(path.name + ".gz" * packed).write_bytes(gzip.compress(data) if packed else data)
    marked = open_collection(str(folder))
    assert (dict(marked.documents()), marked.topics, marked.qrels) == expected


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("corpus.jsonl", '{"_id": "d1", "text": "again"}', r"corpus.jsonl:3: id 'd1' a second time"),
        ("corpus.jsonl", '{"_id": "d3", "title": "t"}', r"corpus.jsonl:3: no 'text'"),
        ("corpus.jsonl", '{"_id": 3.0, "text": "t"}', r"corpus.jsonl:3: '_id' is 3.0; expected a string"),
        ("corpus.jsonl", '{"_id": "d3", "title": ["t"], "text": "t"}', r"corpus.jsonl:3: 'title' is \[\"t\"\]"),
        ("corpus.jsonl", '{"_id": "d 3", "text": "t"}', r"corpus.jsonl:3: id 'd 3'; expected text without whitespace"),
        ("corpus.jsonl", '{"_id": "", "text": "t"}', r"corpus.jsonl:3: id ''"),
        (
            "corpus.jsonl",
            json.dumps({"_id": "x" * 4097, "text": "t"}),
            r"corpus.jsonl:3: id 'x{20}…' of 4,097 bytes; ex",
        ),
        (
            "queries.jsonl",
            json.dumps({"_id": "é " * 9999, "text": ""}),
            r"queries.jsonl:3: id '.{20}…' of 29,997 bytes",
        ),
        ("corpus.jsonl", '{"_id": "d3", "text": "t"', r"corpus.jsonl:3: not JSON"),
        ("corpus.jsonl", '{"_id": ' + "1" * 5000 + ', "text": ""}', r"corpus.jsonl:3: not readable JSON \(Exceeds"),
        ("queries.jsonl", "[" * 100_000, r"queries.jsonl:3: not readable JSON \("),
        ("corpus.jsonl", '["d3", "t"]', r"corpus.jsonl:3: a JSON list; expected an object"),
        ("queries.jsonl", '{"_id": "q1", "text": "again"}', r"queries.jsonl:3: id 'q1' a second time"),
        ("qrels/test.tsv", "q9\td1\t1", r"queries.jsonl: 1 judged queries have no text, the first is 'q9'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, name: str, line: str, message: str) -> None:
    """The message has the file, the line, what was seen and what was expected."""
    write(tmp_path, FILES | {name: [*FILES[name], line]})
    with pytest.raises(InputError, match=message):
        list(open_collection(str(tmp_path)).documents())


@pytest.mark.parametrize(("line", "message"), [("1 no tab", "1 columns; expected 2"), ("1\ta\tb", "3 columns")])
def test_a_bad_column_count_is_named(tmp_path: Path, line: str, message: str) -> None:
    """Passages and queries must have two columns."""
    write(tmp_path, {"passages.tsv": ["0\tzero", line], "queries.tsv": ["q\ttext"]})
    with pytest.raises(InputError, match=f"passages.tsv:2: {message}"):
        list(open_collection(str(tmp_path)).documents())
    write(tmp_path, {"queries.tsv": ["q\ttext", line]})
    with pytest.raises(InputError, match=f"queries.tsv:2: {message}"):
        open_collection(str(tmp_path))


def test_bytes_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    """Latin-1 passages are refused with file and line instead of being garbled."""
    write(tmp_path, FILES)
    with (tmp_path / "corpus.jsonl").open("ab") as file:
        file.write(json.dumps({"_id": "d3", "text": "caf\u00e9"}, ensure_ascii=False).encode("latin-1"))
    with pytest.raises(InputError, match=r"corpus.jsonl:3: byte 0xe9 .* is not UTF-8"):
        list(open_collection(str(tmp_path)).documents())


@pytest.mark.parametrize("missing", FILES)
def test_a_missing_or_empty_file_is_named(tmp_path: Path, missing: str) -> None:
    """Each file of the layout is removed or emptied in turn."""
    write(tmp_path, {name: lines for name, lines in FILES.items() if name != missing})
    with pytest.raises(InputError, match=str(tmp_path)):
        open_collection(str(tmp_path))
    write(tmp_path, {missing: []})
    with pytest.raises(InputError, match="no documents|no text|empty|no rows"):
        list(open_collection(str(tmp_path)).documents())


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        (r'{"_id": "x", "text": "half \ud800"}', r"half of a character, '\\ud800', at position 6; expected whole"),
        (r'{"_id": "x", "title": "\udfff", "text": ""}', r"half of a character, '\\udfff', at position 1"),
        (r'{"_id": "\ud800", "text": "t"}', "id .* expected text without whitespace or control characters"),
        (r'{"_id": "x\u0000", "text": "t"}', "id .* expected text without whitespace or control characters"),
        (r'{"_id": "x\u001b[1m", "text": "t"}', "id .* expected text without whitespace or control characters"),
        ('{"_id": null, "text": "t"}', "'_id' is null; expected a string"),
        ('{"_id": ["x"], "text": "t"}', "'_id' is .*; expected a string"),
        ('{"_id": "x", "text": 5}', "'text' is 5; expected a string"),
        ('{"text": "t"}', "no '_id'"),
    ],
)
def test_a_bad_record_is_found_before_the_work(tmp_path: Path, name: str, line: str, message: str) -> None:
    """With file and line; two escapes that are a pair are one character."""
    good = r'{"_id": "ok", "text": "\ud83d\ude00 caf\u00e9"}'
    folder = write(tmp_path, FILES | {name: [*FILES[name], good, line]})
    with pytest.raises(InputError, match=f"{name}:4: {message}"):
        list(open_collection(str(folder)).documents())
    write(tmp_path, {name: [*FILES[name], good]})
    assert len(list(open_collection(str(folder)).documents())) == (3 if name == "corpus.jsonl" else 2)


@pytest.mark.parametrize("name", ["passages.tsv", "queries.tsv"])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"d1\tagain", "id 'd1' a second time"),
        (b"\ttext", "id ''; expected text without"),
        (b"x y\ttext", "id 'x y'; expected text without"),
        (b"x\x1b\ttext", "id .*; expected text without whitespace or control characters"),
        (b"x\t\xff", "byte 0xff at column 3 is not UTF-8"),
        (b"x", "1 columns; expected 2"),
    ],
)
def test_a_bad_line_of_a_trec_folder_is_named(tmp_path: Path, name: str, line: bytes, message: str) -> None:
    """With file and line, compressed or not."""
    write(tmp_path, {"passages.tsv": ["d1\tone", "d2\t"], "queries.tsv": ["d1\tone?", "d2\ttwo?"]})
    content = (tmp_path / name).read_bytes() + line + b"\n"
    (tmp_path / name).unlink()
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    with pytest.raises(InputError, match=f"{name}.gz:3: {message}"):
        list(open_collection(str(tmp_path)).documents())
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content)[:-12])
    with pytest.raises(InputError, match=f"{name}.gz(:[1-4])?: cannot be read|{name}.gz:3: "):
        list(open_collection(str(tmp_path)).documents())


def test_a_corpus_that_changes_after_its_fingerprint_is_refused(tmp_path: Path) -> None:
    """Otherwise the index of the new documents would be cached under the key of the old ones."""
    collection = open_collection(str(write(tmp_path, FILES)))
    assert collection.fingerprint
    with (tmp_path / "corpus.jsonl").open("a") as file:
        file.write('{"_id": "d3", "text": "more"}\n')
    with pytest.raises(InputError, match="corpus.jsonl: changed since its index was asked for; .* again"):
        list(collection.documents())
    assert len(list(open_collection(str(tmp_path)).documents())) == 3
    (tmp_path / "corpus.jsonl").unlink()
    with pytest.raises(InputError, match="corpus.jsonl: cannot be read"):
        list(collection.documents())


MSMARCO = {
    "collection.tsv": ["1\tone", "2\ttwo"],
    "queries.train.tsv": ["11\tthree?", "12\tunjudged"],
    "queries.dev.tsv": ["21\tfour?", "22\tfive?"],
    "queries.dev.small.tsv": ["21\tfour?"],
    "queries.eval.tsv": ["31\tsix?"],
    "qrels.train.tsv": ["11\t0\t1\t1"],
    "qrels.dev.tsv": ["21\t0\t2\t1", "22\t0\t1\t1"],
    "qrels.dev.small.tsv": ["21\t0\t2\t1"],
}


def test_the_files_of_ms_marco_are_splits(tmp_path: Path) -> None:
    """By their own names; without a choice, the small development set."""
    folder = str(write(tmp_path, MSMARCO))
    for split, topics in {"train": ["11"], "dev": ["21", "22"], "dev.small": ["21"], None: ["21"]}.items():
        collection = open_collection(folder, split=split)
        assert (list(collection.topics), collection.split) == (topics, split or "dev.small")
        assert collection.qrels is not None
        assert list(collection.qrels) == topics
    assert open_collection(folder, split="eval").qrels is None
    with pytest.raises(InputError, match="no split 'test'; expected one of: dev, dev.small, eval, train"):
        open_collection(folder, split="test")


def test_one_queries_file_serves_the_judgements_of_a_split(tmp_path: Path) -> None:
    """``queries.tsv`` beside ``qrels.dev.small.tsv.gz``; with ``qrels.txt``, that is the default."""
    files = {"collection.tsv": ["1\tone"], "queries.tsv": ["a\tone?", "b\ttwo?"]}
    write(tmp_path, files)
    (tmp_path / "qrels.dev.small.tsv.gz").write_bytes(gzip.compress(b"a 0 1 1\n"))
    collection = open_collection(str(tmp_path))
    assert (collection.split, list(collection.topics)) == ("dev.small", ["a"])
    write(tmp_path, {"qrels.txt": ["b 0 1 1"]})
    assert (open_collection(str(tmp_path)).split, list(open_collection(str(tmp_path)).topics)) == (None, ["b"])
    assert list(open_collection(str(tmp_path), split="dev.small").topics) == ["a"]
