"""``ir-eval evaluate``: TREC files in, a table out."""

import argparse

from ir_eval.cli.options import add_measures


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("qrels", metavar="QRELS", help="TREC judgements, or a BEIR TSV")
    parser.add_argument("runs", metavar="RUN", nargs="+", help="TREC runs, plain or .gz")
    add_measures(parser)
    parser.set_defaults(command=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> None:
    from ir_eval.evaluate import evaluate
    from ir_eval.experiment import MEASURES
    from ir_eval.measures import parse_measure
    from ir_eval.qrels import Qrels
    from ir_eval.report.terminal import file_labels, measures_table, rank_note, show
    from ir_eval.run import Run

    measures = [parse_measure(text) for text in arguments.measures or MEASURES]
    qrels = Qrels.read(arguments.qrels)
    evaluations, notes = {}, []
    for path, label in file_labels(arguments.runs).items():
        run = Run.read(path, name=path)
        evaluations[label] = evaluate(qrels, run, measures)
        if by_rank := run.by_rank():
            notes.append(rank_note(label, evaluations[label], evaluate(qrels, by_rank, measures)))
    show(measures_table(evaluations), *filter(None, notes))
