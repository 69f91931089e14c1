"""html: the page loads nothing, shows the measured figures, and escapes every text."""

import json
import tomllib
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from ir_eval.cli import main
from ir_eval.data.run import Run
from ir_eval.data.text_files import atomic_write
from ir_eval.experiment import CollectionName, Experiment, Fuse, Given, Rerank, Results, Retrieve, run_experiment
from ir_eval.experiment.experiment_file import parse_experiment
from ir_eval.report.comparison_tables import comparison_notes, comparison_tables
from ir_eval.report.html import _report_page, write_report
from ir_eval.report.plots import precision_at_recall, retrieved_levels

VOID = {"br", "meta"}  # elements without an end; others are written as <path/>
HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> & \" ' \u2028 {{ 7 * 7 }}"


class Page(HTMLParser):
    """The elements, attributes and texts of a page; every element that opens must close."""

    def __init__(self, text: str) -> None:
        """Parse the page."""
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element without content."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Remember a text, and add it to its table cell."""
        self.texts.append((self.open[-1] if self.open else "", data))
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def within(self, tag: str) -> list[str]:
        """Return the texts directly in elements of a kind."""
        return [text for name, text in self.texts if name == tag]

    @property
    def plots(self) -> dict[str, object]:
        """The data for the script of a page with one collection."""
        return next(json.loads(text) for text in self.within("script") if text.startswith("{"))


def make(folder: Path, name: str = "tiny", text: str = "text", docs: int = 12, topics: int = 9) -> str:
    """Write a BEIR folder; document and topic ids hold markup, every document and topic the text."""
    rng = np.random.default_rng(0)
    ids = [f"<b>d&{number}" for number in range(docs)]
    lines = {
        "corpus.jsonl": [json.dumps({"_id": doc, "text": f"{doc} {text}"}) for doc in ids],
        "queries.jsonl": [json.dumps({"_id": f"<i>q{topic}", "text": f"{topic} {text}"}) for topic in range(topics)],
        "qrels/test.tsv": ["query-id\tcorpus-id\tscore"]
        + [f"<i>q{topic}\t{doc}\t{rng.integers(-1, 3)}" for topic in range(topics) for doc in ids[: docs - 3]],
    }
    for file, rows in lines.items():
        with atomic_write(folder / name / file) as out:
            out.writelines(f"{row}\n" for row in rows)
    return str(folder / name)


def given(folder: Path, name: str, seed: int, docs: int = 12, topics: int = 9) -> Given:
    """Write a random run of the documents from number ``seed`` on, without the last topic."""
    rng = np.random.default_rng(seed)
    ranked = {
        f"<i>q{topic}": {f"<b>d&{number}": float(rng.normal()) for number in range(seed, docs)}
        for topic in range(topics - 1)
    }
    Run.from_dict(ranked).write(folder / f"{name}.trec")
    return Given(str(folder / f"{name}.trec"))


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """Three systems on a collection full of markup; the last system ranks unjudged documents."""
    systems = {name: given(tmp_path, name, seed) for seed, name in ((0, "base"), (1, "<u>other"), (5, "holes"))}
    places = (CollectionName(make(tmp_path, "<s>&\"'", HOSTILE)),)
    return run_experiment(Experiment(places, systems, ("ndcg@5", "map-l2")), tmp_path / "out")


def test_the_page_stands_alone(results: Results, tmp_path: Path) -> None:
    """No element loads anything, links stay inside the page, and the Content-Security-Policy forbids anything else."""
    page = Page(_report_page(results, tmp_path / "out"))
    links = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    anchors = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert {f"#{anchor}" for anchor in anchors} == set(links)
    assert set(anchors.values()) == {1}
    assert {tag for tag, _ in page.tags} & {"link", "img", "iframe", "object", "base"} == set()
    policy = next(attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes)
    style, script = page.within("style")[0], page.within("script")[-1]
    hashes = [b64encode(sha256(text.encode()).digest()).decode() for text in (style, script)]
    assert policy == f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'"
    assert not [name for _, attributes in page.tags for name in attributes if name == "style" or name.startswith("on")]
    assert "url(" not in style + script
    assert "@import" not in style


