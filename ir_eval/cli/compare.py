"""``ir-eval compare``: significance tests of TREC run files, or of the systems of an experiment."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from gemma_st.errors import printable
from gemma_st.files import is_folder
from ir_eval.cli.options import add_measures
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.data.text_files import atomic_write, check_files, check_output
from ir_eval.errors import InputError
from ir_eval.evaluation.compare import compare
from ir_eval.evaluation.comparison import CORRECTIONS, TESTS, Comparison, Method, check_systems
from ir_eval.evaluation.evaluate import evaluate, hole_rates
from ir_eval.evaluation.measures import parse_measure
from ir_eval.experiment import DEFAULT_MEASURES
from ir_eval.experiment.results import missing_note
from ir_eval.experiment.results_file import read_record
from ir_eval.report.comparison_tables import comparison_notes, comparison_tables
from ir_eval.report.latex import to_latex
from ir_eval.report.markdown import to_markdown
from ir_eval.report.terminal import file_labels, show

FORMATS = {"": "table", ".md": "markdown", ".tex": "latex", ".json": "json"}


class _Systems(NamedTuple):
    """The systems to compare on one collection."""

    title: str
    qrels: Path
    runs: dict[str, Path]  # by the name in the tables
    measures: list[str]
    baselines: list[str]
    missing: int = 0  # judged documents that the collection lacks


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments.

    Examples:
        >>> from ir_eval.cli import main
        >>> main(["compare", "qrels.txt", "bm25.trec", "reranked.trec", "-m", "mrr", "--format", "markdown"])
        ## qrels.txt: 2 queries
        ...
        0
    """
    text = "judgements, as a TREC qrels file or a BEIR TSV file; or, without RUN, the folder of an experiment"
    parser.add_argument("source", metavar="QRELS|DIR", help=text)
    parser.add_argument("runs", metavar="RUN", nargs="*", help="TREC run files, plain or .gz")
    add_measures(parser)
    text = "compare with this run; repeatable (default: the first run, or the experiment's baseline)"
    parser.add_argument("--baseline", action="append", metavar="NAME", help=text)
    parser.add_argument("--test", action="append", choices=TESTS, help="use this test; repeatable (default: both)")
    text = "correct the p-values of several comparisons by this method (default: %(default)s)"
    parser.add_argument("--correction", choices=CORRECTIONS, default="holm", help=text)
    text = "seed the randomization test and the bootstrap (default: %(default)s)"
    parser.add_argument("--seed", type=int, default=0, metavar="N", help=text)
    text = "print in this format (default: by the ending of FILE, or else a table)"
    parser.add_argument("--format", choices=FORMATS.values(), help=text)
    text = f"write to FILE, as {', '.join(filter(None, FORMATS))} (default: print)"
    parser.add_argument("--out", metavar="FILE", help=text)
    parser.set_defaults(command=_compare)


def _compare(arguments: argparse.Namespace) -> None:
    layout = _layout(arguments)
    if arguments.out:
        check_output(arguments.out)
    if not is_folder(arguments.source):
        check_files(arguments.source)
    Method(tuple(arguments.test or TESTS), arguments.correction, arguments.seed)
    collections = _experiment(arguments) if is_folder(arguments.source) else [_files(arguments)]
    for systems in collections:
        check_systems(systems.runs, systems.baselines)
        for measure in systems.measures:
            parse_measure(measure)
        check_files(systems.qrels, *systems.runs.values())
    comparisons = {systems.title: _comparison(systems, arguments) for systems in collections}
    if layout == "table":
        for title, comparison in comparisons.items():
            show(*comparison_tables(title, comparison), notes=comparison_notes(comparison))
    elif arguments.out:
        with atomic_write(arguments.out) as file:
            file.write(_text(comparisons, layout))
    else:
        sys.stdout.write("\n".join(map(printable, _text(comparisons, layout).split("\n"))))


def _layout(arguments: argparse.Namespace) -> str:
    layout: str | None = arguments.format or FORMATS.get(Path(arguments.out or "").suffix)
    if layout is None or (arguments.out and layout == "table"):
        raise InputError(f"{arguments.out}: a table is printed, not written; expected .md, .tex or .json, or --format")
    return layout


def _files(arguments: argparse.Namespace) -> _Systems:
    labels = file_labels(arguments.runs)
    return _Systems(
        title="/".join(Path(arguments.source).parts[-2:]),
        qrels=Path(arguments.source),
        runs={label: Path(path) for path, label in labels.items()},
        measures=arguments.measures or list(DEFAULT_MEASURES),
        baselines=[labels.get(name, name) for name in arguments.baseline or arguments.runs[:1]],
    )


def _experiment(arguments: argparse.Namespace) -> list[_Systems]:
    """Read the runs, measures and baseline from the ``results.json`` of an experiment."""
    folder = Path(arguments.source)
    if arguments.runs:
        raise InputError(f"{folder} is a folder; expected an experiment's folder alone, or judgements and runs")
    experiment, collections, _ = read_record(folder)
    names = [collection.name for collection in collections]
    return [
        _Systems(
            title=collection.name if names.count(collection.name) == 1 else collection.folder,
            qrels=folder / collection.qrels,
            runs={system.name: folder / system.run for system in collection.systems},
            measures=arguments.measures or list(experiment.measures),
            baselines=arguments.baseline or [experiment.baseline],
            missing=collection.missing_judged,
        )
        for collection in collections
    ]


def _comparison(systems: _Systems, arguments: argparse.Namespace) -> Comparison:
    qrels = Qrels.read(systems.qrels)
    runs = {name: Run.read(path, name=str(path)) for name, path in systems.runs.items()}
    comparison = compare(
        {name: evaluate(qrels, run, systems.measures) for name, run in runs.items()},
        systems.baselines,
        holes={name: hole_rates(qrels, run, systems.measures) for name, run in runs.items()},
        tests=arguments.test or TESTS,
        correction=arguments.correction,
        seed=arguments.seed,
    )
    return replace(comparison, notes=(*missing_note(qrels, systems.missing), *comparison.notes))


def _text(comparisons: dict[str, Comparison], layout: str) -> str:
    if layout == "json":
        plain = {title: comparison.to_dict() for title, comparison in comparisons.items()}
        return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    lay_out = to_markdown if layout == "markdown" else to_latex
    return "\n".join(lay_out(title, comparison) for title, comparison in comparisons.items())
