"""``ir-eval fuse``: several TREC run files fused into one."""

import argparse
import sys

from gemma_st.errors import printable
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.data.text_files import check_files, check_output
from ir_eval.errors import InputError
from ir_eval.pipeline.fusion import Tuned, check_fusion, check_tuning, fuse, tune


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments.

    Examples:
        >>> from ir_eval.cli import main
        >>> main(["fuse", "bm25.trec", "reranked.trec", "--out", "fused.trec"])
        2 queries, 4 documents written to fused.trec
        0
    """
    parser.add_argument("runs", metavar="RUN", nargs="+", help="TREC run files of the same topics, plain or .gz")
    parser.add_argument("--method", default="rrf", help="fuse by rrf or sum (default: %(default)s)")
    text = "normalise the scores before a sum by min-max, z-score, max, sum or rank (default: no normalisation)"
    parser.add_argument("--normalisation", metavar="NAME", help=text)
    text = "multiply the scores of each run by its weight in a sum (default: 1)"
    parser.add_argument("--weights", type=float, nargs="+", metavar="W", help=text)
    text = "tune the weights on other topics than the fused ones: their judgements, then their runs in the order of RUN"
    parser.add_argument("--tune-on", nargs="+", metavar=("DEV_QRELS", "DEV_RUN"), help=text)
    text = "tune the weights for this measure (default: %(default)s)"
    parser.add_argument("-m", default="ndcg@10", dest="measure", help=text)
    parser.add_argument("--out", required=True, metavar="FUSED.trec", help="write the fused run here, plain or .gz")
    parser.set_defaults(command=_fuse)


def _fuse(arguments: argparse.Namespace) -> None:
    if arguments.weights and arguments.tune_on:
        raise InputError("--weights with --tune-on; expected one of them; remove the other")
    count = len(arguments.runs)
    if arguments.tune_on and len(arguments.tune_on) != count + 1:
        raise InputError(f"--tune-on with {len(arguments.tune_on) - 1} development runs; expected {count}, one a run")
    if arguments.tune_on:
        check_tuning(count, arguments.measure, normalisation=arguments.normalisation)
    weights = [1.0] * count if arguments.tune_on else arguments.weights
    check_fusion(count, arguments.method, normalisation=arguments.normalisation, weights=weights)
    check_files(*arguments.runs, *(arguments.tune_on or ()))
    check_output(arguments.out)
    runs = [Run.read(path, name=path) for path in arguments.runs]
    weights = _tuned(arguments) if arguments.tune_on else arguments.weights
    fused = fuse(runs, arguments.method, normalisation=arguments.normalisation, weights=weights, name=arguments.method)
    fused.write(arguments.out)
    sys.stdout.write(f"{len(fused)} queries, {len(fused.docs)} documents written to {printable(arguments.out)}\n")


def _tuned(arguments: argparse.Namespace) -> Tuned:
    qrels, *runs = arguments.tune_on
    found = [Run.read(path, name=path) for path in runs]
    tuned = tune(found, Qrels.read(qrels), arguments.measure, normalisation=arguments.normalisation)
    weights = " ".join(f"{weight:g}" for weight in tuned.weights)
    sys.stdout.write(f"weights {weights}: {arguments.measure} {tuned.score:.4f} on {len(tuned.queries)} topics\n")
    return tuned
