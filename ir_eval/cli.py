"""``ir-eval``: the command line. Every command is a thin layer over one function of the package."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from gemma_st.errors import ModelError
from ir_eval.errors import InputError

DEMO_RERANKER = "gemma-encoder-msmarco"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, 1 if ``doctor`` misses something, 2 for bad input, 130 for Ctrl-C.

    Args:
        argv: The arguments; those of the process if not given.
    """
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int | None] = arguments.command
    _quiet_libraries()
    try:
        return command(arguments) or 0
    except KeyboardInterrupt:
        return _fail("interrupted; the same command goes on with what is done already", 130)
    except (InputError, ModelError) as error:
        return _fail(f"error: {error}", 2)


def _quiet_libraries() -> None:
    """Leave the terminal to our own bar, table and one-line errors; libraries read these when they are imported."""
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # else each retry of a hub that cannot be reached is logged
    os.environ.setdefault("TQDM_LEAVE", "")  # a bar goes when it is full
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"ir-eval: {' '.join(message.split())}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ir-eval", description="First stages, reranking and evaluation.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="topics → first stage → rerankers → evaluation → table"))
    _add_evaluate(commands.add_parser("evaluate", help="measure TREC runs with trec_eval's meaning"))
    _add_mine(commands.add_parser("mine", help="write hard negatives as training lists"))
    doctor = commands.add_parser("doctor", help="say what is present, what is missing, and what mends it")
    doctor.set_defaults(command=_doctor)
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "collection",
        nargs="?",
        metavar="COLLECTION",
        help="a BEIR or TREC folder, or an ir_datasets id; with none, the documentation of Python's standard "
        f"library is searched and reranked by {DEMO_RERANKER}",
    )
    parser.add_argument("--split", help="which judgements of a BEIR folder")
    parser.add_argument("--first-stage", default="bm25", metavar="bm25|FILE.trec", help="default: %(default)s")
    parser.add_argument(
        "--rerank", action="append", metavar="MODEL", help="directory, packaged model or hub id; repeatable"
    )
    parser.add_argument(
        "--depth", type=int, default=100, metavar="K", help="documents reranked a query; default: %(default)s"
    )
    _add_measures(parser)
    parser.add_argument("--out", metavar="DIR", help="write the TREC run of every stage and results.json here")
    parser.set_defaults(command=_run)


def _add_measures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-m",
        action="append",
        dest="measures",
        metavar="MEASURE",
        help="ndcg@10, map-l2, mrr@10, recall@1000-l2, …; repeatable; default: ndcg@10 mrr@10 recall@100",
    )


def _run(arguments: argparse.Namespace) -> None:
    from ir_eval.experiment import MEASURES, Experiment, run_experiment
    from ir_eval.files import check_folder
    from ir_eval.report.terminal import results_table, show

    experiment = Experiment(
        collection=arguments.collection or "python-docs",
        split=arguments.split,
        first_stage=arguments.first_stage,
        rerankers=tuple(arguments.rerank or ([] if arguments.collection else [DEMO_RERANKER])),
        depth=arguments.depth,
        measures=tuple(arguments.measures or MEASURES),
    )
    if arguments.out:
        check_folder(arguments.out)
    results = run_experiment(experiment)
    if arguments.out:
        results.write(arguments.out)
    show(results_table(results), *([f"runs and results.json in {arguments.out}"] if arguments.out else []))


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("qrels", metavar="QRELS", help="TREC judgements, or a BEIR TSV")
    parser.add_argument("runs", metavar="RUN", nargs="+", help="TREC runs, plain or .gz")
    _add_measures(parser)
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


def _add_mine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("collection", metavar="COLLECTION", help="a BEIR or TREC folder, or an ir_datasets id")
    parser.add_argument("--split", help="which judgements of a BEIR folder")
    parser.add_argument("--first-stage", default="bm25", metavar="bm25|FILE.trec", help="default: %(default)s")
    parser.add_argument(
        "--depth", type=int, default=50, help="negatives come from the first documents; default: %(default)s"
    )
    parser.add_argument("--negatives", type=int, default=5, help="a query; default: %(default)s")
    parser.add_argument("--queries", type=int, help="how many, drawn at random; default: all")
    parser.add_argument("--seed", type=int, default=0, help="of both draws; default: %(default)s")
    parser.add_argument("--out", required=True, metavar="FILE.jsonl", help="lists for gemma-st train")
    parser.set_defaults(command=_mine)


def _mine(arguments: argparse.Namespace) -> None:
    from ir_eval.collections import open_collection
    from ir_eval.negatives import Mining, mine

    mining = Mining(
        first_stage=arguments.first_stage,
        depth=arguments.depth,
        negatives=arguments.negatives,
        queries=arguments.queries,
        seed=arguments.seed,
    )
    lists = mine(open_collection(arguments.collection, split=arguments.split), mining, arguments.out)
    sys.stdout.write(f"{lists} lists written to {arguments.out}\n")


def _doctor(arguments: argparse.Namespace) -> int:
    from gemma_st.doctor import write_report
    from ir_eval.doctor import checks

    return write_report(checks(), sys.stdout)
