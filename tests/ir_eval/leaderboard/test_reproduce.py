"""reproduce: published figures are OK on the data folder, and wrong ones are off in both directions."""

import json
from pathlib import Path

import pytest

from ir_eval.cli import main
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.leaderboard import leaderboard_names, read_leaderboard, reproduce
from ir_eval.leaderboard.leaderboard_file import PACKAGED_FOLDER

GOOD = """
title = "mine"
collection = "{data}"
source = "a paper"
first_stage = "by hand"
[systems.first]
run = "{data}/first.trec"
[systems.first.published]
"mrr" = 0.750
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test, and no data folder but the one that is given."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GEMMA_ST_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a collection, a run of MRR .75, and a leaderboard of it."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name, text in {
        "passages.tsv": "d1\tone\nd2\ttwo\n",
        "queries.tsv": "q1\tone\nq2\ttwo\n",
        "qrels.txt": "q1 0 d1 1\nq2 0 d2 1\n",
        "first.trec": "q1 Q0 d1 1 2 x\nq1 Q0 d2 2 1 x\nq2 Q0 d1 1 2 x\nq2 Q0 d2 2 1 x\n",
        "mine.toml": GOOD,
    }.items():
        Path(name).write_text(text)
    return folder


def rows(text: str) -> list[list[str]]:
    """Return the words of each line of the table's body."""
    return [line.split() for line in text.splitlines() if line.startswith("  ") and line.strip()][1:]


@pytest.mark.parametrize(("name", "count"), [("trec-dl-2019", 5), ("trec-dl-2021", 3)])
def test_every_row_of_the_data_folder_is_ok(data: Path, name: str, count: int) -> None:
    """Every measured figure equals the published one to its last digit."""
    leaderboard = read_leaderboard(name, data)
    names = [row.name for row in leaderboard.rows if not row.downloads]
    assert len(names) == count
    for outcome in reproduce(leaderboard, names):
        assert outcome.missing == ""
        assert list(outcome.verdicts) == list(outcome.row.published)
        assert set(outcome.verdicts.values()) == {"OK"}


def test_a_byte_order_mark_before_a_leaderboard_is_skipped(tmp_path: Path) -> None:
    """Windows editors write one."""
    (tmp_path / "marked.toml").write_bytes(b"\xef\xbb\xbf" + (PACKAGED_FOLDER / "trec-dl-2019.toml").read_bytes())
    assert read_leaderboard(str(tmp_path / "marked.toml")).rows == read_leaderboard("trec-dl-2019").rows


@pytest.mark.parametrize(("wrong", "verdict"), [("0.5059", "off by -0.0001"), ("0.5057", "off by +0.0001")])
def test_a_wrong_figure_is_off(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str, verdict: str
) -> None:
    """A difference of one in the last digit, in both directions."""
    text = (PACKAGED_FOLDER / "trec-dl-2019.toml").read_text()
    (tmp_path / "wrong.toml").write_text(text.replace("0.5058", wrong))
    command = ["--row", "bm25-default-run", "--row", "openai-ada2-run", "--data", str(data)]
    assert main(["reproduce", "trec-dl-2019", *command]) == 0
    assert "2 OK, 0 off, 0 not run" in capsys.readouterr().out
    assert main(["reproduce", str(tmp_path / "wrong.toml"), *command]) == 1
    out = capsys.readouterr().out
    assert ["bm25-default-run", "ndcg@10", wrong, "0.5058", *verdict.split()] in rows(out)
    assert ["map-l2", "0.3013", "0.3013", "OK"] in rows(out)
    assert "1 OK, 1 off, 0 not run" in out
    assert "published in https://github.com/castorini/anserini/" in out


@pytest.mark.parametrize(
    ("published", "tolerance", "verdict"),
    [
        ("0.750", "", "OK"),
        ("0.7505", "", "off by -0.0005"),
        ("0.751", "", "off by -0.0010"),
        ("0.7496", "", "off by +0.0004"),
        ("0.75", "", "OK"),
        ("0.76", "", "off by -0.0100"),
        ("0.755", "tolerance = 0.005", "OK"),
        ("0.745", "tolerance = 0.005", "OK"),
        ("0.744", "tolerance = 0.005", "off by +0.0060"),
        ("0.74995", "", "off by +0.00005"),
    ],
)
def test_the_tolerance_is_half_of_the_last_printed_digit(
    own: Path, published: str, tolerance: str, verdict: str
) -> None:
    """Unless the row gives a tolerance; it holds in both directions."""
    Path("mine.toml").write_text(GOOD.replace("0.750", published).replace("run =", f"{tolerance}\nrun ="))
    (outcome,) = reproduce(read_leaderboard("mine.toml", own))
    assert outcome.verdicts == {"mrr": verdict}
    assert outcome.off == (verdict != "OK")


