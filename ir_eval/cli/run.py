"""``ir-eval run``: the main job."""

import argparse

from ir_eval.cli.options import add_measures

DEMO_RERANKER = "gemma-encoder-msmarco"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
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
    add_measures(parser)
    parser.add_argument("--out", metavar="DIR", help="write the TREC run of every stage and results.json here")
    parser.set_defaults(command=_run)


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
