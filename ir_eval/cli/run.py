"""``ir-eval run``: an experiment, from topics to a table."""

import argparse
from pathlib import Path

from gemma_st.cli.options import add_data
from gemma_st.errors import ModelError
from ir_eval.cli.options import add_measures
from ir_eval.errors import InputError
from ir_eval.experiment import DEFAULT_MEASURES, Experiment, read_experiment, run_experiment, single
from ir_eval.report.html import REPORT_FILENAME, write_report
from ir_eval.report.results_tables import results_notes, results_table
from ir_eval.report.terminal import show

OPTIONS = ("split", "first_stage", "rerank", "depth", "exclude_query", "measures")  # a TOML file has them as keys
DEMO_RERANKER = "gemma-encoder-msmarco"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments.

    Examples:
        >>> from ir_eval.cli import main
        >>> main(["run", "collection", "--first-stage", "bm25.trec", "-m", "mrr"])
        collection (test): 2 topics
        ...
        0
    """
    parser.add_argument(
        "collection",
        nargs="?",
        metavar="COLLECTION|FILE.toml",
        help="BEIR or TREC folder, ir_datasets id, or TOML file of an experiment (default: python-docs, the "
        f"documentation of Python's standard library, reranked by {DEMO_RERANKER})",
    )
    parser.add_argument("--split", help="use these judgements of a BEIR folder, such as dev")
    text = "search with BM25, or read a run file (default: bm25)"
    parser.add_argument("--first-stage", metavar="bm25|FILE.trec", help=text)
    text = "rerank with this model: directory, packaged model or hub id; repeatable"
    parser.add_argument("--rerank", action="append", metavar="MODEL", help=text)
    text = "rerank the top N documents of the first stage (default: 100)"
    parser.add_argument("--depth", type=int, metavar="N", help=text)
    text = "leave out the document whose id is the query's, where queries are documents, as in ArguAna and Quora"
    parser.add_argument("--exclude-query", action="store_const", const=True, help=text)
    add_measures(parser)
    add_data(parser)
    text = "write the TREC run of each system, results.json and report.html to this folder"
    parser.add_argument("--out", metavar="DIR", help=text)
    parser.set_defaults(command=_run)


def _run(arguments: argparse.Namespace) -> None:
    experiment = _experiment(arguments)
    try:
        results = run_experiment(experiment, arguments.out)
    except (InputError, ModelError) as error:
        raise type(error)(f"{arguments.collection}: {error}" if _is_toml(arguments) else str(error)) from error
    notes = results_notes(results)
    if arguments.out:
        write_report(results, Path(arguments.out, REPORT_FILENAME))
        notes.append(f"runs, results.json and {REPORT_FILENAME} in {arguments.out}")
    show(*(results_table(results, outcome) for outcome in results.outcomes), notes=notes)


def _is_toml(arguments: argparse.Namespace) -> bool:
    return str(arguments.collection).endswith(".toml")


def _experiment(arguments: argparse.Namespace) -> Experiment:
    options = {name: getattr(arguments, name) for name in OPTIONS}
    given = ", ".join(f"--{name}".replace("_", "-") for name, value in options.items() if value is not None)
    if _is_toml(arguments):
        if given:
            raise InputError(f"{arguments.collection} with the options {given}; expected them in the file; move them")
        return read_experiment(arguments.collection, arguments.data)
    return single(
        arguments.collection or "python-docs",
        arguments.split,
        first_stage=arguments.first_stage or "bm25",
        rerankers=tuple(arguments.rerank or ([] if arguments.collection else [DEMO_RERANKER])),
        depth=100 if arguments.depth is None else arguments.depth,
        measures=tuple(arguments.measures or DEFAULT_MEASURES),
        exclude_query=bool(arguments.exclude_query),
    )