def test_what_is_missing_is_named(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row with a missing file is neither OK nor off; the plan names the file, too."""
    command = ["reproduce", "trec-dl-2019", "--row", "openai-ada2-run", "--row", "splade-pp-ed-run"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "0 OK, 0 off, 2 not run" in out
    assert "{data}/msmarco/trec-dl19: no such file or folder; give --data DIR or set GEMMA_ST_DATA" in out
    (tmp_path / "msmarco").mkdir()
    (tmp_path / "msmarco" / "trec-dl19").symlink_to(data / "msmarco" / "trec-dl19")
    leaderboard = (PACKAGED_FOLDER / "trec-dl-2019.toml").read_text().replace("bm25.top1000.trec", "gone.trec")
    (tmp_path / "gone.toml").write_text(leaderboard)
    command = ["reproduce", str(tmp_path / "gone.toml"), "--data", str(tmp_path), "--row", "bm25-default-run"]
    for more in ([], ["--dry-run"]):
        assert main([*command, *more]) == 0
        assert f"{tmp_path}/msmarco/trec-dl19/runs/gone.trec: no such file" in capsys.readouterr().out


def test_a_failed_download_is_no_error(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The download is announced and then reported as missing; a wrong path of a run file is still an error."""
    there = GOOD.replace("[systems", '[downloads]\n"{data}" = 5.5\n[systems', 1).replace("run =", "minutes = 7\nrun =")
    Path("mine.toml").write_text(there.replace("{data}", str(own / "gone")))
    assert main(["reproduce", "mine.toml"]) == 0
    said = capsys.readouterr()
    assert "first: downloads 5.5 MB, about 7 min" in said.err
    assert ["first", "not", "run"] in rows(said.out)
    assert f"first: {own}/gone: not a folder" in said.out
    Path("mine.toml").write_text(there.replace("{data}", str(own)).replace("first.trec", "gone.trec"))
    assert main(["reproduce", "mine.toml"]) == 2
    assert f"{own}/gone.trec: no such file" in capsys.readouterr().err


def test_dry_run_runs_nothing(data: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints downloads and index builds, by row and in total; so does the list of all leaderboards."""
    out_folder = ["--out", str(tmp_path / "out")]
    assert main(["reproduce", "msmarco-v1-passage", "--row", "bm25-default", "--dry-run", *out_folder]) == 0
    out = capsys.readouterr().out
    assert [line[0] for line in rows(out)] == ["bm25-default"]
    assert out.count("downloads 3,228.5 MB, about 15 min") == 2
    assert main(["reproduce", "beir", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "downloads 2.8 MB, builds an index, about 1 min" in out
    assert "together: downloads 4,723.9 MB, about 101 min on one core" in out
    assert main(["reproduce", "--data", str(data)]) == 0
    out = capsys.readouterr().out
    assert "ready, seconds" in out
    assert all(f"{name}: " in out for name in leaderboard_names())
    assert all(row.name in out for name in leaderboard_names() for row in read_leaderboard(name).rows)
    assert not cache.exists()
    assert not (tmp_path / "out").exists()


def test_runs_and_verdicts_are_written(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each measured run, and a JSON file with figures and provenance."""
    assert main(["reproduce", "mine.toml", "--data", str(own), "--out", "out"]) == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["first.trec", "mine.json"]
    run = Run.read("out/first.trec")
    assert run == Run.read("first.trec")
    found = json.loads(Path("out/mine.json").read_text())
    assert list(found) == ["leaderboard", "rows", "versions", "commit", "sources"]
    (row,) = found["rows"]
    assert row["measured"] == evaluate(Qrels.read("qrels.txt"), run, ["mrr"]).means
    assert (row["published"], row["verdicts"]) == ({"mrr": "0.750"}, {"mrr": "OK"})
    assert (row["source"], row["first_stage"], row["missing"]) == ("a paper", "by hand", "")


def test_a_row_may_be_made_of_others(own: Path) -> None:
    """Its experiment holds its inputs, published or not, and no other system."""
    reranked = '[systems.again]\nrerank = "first"\nmodel = "m"\ndepth = 2\npublished = { "MRR@10" = 0.5 }\n'
    Path("mine.toml").write_text(f'{GOOD}\n[systems.other]\nrun = "x"\npublished = {{ map = 0.5 }}\n{reranked}')
    first, _, again = read_leaderboard("mine.toml", own).rows
    assert list(first.experiment.systems) == ["first"]
    assert (list(again.experiment.systems), again.name) == (["first", "again"], "again")
    assert list(again.published) == ["mrr@10"]
    assert again.files == (own, own / "first.trec")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title", "titel", "unknown titel; did you mean title?"),
        ("0.750", "1", "[systems.first] [published.mrr] 1; expected a number with a decimal point"),
        ('source = "a paper"', "", "[systems.first] missing source; add it"),
        ('collection = "{data}"', "collection = 3", "collection = 3; Input should be a valid string"),
        (
            "0.750",
            '"0.750"',
            "[systems.first] [published.mrr] '0.750'; expected a number with a decimal point, such as",
        ),
        ("mrr", "mmr", "mmr"),
        ("run =", "rum =", "[systems.first] has none of retrieve, run, fuse, rerank"),
        ("run =", "minutes = 1.5\nrun =", "[systems.first] minutes = 1.5; Input should be a valid integer"),
        ("[systems.first.published]", "[systems.first.publish]", "unknown publish"),
        ("first.published]", "first.publised]", "[systems.first] unknown publised; did you mean published?"),
        ("run =", "when = 2026-01-31\nrun =", "mine.toml: Object of type date is not JSON serializable"),
        (GOOD, GOOD + '[systems.more]\nrun = "x"', "[systems.more] has no published figures and is no input of a row"),
        (GOOD, 'title = "none"', "missing systems; add it"),
        (GOOD, "title =", "not a readable TOML file"),
        (
            "[systems.first]",
            '[downloads]\nx = "2 GB"\n[systems.first]',
            "[downloads.x] '2 GB'; expected a number with a decimal point",
        ),
    ],
)
def test_a_wrong_file_is_refused(
    own: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
) -> None:
    """The message names the file and the key."""
    Path("mine.toml").write_text(GOOD.replace(old, new))
    assert main(["reproduce", "mine.toml"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("ir-eval: error: mine.toml: ")
    assert message in error


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["msmarco"], "msmarco: no such leaderboard; expected beir, msmarco-v1-passage, "),
        (["gone.toml"], "gone.toml: not a readable TOML file"),
        (["mine.toml", "--row", "second"], "mine: no row 'second'; expected one of first"),
        (["--row", "first"], "no leaderboard; expected one of beir, "),
        (["mine.toml", "--out", "mine.toml"], "mine.toml: cannot be written"),
    ],
)
def test_a_wrong_command_is_refused(
    own: Path, capsys: pytest.CaptureFixture[str], command: list[str], message: str
) -> None:
    """The message lists the valid names."""
    assert main(["reproduce", *command]) == 2
    assert message in capsys.readouterr().err


