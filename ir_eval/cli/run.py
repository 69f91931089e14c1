"""``ir-eval run``: the main job."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ir_eval.cli.options import add_data, add_measures, data_folder
from ir_eval.errors import InputError

if TYPE_CHECKING:
    from ir_eval.experiment import Experiment

DEMO_RERANKER = "gemma-encoder-msmarco"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "collection",
        nargs="?",
        metavar="COLLECTION|FILE.toml",
        help="a BEIR or TREC folder, or an ir_datasets id; or an experiment's file; with none, the documentation of "
        f"Python's standard library is searched and reranked by {DEMO_RERANKER}",
    )
    parser.add_argument("--split", help="which judgements of a BEIR folder")
    parser.add_argument("--first-stage", metavar="bm25|FILE.trec", help="default: bm25")
    parser.add_argument(
        "--rerank", action="append", metavar="MODEL", help="directory, packaged model or hub id; repeatable"
    )
    parser.add_argument("--depth", type=int, metavar="K", help="documents reranked a query; default: 100")
    add_measures(parser)
    add_data(parser)
    parser.add_argument(
        "--out", metavar="DIR", help="write the TREC run of every system, results.json and a report in HTML here"
    )
    parser.set_defaults(command=_run)


def _run(arguments: argparse.Namespace) -> None:
    from ir_eval.experiment import run_experiment
    from ir_eval.report.html import FILE, write_report
    from ir_eval.report.terminal import results_notes, results_table, show

    results = run_experiment(_experiment(arguments), arguments.out)
    notes = results_notes(results)
    if arguments.out:
        write_report(results, Path(arguments.out, FILE))
        notes.append(f"runs, results.json and {FILE} in {arguments.out}")
    *tables, last = (results_table(results, outcome) for outcome in results.outcomes)
    for table in tables:
        show(table)
    show(last, *notes)


def _experiment(arguments: argparse.Namespace) -> "Experiment":
    from ir_eval.experiment import MEASURES, read_experiment, single

    given = {name: getattr(arguments, name) for name in ("split", "first_stage", "rerank", "depth", "measures")}
    named = {name: value for name, value in given.items() if value is not None}
    if (arguments.collection or "").endswith(".toml"):
        if named:
            raise InputError(f"{arguments.collection}, and {', '.join(named)} beside it; write all into the file")
        return read_experiment(arguments.collection, data_folder(arguments))
    return single(
        arguments.collection or "python-docs",
        arguments.split,
        first_stage=arguments.first_stage or "bm25",
        rerankers=tuple(arguments.rerank or ([] if arguments.collection else [DEMO_RERANKER])),
        depth=100 if arguments.depth is None else arguments.depth,
        measures=tuple(arguments.measures or MEASURES),
    )
