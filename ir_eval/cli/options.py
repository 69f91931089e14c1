"""Options that several commands take."""

import argparse
import os


def add_measures(parser: argparse.ArgumentParser) -> None:
    """Add ``-m MEASURE``, repeatable."""
    parser.add_argument(
        "-m",
        action="append",
        dest="measures",
        metavar="MEASURE",
        help="ndcg@10, map-l2, mrr@10, recall@1000-l2, …; repeatable; default: ndcg@10 mrr@10 recall@100",
    )


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add ``--data DIR``."""
    parser.add_argument("--data", metavar="DIR", help="what {data} stands for in a file; default: $GEMMA_ST_DATA")


def data_folder(arguments: argparse.Namespace) -> str | None:
    """Return what ``{data}`` stands for, if that is known."""
    return arguments.data or os.environ.get("GEMMA_ST_DATA") or None
