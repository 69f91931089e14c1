"""Options that several commands share."""

import argparse
import os


def add_measures(parser: argparse.ArgumentParser) -> None:
    """Add ``-m MEASURE``, which may be repeated.

    Example:
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


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add ``--data DIR``, by default ``$GEMMA_ST_DATA``.

    Example:
        >>> add_data(parser := argparse.ArgumentParser())
        >>> parser.parse_args(["--data", "collections"]).data
        'collections'
    """
    default = os.environ.get("GEMMA_ST_DATA") or None
    text = "replace {data} in the TOML file by this folder (default: $GEMMA_ST_DATA)"
    parser.add_argument("--data", metavar="DIR", default=default, help=text)
