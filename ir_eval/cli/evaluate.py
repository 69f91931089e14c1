"""``ir-eval evaluate``: TREC files in, a table out."""

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ir_eval.cli.options import add_measures

if TYPE_CHECKING:
    from ir_eval.evaluation.evaluate import Evaluation


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("qrels", metavar="QRELS", help="TREC judgements, or a BEIR TSV")
    parser.add_argument("runs", metavar="RUN", nargs="+", help="TREC runs, plain or .gz")
    add_measures(parser)
    parser.add_argument(
        "--per-query", action="store_true", help="tab-separated scores of every query, the mean as 'all'"
    )
    parser.set_defaults(command=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> None:
    from ir_eval.data.qrels import Qrels
    from ir_eval.data.run import Run
    from ir_eval.evaluation.evaluate import evaluate
    from ir_eval.evaluation.measures import parse_measure
    from ir_eval.experiment import MEASURES
    from ir_eval.report.terminal import file_labels, measures_table, rank_note, show

    measures = [parse_measure(text) for text in arguments.measures or MEASURES]
    qrels = Qrels.read(arguments.qrels)
    evaluations, notes = {}, []
    for path, label in file_labels(arguments.runs).items():
        run = Run.read(path, name=path)
        evaluations[label] = evaluate(qrels, run, measures)
        if by_rank := run.by_rank():
            notes.append(rank_note(label, evaluations[label], evaluate(qrels, by_rank, measures)))
    if arguments.per_query:
        sys.stdout.writelines(_per_query(evaluations))
        return
    show(measures_table(evaluations), *filter(None, notes))


def _per_query(evaluations: "dict[str, Evaluation]") -> Iterator[str]:
    """Yield lines of query, measure and each run's score, as ``trec_eval -q`` has them."""
    yield "\t".join(("query", "measure", *evaluations)) + "\n"
    first, *_ = evaluations.values()
    for measure in first.per_query:
        columns = [evaluation.per_query[measure].tolist() for evaluation in evaluations.values()]
        means = [evaluation.means[measure] for evaluation in evaluations.values()]
        for query_id, *scores in [*zip(first.query_ids.tolist(), *columns, strict=True), ("all", *means)]:
            yield "\t".join((query_id, measure, *(f"{score:.6f}" for score in scores))) + "\n"
