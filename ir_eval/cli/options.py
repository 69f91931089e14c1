"""Options that several commands take."""

import argparse


def add_measures(parser: argparse.ArgumentParser) -> None:
    """Add ``-m MEASURE``, repeatable."""
    parser.add_argument(
        "-m",
        action="append",
        dest="measures",
        metavar="MEASURE",
        help="ndcg@10, map-l2, mrr@10, recall@1000-l2, …; repeatable; default: ndcg@10 mrr@10 recall@100",
    )