def test_texts_are_texts(results: Results, tmp_path: Path) -> None:
    """Markup in ids, names and texts is escaped, in tables and in the script's data."""
    page = Page(_report_page(results, tmp_path / "out"))
    assert Counter(tag for tag, _ in page.tags)["script"] == 2  # the data and the page's own
    assert {tag for tag, _ in page.tags} & {"u", "s", "i", "img"} == set()
    assert "<s>&\"' (test)" in page.within("h1")[0]
    assert any(text.strip() == f"0 {HOSTILE}" for text in page.within("summary"))
    assert any(text.endswith(" ".join(HOSTILE.split())) and text.startswith("<b>d&") for text in page.within("p"))
    assert page.plots["systems"] == ["base", "<u>other", "holes"]
    assert page.plots["queries"] == [[f"<i>q{topic}", f"{topic} {HOSTILE}"] for topic in range(9)]


def test_half_of_a_character_is_a_question_mark(results: Results, tmp_path: Path) -> None:
    """Files with one are refused, but a collection made in Python may have it, and no file can hold it."""
    outcome = results.outcomes[0]
    topics = dict.fromkeys(outcome.collection.topics, "gold \ud800")
    outcome = replace(outcome, collection=replace(outcome.collection, topics=topics))
    page = Page(_report_page(replace(results, outcomes=(outcome,)), tmp_path / "out"))
    assert page.plots["queries"] == [[f"<i>q{topic}", "gold ?"] for topic in range(9)]


def test_figures_are_the_evaluations(results: Results, tmp_path: Path) -> None:
    """Means and differences in the table, the value of each query in the script's data."""
    page = Page(_report_page(results, tmp_path / "out"))
    table = {row[0].split()[0]: row for row in page.rows if len(row) == 5}
    base, *others = results.outcomes[0].systems
    assert table["system"][1:] == ["ndcg@5", "map-l2", "holes@10", "ms/query"]
    for system in (base, *others):
        row = table[system.run.name]
        for cell, (measure, mean) in zip(row[1:3], system.evaluation.means.items(), strict=True):
            figures = cell.replace("−", "-").replace(",", "").split()
            assert figures[0] == f"{mean:.4f}"
            if system is not base:
                assert f"{mean - base.evaluation.means[measure]:+.4f}" in figures
        assert row[4] == "–"  # a given run's time is not known
    for measure, values in page.plots["values"].items():
        expected = [system.evaluation.per_query[measure] for system in (base, *others)]
        np.testing.assert_allclose(values, expected, atol=5.1e-5)
    qrels = results.outcomes[0].qrels
    for found, system in zip(page.plots["precision"], (base, *others), strict=True):
        expected = precision_at_recall(qrels, retrieved_levels(qrels, system.run), 2)  # as map-l2 counts
        np.testing.assert_allclose(found, expected, atol=5.1e-5)


def test_comparisons_are_the_shared_tables(results: Results, tmp_path: Path) -> None:
    """Every cell of the details is that of `comparison_tables`, and the explanations are those of its notes."""
    page = Page(_report_page(results, tmp_path / "out"))
    (outcome,) = results.outcomes
    comparison = results.comparisons[outcome.folder]
    rows = [[" ".join(cell.replace("−", "-").split()) for cell in row] for row in page.rows]
    for table in comparison_tables(outcome.title, comparison, uncorrected=True)[1:]:
        assert list(table.headings) in rows
        for row in table.rows:
            assert [f"{cell.mark} {cell.text}".strip() for cell in row] in rows
    assert {f"{note}." for note in comparison_notes(comparison)[:2]} <= set(page.within("p"))


def test_holes_are_warned_of(results: Results, tmp_path: Path) -> None:
    """A warning for each system that ranks more unjudged documents than the baseline."""
    page = Page(_report_page(results, tmp_path))
    classes = [attributes.get("class") for _, attributes in page.tags]
    assert classes.count("warning") == 2  # of holes; of JavaScript
    assert page.within("li")[0].startswith("holes: 42.9% of its first 10 documents have no judgement")


