"""The option ``-m``, which several commands take."""

import argparse


def add_measures(parser: argparse.ArgumentParser) -> None:
    """Add ``-m MEASURE``, which may be repeated.

    Examples:
        >>> add_measures(parser := argparse.ArgumentParser())
        >>> parser.parse_args(["-m", "ndcg@10", "-m", "map"]).measures
        ['ndcg@10', 'map']
    """
    parser.add_argument(
        "-m",
        action="append",
        dest="measures",
        metavar="MEASURE",
        help="evaluate this measure, such as ndcg@10, mrr@10, map-l2 or recall@1000-l2, where -l2 counts grades of at "
        "least 2 as relevant; repeatable (default: ndcg@10 mrr@10 recall@100)",
    )
