"""``ir-eval mine``: hard negatives."""

import argparse
import sys


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("collection", metavar="COLLECTION", help="a BEIR or TREC folder, or an ir_datasets id")
    parser.add_argument("--split", help="which judgements of a BEIR folder")
    parser.add_argument("--first-stage", default="bm25", metavar="bm25|FILE.trec", help="default: %(default)s")
    help_from = "negatives come from this rank on; default: %(default)s"
    parser.add_argument("--from", type=int, default=1, dest="start", metavar="RANK", help=help_from)
    parser.add_argument("--depth", type=int, default=50, metavar="RANK", help="to this one; default: %(default)s")
    parser.add_argument(
        "--positives", type=int, default=1, help="relevant documents a query, with their grades; default: %(default)s"
    )
    parser.add_argument("--negatives", type=int, default=5, help="a query; default: %(default)s")
    parser.add_argument("--queries", type=int, help="how many, drawn at random; default: all")
    parser.add_argument("--seed", type=int, default=0, help="of both draws; default: %(default)s")
    parser.add_argument("--out", required=True, metavar="FILE.jsonl", help="lists for gemma-st train")
    parser.set_defaults(command=_mine)


def _mine(arguments: argparse.Namespace) -> None:
    from ir_eval.collections import open_collection
    from ir_eval.pipeline.negatives import Mining, mine

    mining = Mining(
        first_stage=arguments.first_stage,
        start=arguments.start,
        depth=arguments.depth,
        positives=arguments.positives,
        negatives=arguments.negatives,
        queries=arguments.queries,
        seed=arguments.seed,
    )
    lists = mine(open_collection(arguments.collection, split=arguments.split), mining, arguments.out)
    sys.stdout.write(f"{lists} lists written to {arguments.out}\n")