LINE = '[systems.a]\nrun = "x.trec"\ncollection = "c"\nsource = "s"\nfirst_stage = "f"\npublished = {map = 0.5}\n'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0",
        "x = " + "[" * 100_000,
        "x = " + "{a=" * 10_000,
        f"minutes = {'1' * 5000}",
        "systems = 5",
        "systems = [1]",
    ]
    + [
        LINE.replace("0.5", value)
        for value in ("nan", "inf", "-inf", "1e999999999", "1e-999999999", "0.1" + "1" * 5000)
    ]
    + [LINE.replace("0.5", value) for value in ("1979-05-27", "true", "'0.5'", "[0.5]", "{}", "5")]
    + [
        LINE + line
        for line in ("minutes = -1", "minutes = 1.5", "tolerance = nan", "tolerance = '1'", "minutes = true")
    ]
    + [LINE.replace('"x.trec"', value) for value in ("1979-05-27", "5", "[]", "{}")]
    + [LINE.replace('"c"', value) for value in ("1979-05-27", "5", "[]")]
    + [LINE.replace("map", "'x'"), LINE.replace("map", "judged@99999999999999999999999"), LINE + LINE],
)
def test_a_file_that_is_no_leaderboard_is_one_line(tmp_path: Path, text: str) -> None:
    """Any value, of any depth and length, and dates, which JSON does not have."""
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(InputError, match=r"^[^\n]*own\.toml: [^\n]+$") as caught:
        read_leaderboard(tmp_path / "own.toml")
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("name", ["", None, 5, "nosuch", "a\0b.toml", "x" * 5000 + ".toml", ".toml", "folder.toml"])
def test_a_name_of_no_leaderboard_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Neither is a folder."""
    (tmp_path / "folder.toml").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="^[^\n]+$"):
        read_leaderboard(name)