def test_changed_queries_are_few_and_no_other_text_is_shown(tmp_path: Path) -> None:
    """Five queries helped and five hurt, with five documents each; other texts are left out."""
    systems = {"base": given(tmp_path, "base", 0, 400, 30), "other": given(tmp_path, "other", 0, 400, 30)}
    rng = np.random.default_rng(9)
    shuffled = {q: {doc: float(rng.normal()) for doc in d} for q, d in Run.read(systems["base"].run).to_dict().items()}
    Run.from_dict(shuffled).write(systems["other"].run)
    places = (CollectionName(make(tmp_path, "big", "x" * 400, 400, 30)),)
    results = run_experiment(Experiment(places, systems, ("ndcg@10",)), tmp_path / "out")
    text = _report_page(results, tmp_path / "out")
    base, other = results.outcomes[0].systems
    differences = other.evaluation.per_query["ndcg@10"] - base.evaluation.per_query["ndcg@10"]
    order = [other.evaluation.query_ids[place] for place in np.argsort(-differences, kind="stable")]
    page = Page(text)
    shown = [row.split(":")[0] for row in page.within("small") if "→" in row]
    assert shown == [*order[:5], *order[:-6:-1]]
    documents = [row for row in page.within("p") if "x" * 50 in row]
    assert len(documents) == 10 * 2 * 5
    assert all(len(row) <= 302 and row.endswith(" …") for row in documents)
    first = [row for row in page.within("code") if row.startswith("<b>")][:10]
    assert first == [*base.run[order[0]][0][:5].tolist(), *other.run[order[0]][0][:5].tolist()]
    rank = other.run[order[0]][0].tolist().index(first[0]) + 1
    assert f"rank {rank} in other" in page.within("small")


def test_provenance_repeats_the_experiment(results: Results, tmp_path: Path) -> None:
    """The page holds the experiment's file, the runs' hashes, the documents' fingerprint and the versions."""
    page = Page(_report_page(results, tmp_path / "out"))
    assert parse_experiment(tomllib.loads(page.within("pre")[0])) == results.experiment
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    place = found["collections"][0]
    expected = {place["fingerprint"], *(system["sha256"] for system in place["systems"]), found["sources"]}
    assert expected <= set(page.within("code"))
    assert ["numpy", np.__version__] in page.rows


def test_an_experiment_and_its_file_are_the_same() -> None:
    """All kinds of system, options of all types, and names that TOML must quote."""
    systems = {
        "a b": Retrieve("bm25", 50, {"k1": 0.9, "rm3": True, "nested": {"x": 1e-7, 'y"\x7f\n': "\\\x7f\n"}}),
        'q"ü=': Given("ünï/{collection}.trec"),
        "fused": Fuse(("a b", 'q"ü='), "sum", "z-score", (0.25, 2.0), CollectionName("dev")),
        "m": Rerank("fused", "tiny", 7),
    }
    places = (CollectionName("x"), CollectionName("y", "dev", ("map-l2",)))
    experiment = Experiment(places, systems, ("ndcg@10",), "fused", "tukey", 3)
    assert parse_experiment(tomllib.loads(experiment.to_toml())) == experiment


def test_one_system_and_two_collections(tmp_path: Path) -> None:
    """A single system has no comparison; each collection has its own figures."""
    places = tuple(CollectionName(make(tmp_path, name)) for name in ("one", "two"))
    experiment = Experiment(places, {"base": given(tmp_path, "base", 0)}, ("ndcg@5",))
    page = Page(_report_page(run_experiment(experiment), tmp_path))
    assert "Query by query" not in page.within("h3")
    assert [text for text in page.within("h2") if text != "Provenance"] == ["one (test)", "two (test)"]
    assert page.rows[0] == ["system", "one (test) ndcg@5", "two (test) ndcg@5"]


def test_the_command_writes_the_same_page(
    results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is enough, and the page does not depend on its path."""
    write_report(results, tmp_path / "out" / "report.html")
    page = (tmp_path / "out" / "report.html").read_bytes()
    (tmp_path / "out" / "report.html").unlink()
    monkeypatch.chdir(tmp_path)
    assert main(["report", "out"]) == 0
    assert main(["report", "out", "--out", "elsewhere/page.html"]) == 0
    assert Path("out/report.html").read_bytes() == Path("elsewhere/page.html").read_bytes() == page
    assert capsys.readouterr().out == "report in out/report.html\nreport in elsewhere/page.html\n"
    assert main(["report", "out", "--without-texts"]) == 0
    bare = Path("out/report.html").read_text()
    documents = results.outcomes[0].collection.texts(results.outcomes[0].systems[0].run.doc_ids.tolist())
    for text in (*results.outcomes[0].collection.topics.values(), *documents.values()):
        assert escape(text) not in bare
    assert any(escape(text[:20]) in page.decode() for text in documents.values() if text)
    capsys.readouterr()
    assert main(["report", "elsewhere"]) == 2
    assert "elsewhere/results.json: cannot be read (No such file or directory)" in capsys.readouterr().err
