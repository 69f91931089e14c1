"""``ir-eval evaluate``: measures of TREC run files."""

import argparse
import sys
from collections.abc import Iterator

from gemma_st.errors import printable
from ir_eval.cli.options import add_measures
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.data.text_files import check_files
from ir_eval.evaluation.evaluate import Evaluation, evaluate
from ir_eval.evaluation.measures import parse_measure
from ir_eval.experiment import DEFAULT_MEASURES
from ir_eval.report.results_tables import measures_table
from ir_eval.report.terminal import file_labels, show


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments.

    Examples:
        >>> from ir_eval.cli import main
        >>> main(["evaluate", "qrels.txt", "bm25.trec", "reranked.trec", "-m", "mrr"])
          system          mrr
        ...
        0
    """
    parser.add_argument("qrels", metavar="QRELS", help="judgements: a TREC qrels file or a BEIR TSV file")
    parser.add_argument("runs", metavar="RUN", nargs="+", help="TREC run files, plain or .gz")
    add_measures(parser)
    text = "print tab-separated scores of every query, and the mean as 'all'"
    parser.add_argument("--per-query", action="store_true", help=text)
    parser.set_defaults(command=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> None:
    measures = [parse_measure(text) for text in arguments.measures or DEFAULT_MEASURES]
    check_files(arguments.qrels, *arguments.runs)
    qrels = Qrels.read(arguments.qrels)
    evaluations, notes = {}, []
    for path, label in file_labels(arguments.runs).items():
        run = Run.read(path, name=path)
        evaluations[label] = evaluate(qrels, run, measures)
        if by_rank := run.by_rank():
            notes.append(_rank_note(label, evaluations[label], evaluate(qrels, by_rank, measures)))
    if arguments.per_query:
        sys.stdout.writelines(_per_query({printable(label): found for label, found in evaluations.items()}))
        return
    gaps = [f"{label}: {note}" for label, evaluation in evaluations.items() for note in evaluation.notes]
    show(measures_table(evaluations), notes=[*gaps, *filter(None, notes)])


def _rank_note(system: str, by_score: Evaluation, by_rank: Evaluation) -> str | None:
    """Return the measures by the rank column of a run file, or None if they equal those by score to four decimals."""
    figures, others = ([f"{name} {mean:.4f}" for name, mean in found.means.items()] for found in (by_score, by_rank))
    return None if figures == others else f"{system}: by its rank column, which trec_eval ignores: {'  '.join(others)}"


def _per_query(evaluations: dict[str, Evaluation]) -> Iterator[str]:
    """Yield lines of query, measure and the score of each run, as ``trec_eval -q`` does."""
    yield "\t".join(("query", "measure", *evaluations)) + "\n"
    first, *_ = evaluations.values()
    for measure in first.per_query:
        columns = [evaluation.per_query[measure].tolist() for evaluation in evaluations.values()]
        means = [evaluation.means[measure] for evaluation in evaluations.values()]
        for query_id, *scores in [*zip(first.query_ids.tolist(), *columns, strict=True), ("all", *means)]:
            yield "\t".join((query_id, measure, *(f"{score:.6f}" for score in scores))) + "\n"
