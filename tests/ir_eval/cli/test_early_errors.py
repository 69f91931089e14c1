"""Errors come before the work: nothing is read, searched or written, and the message names the file and the key."""

import os
import shutil
from pathlib import Path

import pytest

from gemma_st import CrossEncoder
from gemma_st.build import cross_encoder, sentence_transformer
from gemma_st.hub.saving import save
from ir_eval.cli import main
from ir_eval.retrieval.bm25 import BM25
from tests.test_docstrings import write_collection

RUN = "q1 Q0 d2 1 2.0 bm25\nq1 Q0 d1 2 1.0 bm25\nq2 Q0 d4 1 3.0 bm25\n"
START = 'collections = ["collection"]\nmeasures = ["mrr"]\n'
SEARCH = START + '[systems.bm25]\nretrieve = "bm25"\n'
LONG = "x" * 5000


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a collection and runs, an empty cache, and a first stage that must not be called."""
    for name in ("HF_HUB_VERBOSITY", "TQDM_LEAVE", "TQDM_DISABLE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(BM25, "retrieve", lambda *arguments: pytest.fail("the work began"))
    monkeypatch.chdir(tmp_path)
    write_collection(Path("collection"))
    for name in ("a.trec", "b.trec"):
        Path(name).write_text(RUN)
    Path("qrels.txt").write_text("q1 0 d1 1\nq2 0 d3 2\n")
    Path("empty").mkdir()
    Path("loop").symlink_to("loop")
    return tmp_path


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the message of a command, which is one short printable line, and leaves no new file."""
    before = sorted(Path.cwd().rglob("*"))
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    err = err[err.find("ir-eval: error: ") :]  # without the progress bar of a library
    assert err.startswith("ir-eval: error: ")
    assert err.count("\n") == 1
    assert err.removesuffix("\n").isprintable()
    assert len(err) < 1000
    assert [path for path in sorted(Path.cwd().rglob("*")) if "cache" not in path.parts] == before
    return err.removeprefix("ir-eval: error: ").removesuffix("\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('correction = "foo"\n' + SEARCH, "correction 'foo'; expected one of holm"),
        ("seed = -1\n" + SEARCH, "seed -1; expected at least 0"),
        (f"seed = {'9' * 4000}\n" + SEARCH, "seed 9999"),
        (f"seed = {'9' * 5000}\n" + SEARCH, "not a readable TOML file (an integer of more than 4,300 digits)"),
        ("x = " + "[" * 5000 + "]" * 5000, "not a readable TOML file (nested too deep)"),
        (SEARCH.replace("mrr", "judged@" + "9" * 30), "measure 'judged@999"),
        (SEARCH.replace("mrr", "precision@1" + "0" * 400), "measure 'precision@1000"),
        (SEARCH.replace("mrr", "ndcg@" + "9" * 4999), "measure 'ndcg@999"),
        (SEARCH + "hits = 99999999999999999999\n", "system 'bm25': hits 99999999999999999999; expected at most 2,147"),
        (SEARCH + "hits = 2147483648\n", "system 'bm25': hits 2147483648; expected at most 2,147,483,647"),
        (SEARCH + "k1 = inf\n", "system 'bm25': BM25 with k1 = inf; Input should be a finite number"),
        (SEARCH + "b = nan\n", "system 'bm25': BM25 with b = nan; Input should be"),
        (SEARCH + 'collection = "x"\n', "system 'bm25': first stage bm25: got an unexpected keyword argument 'coll"),
        (SEARCH + 'kind = "x"\n', "system 'bm25': first stage bm25: got an unexpected keyword argument 'kind'"),
        (SEARCH + 'index = "loop"\n', "system 'bm25': index 'loop': no such folder"),
        (SEARCH + 'index = "empty"\n', "system 'bm25': empty: no segments file; expected the folder of a Lucene"),
        (SEARCH + '[systems.r]\nrerank = "bm25"\nmodel = "empty"\ndepth = 99999999999\n', "system 'r': depth 99999999"),
        (SEARCH + f'[systems.r]\nrerank = "bm25"\nmodel = "{LONG}"\n', "system 'r': model 'xxxx"),
        (SEARCH + '[systems.r]\nrerank = "bm25"\nmodel = "empty"\n', "system 'r': model 'empty' cannot be loaded: "),
        (SEARCH + '[systems.r]\nrerank = "bm25"\nmodel = "a/b"\n', "system 'r': model 'a/b' cannot be loaded: "),
        (SEARCH + '[systems.r]\nrerank = "bm25"\nmodel = "loop"\n', "system 'r': model 'loop': no such directory"),
        (SEARCH + '[systems.r]\nrerank = "bm25"\nmodel = ""\n', "system 'r': model '': no such directory"),
        (SEARCH + '[systems.d]\nretrieve = "dense"\nmodel = "empty"\n', "system 'd': model 'empty' cannot be loaded: "),
        (SEARCH + '[systems.d]\nretrieve = "dense"\nmodel = "a/b"\n', "system 'd': model 'a/b' cannot be loaded: "),
        (SEARCH + '[systems.x]\nretrieve = "dens"\n', "system 'x': first stage 'dens'; expected bm25 or dense"),
        (SEARCH + '[systems.x]\nrun = "absent.trec"\n', "system 'x': absent.trec: no such file; expected the TREC run"),
        (SEARCH + '[systems.x]\nrun = "loop"\n', "system 'x': loop: no such file"),
        (SEARCH + '[systems.x]\nrun = "empty"\n', "system 'x': empty: no such file"),
        (SEARCH + f'[systems.x]\nrun = "{LONG}"\n', "system 'x': xxxx"),
        (SEARCH + '[systems.x]\nrun = "qrels.txt"\n', "qrels.txt:1: "),
        (SEARCH + '[systems.x]\nrun = "other.trec"\n', "x: no judged query is in the run"),
        (SEARCH + '[systems."a\\u001b[31m"]\nrun = "a.trec"\n', "system 'a\\x1b[31m'; expected a name that a file may"),
        (SEARCH + '[systems."a\\u202eb"]\nrun = "a.trec"\n', "system 'a\\u202eb'; expected a name that a file may hav"),
        (SEARCH + '[systems."a b "]\nrun = "a.trec"\n', "system 'a b '; expected a name that a file may have"),
        (SEARCH + f'[systems.{"y" * 201}]\nrun = "a.trec"\n', "system 'yyyy"),
        (SEARCH + f'[systems."{"é" * 101}"]\nrun = "a.trec"\n', "system 'éééé"),
        (SEARCH + '[systems.".."]\nrun = "a.trec"\n', "system '..'; expected a name that a file may have; rename it"),
        (
            SEARCH + f'[systems.f]\nfuse = ["bm25", "bm25"]\nmethod = "sum"\nweights = [{"9" * 400}, 1]\n',
            "system 'f': weights inf 1.0; expected 2 finite numbers",
        ),
        (SEARCH + '[systems.f]\nfuse = ["bm25", "bm25"]\nmethod = "sum"\nweights = [nan, 1]\n', "system 'f': weights"),
        (SEARCH + '[systems.f]\nfuse = ["bm25"]\n', "system 'f': 1 runs to fuse; expected at least 2"),
        (
            SEARCH + '[systems.f]\nfuse = ["bm25", "bm25"]\nmethod = "sum"\ntune_on = {name = "absent"}\n',
            "absent: no such collection",
        ),
        (SEARCH.replace('"collection"', '""'), "collection ''; expected a folder, an ir_datasets id or python-docs"),
        (SEARCH.replace('"collection"', '{name = "collection", split = "x"}'), "collection: no split 'x'; expected on"),
        (SEARCH.replace('"collection"', '{name = "collection", measures = ["x"]}'), "measure 'x': no such name"),
        (SEARCH.replace('"collection"', '"absent"'), "absent: no such collection; expected a folder, python-docs or a"),
        ('baseline = "b"\n' + SEARCH, "baseline 'b'; expected one of bm25"),
    ],
)  # fmt: skip
def test_a_mistake_in_an_experiment_is_found_before_the_work(
    capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    """The message begins with the TOML file, and names the system and the key."""
    Path("other.trec").write_text("x Q0 d1 1 1 x\n")
    Path("e.toml").write_text(text)
    assert refused(["run", "e.toml", "--out", "out"], capsys).startswith(f"e.toml: {message}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run|", "an empty argument after run; expected a value; is a variable not set?"),
        ("run|collection|--out|", "an empty argument after --out"),
        ("run|collection|--out=", "an empty argument after --out"),
        ("run|collection|--first-stage|", "an empty argument after --first-stage"),
        ("run|collection|--split|", "an empty argument after --split"),
        ("compare|", "an empty argument after compare"),
        ("report|", "an empty argument after report"),
        ("evaluate|qrels.txt|", "an empty argument after qrels.txt"),
        ("run|collection|--out|a.trec", "a.trec: cannot be written (a.trec is no folder"),
        ("run|collection|--out|a.trec/x", "a.trec/x: cannot be written ("),
        ("run|collection|--out|loop", "loop: cannot be written (Too many levels of symbolic links)"),
        (f"run|collection|--out|{LONG}", "xxxx"),
        ("run|collection|--depth|0|--rerank|empty", "system 'empty': depth 0; expected at least 1"),
        ("run|collection|--depth|99999999999999999999|--rerank|empty", "system 'empty': depth 9999"),
        ("run|collection|-m|ndcg@" + "9" * 5000, "measure 'ndcg@999"),
        (f"run|collection|--rerank|{LONG}", "system 'xxxx"),
        (f"run|collection|--first-stage|{LONG}", "system 'xxxx"),
        ("run|collection|--first-stage|\x1b[31m.trec", "system '\\x1b[31m'; expected a name that a file may have"),
        ("run|loop", "loop: not a folder; expected one with corpus.jsonl"),
        ("run|loop.toml", "loop.toml: not a readable TOML file (Too many levels of symbolic links)"),
        ("run|pipe.toml", "pipe.toml: not a readable TOML file (no regular file; expected a file)"),
        ("reproduce|pipe.toml", "pipe.toml: not a readable TOML file (no regular file; expected a file)"),
        ("reproduce|deep.toml", "deep.toml: not a readable TOML file (nested too deep)"),
        (f"reproduce|{LONG}", "xxxx"),
        ("evaluate|qrels.txt|absent.trec|a.trec", "absent.trec: cannot be read (No such file or directory)"),
        ("evaluate|qrels.txt|bad.trec|loop", "loop: cannot be read (Too many levels of symbolic links)"),
        ("evaluate|qrels.txt|bad.trec|a.trec/b", "a.trec/b: cannot be read (Not a directory)"),
        (f"evaluate|qrels.txt|bad.trec|{LONG}", "xxxx"),
        ("evaluate|qrels.txt|bad.trec|-m|precision@1" + "0" * 400, "measure 'precision@1000"),
        ("compare|absent", "absent: cannot be read (No such file or directory)"),
        ("compare|loop", "loop: cannot be read (Too many levels of symbolic links)"),
        ("compare|qrels.txt|bad.trec|absent.trec", "absent.trec: cannot be read (No such file or directory)"),
        ("compare|qrels.txt|bad.trec|a.trec|--seed|-1", "seed -1; expected at least 0"),
        ("compare|qrels.txt|bad.trec|a.trec|--out|empty|--format|latex", "empty: cannot be written (it is a folder)"),
        ("fuse|bad.trec|absent.trec|--out|f.trec", "absent.trec: cannot be read (No such file or directory)"),
        ("fuse|bad.trec|a.trec|--method|x|--out|f.trec", "fusion 'x'; expected rrf or sum"),
        ("fuse|bad.trec|a.trec|--method|sum|--weights|1|nan|--out|f.trec", "weights 1.0 nan; expected 2 finite number"),
        ("fuse|bad.trec|a.trec|--method|sum|--weights|1|--out|f.trec", "weights 1.0; expected 2 finite numbers"),
        ("fuse|bad.trec|a.trec|--out|empty", "empty: cannot be written (it is a folder)"),
        ("fuse|bad.trec|a.trec|--out|a.trec/f.trec", "a.trec: cannot be written (a.trec is no folder"),
        ("fuse|bad.trec|--out|f.trec", "1 runs to fuse; expected at least 2"),
        ("fuse|bad.trec|a.trec|--out|f.trec|--method|sum|--tune-on|qrels.txt|a.trec", "--tune-on with 1 development r"),
        (
            "fuse|bad.trec|a.trec|--out|f.trec|--method|sum|-m|x|--tune-on|qrels.txt|a.trec|b.trec",
            "measure 'x': no such name",
        ),
        (
            "fuse|bad.trec|a.trec|--out|f.trec|--method|sum|--tune-on|qrels.txt|a.trec|absent.trec",
            "absent.trec: cannot be read",
        ),
        ("mine|collection|--first-stage|absent.trec|--out|x.jsonl", "absent.trec: cannot be read (No such file"),
        ("mine|collection|--out|empty", "empty: cannot be written (it is a folder)"),
        ("mine|collection|--out|a.trec/x.jsonl", "a.trec: cannot be written (a.trec is no folder"),
        ("mine|collection|--depth|99999999999|--out|x.jsonl", "depth = 99999999999; Input should be less than or equa"),
        ("mine|collection|--seed|-1|--out|x.jsonl", "seed = -1; Input should be greater than or equal to 0"),
        ("mine|collection|--first-stage|loop|--out|x.jsonl", "loop: cannot be read (Too many levels of symbolic links"),
        ("report|absent", "absent/results.json: cannot be read (No such file or directory)"),
        ("report|loop", "loop/results.json: cannot be read (Too many levels of symbolic links)"),
        ("report|.|--out|empty", "empty: cannot be written (it is a folder)"),
        ("submit|bad.trec|absent.trec|--id|20260131-us|--team|us|--model|m", "absent.trec: cannot be read (No such"),
        ("submit|bad.trec|a.trec|--id|20260131-us|--team|us|--model|m|--out|a.trec", "a.trec: cannot be written (a.tr"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_found_before_the_work(
    capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    """``bad.trec`` is no run, which nobody finds who checks the arguments first."""
    os.mkfifo("pipe.toml")
    Path("results.json").write_text("{}")
    Path("loop.toml").symlink_to("loop.toml")
    Path("deep.toml").write_text("a = " + "{b = " * 9999)
    Path("bad.trec").write_text("no run\n")
    assert refused(arguments.split("|"), capsys).startswith(message)


@pytest.mark.parametrize("kind", ["three labels", "a cross-encoder as dense encoder", "a broken reranker"])
def test_a_model_of_another_kind_is_found_before_the_work(
    tiny_gemma: Path, tiny_reranker: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """Its scores or vectors would be noise, or none."""
    shutil.copytree(tiny_reranker, "model")
    expected = "model 'model': a model with (1, 3) scores for 1 pairs; expected one score per pair"
    if kind == "three labels":
        save(cross_encoder(tiny_gemma, labels=3), Path("three"))
        shutil.rmtree("model")
        Path("three").rename("model")
    elif kind == "a broken reranker":
        Path("model/tokenizer.json").write_text("{")
        expected = "model 'model' cannot be loaded: "
    option = '[systems.r]\nrerank = "bm25"\nmodel = "model"\n'
    if kind == "a cross-encoder as dense encoder":
        option = '[systems.r]\nretrieve = "dense"\nmodel = "model"\n'
        expected = "model 'model' is a CrossEncoder; expected a bi-encoder; rerank with it instead"
    Path("e.toml").write_text(SEARCH + option)
    assert refused(["run", "e.toml", "--out", "out"], capsys).startswith(f"e.toml: system 'r': {expected}")


def test_models_are_loaded_once(tiny_gemma: Path, tiny_reranker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By all systems and collections together, and before the first search."""
    from gemma_st import SentenceTransformer
    from ir_eval.data.run import Run
    from ir_eval.retrieval import TimedRun

    events: list[str] = []
    for kind in (CrossEncoder, SentenceTransformer):
        load = kind.__init__

        def count(self: object, *arguments: object, load: object = load, **options: object) -> None:
            events.append("load")
            load(self, *arguments, **options)  # type: ignore[operator]

        monkeypatch.setattr(kind, "__init__", count)

    def search(*arguments: object) -> TimedRun:
        events.append("search")
        return TimedRun(Run.read("a.trec", name="bm25"), 0.0)

    monkeypatch.setattr(BM25, "retrieve", search)
    save(sentence_transformer(tiny_gemma), Path("encoder"))
    events.clear()
    write_collection(Path("second"))
    rerankers = "".join(
        f'[systems.r{depth}]\nrerank = "bm25"\nmodel = "{tiny_reranker}"\ndepth = {depth}\n' for depth in (1, 2)
    )
    dense = "".join(f'[systems.d{hits}]\nretrieve = "dense"\nmodel = "encoder"\nhits = {hits}\n' for hits in (1, 2))
    Path("e.toml").write_text(SEARCH.replace('"collection"', '"collection", "second"') + rerankers + dense)
    assert main(["run", "e.toml"]) == 0
    assert events == ["load", "load", "search", "search"]


def test_names_of_runs_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters in names of files are spelled as escapes, in tables and notes of every layout."""
    for name in ("\x1b[31mred.trec", "b\x07.trec"):
        Path(name).write_text("q1 Q0 d2 1 2.0 x\n")
    runs = ["qrels.txt", "\x1b[31mred.trec", "b\x07.trec", "-m", "mrr"]
    for command in (
        "evaluate",
        "evaluate --per-query",
        "compare",
        "compare --format markdown",
        "compare --format latex",
    ):
        name, *options = command.split()
        assert main([name, *runs, *options]) == 0
        out = capsys.readouterr().out
        assert "x1b" in out
        assert not {"\x1b", "\x07"} & set(out)
