"""``gemma-st glue``: its arguments, and what it prints."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from gemma_st.errors import ModelError
from gemma_st.modeling.dropout import DropoutRates
from gemma_st.modeling.heads import HEADS

PLACES = tuple(field.name for field in fields(DropoutRates))


def add_glue(glue: argparse.ArgumentParser) -> None:
    """Give a parser the command's arguments.

    Args:
        glue: The command's own parser.
    """
    glue.add_argument(
        "base", metavar="BASE", help="a Gemma id or directory, or a packaged model: its backbone is taken"
    )
    glue.add_argument(
        "--task", nargs="+", required=True, metavar="TASK", help="cola, sst-2, …, boolq, cb, super-rte, …"
    )
    glue.add_argument(
        "--data", metavar="DIR", help="a folder with CoLA/train.tsv etc., or a hub id; the hub's own if not given"
    )
    glue.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="results, models, submissions; run again to go on"
    )
    glue.add_argument("--seeds", type=int, default=1, metavar="N", help="how many, from 0 (1)")
    glue.add_argument(
        "--train-examples", type=int, metavar="N", help="learn from so many, drawn at random; all if not given"
    )
    model = glue.add_argument_group("the model")
    model.add_argument(
        "--pooler", default="mean", help="mean, first, last, query-probe, kv-probe; or own, to keep that of BASE (mean)"
    )
    model.add_argument("--head", choices=HEADS, default="mlp", help="linear has no hidden layer (mlp)")
    model.add_argument("--attention", choices=("bidirectional", "causal"), default="bidirectional")
    model.add_argument("--padding-side", choices=("left", "right"), default="right")
    model.add_argument("--max-length", type=int, default=128, metavar="TOKENS", help="longest input (128)")
    training = glue.add_argument_group("the training")
    training.add_argument(
        "--dropout",
        nargs="+",
        default=[],
        metavar="RATE",
        help=f"like 0.1, or {PLACES[0]}=0.1; {', '.join(PLACES)} (none)",
    )
    training.add_argument("--learning-rate", type=float, default=2e-5, metavar="RATE", help="(2e-5)")
    training.add_argument("--relative-rates", action="store_true", help="it is a share of each weight's typical size")
    training.add_argument(
        "--freeze", nargs="+", default=[], metavar="PART", help="weights with this in their name stay, like layers.0."
    )
    training.add_argument("--probe", action="store_true", help="fit the last layer alone before all are trained")
    training.add_argument("--epochs", type=int, default=3, metavar="N", help="0 with --probe stops behind it (3)")
    training.add_argument("--batch-size", type=int, default=32, metavar="N", help="(32)")
    training.add_argument("--bf16", action="store_true", help="compute in bfloat16, scores and losses in float32")
    glue.set_defaults(command=_glue)


def _glue(arguments: argparse.Namespace) -> None:
    from gemma_st.glue.config import GlueConfig
    from gemma_st.glue.tasks import find

    if arguments.seeds < 1:
        raise ModelError(f"--seeds {arguments.seeds}; expected at least 1")
    tasks = find(arguments.task)
    given = {field.name: getattr(arguments, field.name) for field in fields(GlueConfig)}
    config = GlueConfig(**{**given, "dropout": _rates(arguments.dropout), "freeze": tuple(arguments.freeze)})
    from rich.console import Console

    from gemma_st.glue.benchmark import Request, run
    from gemma_st.glue.score_table import table

    request = Request(tasks, range(arguments.seeds), arguments.data, arguments.out, _spell(arguments))
    Console().print(table(run(request, config)))
    sys.stdout.write(f"results, models and submissions written to {arguments.out}\n")


def _rates(given: Sequence[str]) -> DropoutRates:
    """Return dropout rates of words like ``0.1``, for all places, and ``head=0.1``."""
    rates: dict[str, float] = {}
    for word in given:
        place, _, rate = word.rpartition("=")
        try:
            rates |= dict.fromkeys([place] if place else PLACES, float(rate))
        except ValueError:
            rates[word] = 0.0
    if unknown := set(rates) - set(PLACES):
        raise ModelError(f"--dropout {unknown.pop()}; expected a rate, or a place and its rate like {PLACES[0]}=0.1")
    return DropoutRates(**rates)


def _spell(arguments: argparse.Namespace) -> str:
    """Return the command line, without what it takes for granted."""
    parser = argparse.ArgumentParser()
    add_glue(parser)
    words = ["gemma-st", "glue", arguments.base, "--task", *arguments.task]
    for name, value in vars(arguments).items():
        if name not in ("base", "task", "command") and value != parser.get_default(name):
            values = value if isinstance(value, list) else [] if value is True else [value]
            words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return shlex.join(words)
