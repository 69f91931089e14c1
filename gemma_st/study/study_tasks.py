"""What a study trains on: a task of GLUE, or ranking. Each knows the key of its content, and how it is measured."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from gemma_st.errors import ModelError
from gemma_st.files import digest
from gemma_st.glue.config import KEY, GlueConfig, content
from gemma_st.glue.datasets import Data
from gemma_st.glue.tasks import Task
from gemma_st.modeling.dropout import DropoutRates
from gemma_st.names import locate
from gemma_st.study.factors import FACTORS, Settings, parse
from gemma_st.training.config import TrainingConfig
from gemma_st.training.evaluator import EvaluationConfig, Evaluator, open_evaluator
from gemma_st.training.lists import read_lists
from gemma_st.training.losses import loss_class
from gemma_st.training.stage import resolve
from gemma_st.training.trainer import section, train, training_arguments

RANKING = "ranking"
# What cross_encoder takes where a stage's [model] says nothing; its dropout is a table of its own.
DEFAULTS = {"attention": "bidirectional", "pooler": "mean", "padding_side": "right", "head": "mlp"}


class StudyTask(Protocol):
    """A task of a study."""

    @property
    def name(self) -> str:
        """What the study's file calls it."""
        ...

    @property
    def defaults(self) -> Settings:
        """The value of each factor that a grid does not list."""
        ...

    def key(self, settings: Settings) -> str:
        """Return hex digits of all that decides what is learned and measured, but the seed."""
        ...

    def run(self, settings: Settings, *, seed: int, folder: Path) -> dict[str, float]:
        """Train, going on from what is in the folder, and return the measures, the first being the one to compare."""
        ...


@dataclass(frozen=True)
class GlueTask:
    """A task of GLUE or SuperGLUE, measured on dev.

    Attributes:
        task: The task.
        data: Its examples.
        config: How to train.
    """

    task: Task
    data: Data
    config: GlueConfig

    @property
    def name(self) -> str:
        """That of ``gemma-st glue``."""
        return self.task.name

    @property
    def defaults(self) -> Settings:
        """Those of the configuration."""
        rates = vars(self.config.dropout)
        return {name: parse(name, rates if name == "dropout" else getattr(self.config, name)) for name in FACTORS}

    def key(self, settings: Settings) -> str:
        """Return that of [gemma_st.glue.config.GlueConfig][]."""
        return self._with(settings).key(self.task, self.data)

    def run(self, settings: Settings, *, seed: int, folder: Path) -> dict[str, float]:
        """Train as ``gemma-st glue`` does, and measure the best checkpoint."""
        from gemma_st.glue.finetune import evaluate, fine_tune, score

        model = fine_tune(self.task, self.data, self._with(settings), seed=seed, checkpoints=folder)
        return {
            f"{measure}{part}": value
            for part, split in self.data.dev.items()
            for measure, value in evaluate(self.task, score(model, split), split).items()
        }

    def _with(self, settings: Settings) -> GlueConfig:
        return replace(self.config, **{**settings, "dropout": DropoutRates(**settings["dropout"])})


@dataclass(frozen=True)
class RankingTask:
    """A stage of ``gemma-st train``, measured as its ``[evaluation]`` says.

    Attributes:
        config: The stage.
        evaluation: Its ``[evaluation]``.

    Raises:
        ModelError: Its base is no decoder, or its lists, model, loss, trainer or evaluator cannot be used.
    """

    config: TrainingConfig
    evaluation: EvaluationConfig
    name: str = RANKING

    def __post_init__(self) -> None:
        """Check before anything is trained what the stage itself would only when its turn comes."""
        if "base" not in self.config.model:
            raise ModelError("[model] has no base; expected one, which pooler and head can be put on")
        loss_class(self.config)
        training_arguments(self.config, self.evaluator)
        read_lists(self.config.lists)
        self.key(self.defaults)

    @cached_property
    def evaluator(self) -> Evaluator:
        """What measures."""
        with section("evaluation"):
            return open_evaluator(self.evaluation)

    @property
    def defaults(self) -> Settings:
        """Those of the stage."""
        given = {**DEFAULTS, **self.config.model, "dropout": vars(self.config.dropout)}
        return {name: parse(name, given[name]) for name in FACTORS}

    def key(self, settings: Settings) -> str:
        """Return a digest of the stage, with the content of its base and lists, and of files that it is measured on."""
        start = content(locate(self.config.model["base"]))
        stage = resolve(self._with(settings, seed=0, folder=Path()), start=start, processes=1)
        del stage["model"]["base"]
        stage["lists"] = [list_["sha256"] for list_ in stage["lists"]]
        stage["evaluation"]["options"] = _contents(self.evaluation.options)
        return hashlib.sha256(json.dumps(stage, sort_keys=True).encode()).hexdigest()[:KEY]

    def run(self, settings: Settings, *, seed: int, folder: Path) -> dict[str, float]:
        """Train as ``gemma-st train`` does, and measure the model that the stage ends with, as it is saved."""
        from gemma_st.cross_encoder import CrossEncoder

        directory = train(self._with(settings, seed=seed, folder=folder))
        measured = self.evaluator(CrossEncoder(str(directory)))
        return {measure: float(measured[measure]) for measure in self.evaluator.measures}

    def _with(self, settings: Settings, *, seed: int, folder: Path) -> TrainingConfig:
        model = {**self.config.model, **{name: value for name, value in settings.items() if name != "dropout"}}
        rates, trainer = DropoutRates(**settings["dropout"]), {**self.config.trainer, "seed": seed}
        return replace(self.config, model=model, dropout=rates, trainer=trainer, output=folder)


def _contents(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return an evaluator's options, a digest in the place of what names a file."""
    files = {name: Path(value) for name, value in options.items() if isinstance(value, str) and Path(value).is_file()}
    return {**options, **{name: digest(path) for name, path in files.items()}}
