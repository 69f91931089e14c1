"""``ir-eval mine``: hard negatives."""

import argparse
import sys

from ir_eval.collections import open_collection
from ir_eval.data.text_files import check_output
from ir_eval.pipeline.negatives import Mining, check_first_stage, mine


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments.

    Examples:
        >>> from ir_eval.cli import main
        >>> main(["mine", "collection", "--first-stage", "bm25.trec", "--negatives", "1", "--out", "mined.jsonl"])
        2 lists written to mined.jsonl
        0
    """
    parser.add_argument("collection", metavar="COLLECTION", help="BEIR or TREC folder, or ir_datasets id")
    parser.add_argument("--split", help="use these judgements of a BEIR folder, such as train")
    text = "take negatives from BM25 or from a run file (default: %(default)s)"
    parser.add_argument("--first-stage", default="bm25", metavar="bm25|FILE.trec", help=text)
    text = "take negatives from rank N on (default: %(default)s)"
    parser.add_argument("--from", type=int, default=1, dest="start", metavar="N", help=text)
    text = "take negatives down to rank N (default: %(default)s)"
    parser.add_argument("--depth", type=int, default=50, metavar="N", help=text)
    text = "write N relevant documents for each query, with their grades (default: %(default)s)"
    parser.add_argument("--positives", type=int, default=1, metavar="N", help=text)
    text = "write N negatives for each query (default: %(default)s)"
    parser.add_argument("--negatives", type=int, default=5, metavar="N", help=text)
    parser.add_argument("--queries", type=int, metavar="N", help="draw N queries at random (default: all queries)")
    text = "draw queries and negatives with this seed (default: %(default)s)"
    parser.add_argument("--seed", type=int, default=0, metavar="N", help=text)
    parser.add_argument("--out", required=True, metavar="FILE.jsonl", help="write the lists for gemma-st train here")
    parser.set_defaults(command=_mine)


def _mine(arguments: argparse.Namespace) -> None:
    mining = Mining(
        first_stage=arguments.first_stage,
        start=arguments.start,
        depth=arguments.depth,
        positives=arguments.positives,
        negatives=arguments.negatives,
        queries=arguments.queries,
        seed=arguments.seed,
    )
    check_first_stage(arguments.first_stage)
    check_output(arguments.out)
    lists = mine(open_collection(arguments.collection, split=arguments.split), mining, arguments.out)
    sys.stdout.write(f"{lists} lists written to {arguments.out}\n")
