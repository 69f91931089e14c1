"""``gemma-st glue``: fine-tune on tasks of GLUE and SuperGLUE."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from gemma_st.modeling.dropout import DropoutRates

PLACES = ("attention", "attention_output", "feed_forward", "pooler", "head")  # the fields of DropoutRates


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command.

    Examples:
        >>> add(parser := argparse.ArgumentParser())
        >>> parser.parse_args(["decoder", "--task", "cola", "rte", "--out", "glue"]).task
        ['cola', 'rte']
    """
    parser.add_argument("base", metavar="BASE", help="Gemma id or directory, or a model whose backbone is used")
    parser.add_argument("--task", nargs="+", required=True, metavar="TASK", help="cola, sst-2, …, boolq, super-rte, …")
    parser.add_argument("--data", metavar="DIR", help="folder with CoLA/train.tsv, …, or hub id (default: the hub's)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder; run again to resume")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="run seeds 0 to N - 1 (default: 1)")
    parser.add_argument("--train-examples", type=int, metavar="N", help="train on N random examples (default: all)")
    model = parser.add_argument_group("model")
    poolers = "mean, first, last, query-probe, kv-probe; or own, to keep pooler and head of BASE (default: mean)"
    model.add_argument("--pooler", default="mean", help=poolers)
    model.add_argument("--head", choices=("mlp", "linear"), default="mlp", help="mlp: one hidden layer (default: mlp)")
    model.add_argument(
        "--attention", choices=("bidirectional", "causal"), default="bidirectional", help="default: bidirectional"
    )
    model.add_argument("--padding-side", choices=("left", "right"), default="right", help="default: right")
    model.add_argument("--max-length", type=int, default=128, metavar="N", help="truncate to N tokens (default: 128)")
    _add_training(parser.add_argument_group("training"))
    parser.set_defaults(command=_glue)


def _add_training(group: "argparse._ArgumentGroup") -> None:
    rates = f"RATE for all places, such as 0.1, or PLACE=RATE; places: {', '.join(PLACES)} (default: none)"
    group.add_argument("--dropout", nargs="+", default=[], metavar="RATE", help=rates)
    group.add_argument("--learning-rate", type=float, default=2e-5, metavar="RATE", help="peak rate (default: 2e-5)")
    relative = "multiply the learning rate of each parameter by its typical size"
    group.add_argument("--relative-rates", action="store_true", help=relative)
    freeze = "freeze parameters with PART in their name, such as layers.0."
    group.add_argument("--freeze", nargs="+", default=[], metavar="PART", help=freeze)
    embeddings = "whether token embeddings stay as they are; auto: if they outnumber the weights of all layers"
    group.add_argument("--freeze-embeddings", choices=("auto", "true", "false"), default="auto", help=embeddings)
    vocabulary = "train with the tokens of the training set only; the model gets all tokens back"
    group.add_argument("--restrict-vocabulary", action="store_true", help=vocabulary)
    group.add_argument("--probe", action="store_true", help="fit the last layer alone before training all parameters")
    group.add_argument("--epochs", type=int, default=3, metavar="N", help="0 trains only the probe (default: 3)")
    group.add_argument("--batch-size", type=int, default=32, metavar="N", help="examples per step (default: 32)")
    group.add_argument("--bf16", action="store_true", help="compute in bfloat16, scores and losses in float32")


def _glue(arguments: argparse.Namespace) -> None:
    from gemma_st.glue.config import GlueConfig
    from gemma_st.glue.tasks import find

    if arguments.seeds < 1:
        raise ModelError(f"--seeds {arguments.seeds}; expected at least 1")
    tasks = find(arguments.task)
    given = {field.name: getattr(arguments, field.name) for field in fields(GlueConfig)}
    given["freeze_embeddings"] = {"true": True, "false": False}.get(arguments.freeze_embeddings, "auto")
    config = GlueConfig(**{**given, "dropout": _rates(arguments.dropout), "freeze": tuple(arguments.freeze)})
    from rich.console import Console

    from gemma_st.glue.benchmark import run
    from gemma_st.glue.score_table import table

    seeds, command = range(arguments.seeds), _command_line(arguments)
    results = run(tasks, seeds, config, source=arguments.data, output=arguments.out, command=command)
    Console().print(table(results))
    sys.stdout.write(f"results, models and submissions written to {arguments.out}\n")


def _rates(given: Sequence[str]) -> "DropoutRates":
    """Return the dropout rates for words such as ``0.1``, for all places, and ``head=0.1``."""
    from gemma_st.modeling.dropout import DropoutRates

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


def _command_line(arguments: argparse.Namespace) -> str:
    """Return the command line that gives these arguments, without those that have their default values."""
    parser = argparse.ArgumentParser()
    add(parser)
    words = ["gemma-st", "glue", arguments.base, "--task", *arguments.task]
    for name, value in vars(arguments).items():
        if name not in ("base", "task", "command") and value != parser.get_default(name):
            values = value if isinstance(value, list) else [] if value is True else [value]
            words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return shlex.join(words)
