"""The tasks of a study: GLUE tasks and ranking. Each one trains a model, evaluates it, and has a key of its content."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from gemma_st.errors import ModelError
from gemma_st.files import digest
from gemma_st.glue.config import KEY_LENGTH, GlueConfig, model_digest
from gemma_st.glue.datasets import Data
from gemma_st.glue.tasks import Task
from gemma_st.modeling.dropout import DropoutRates
from gemma_st.names import locate
from gemma_st.study.factors import FACTORS, Settings, parse
from gemma_st.training.arguments import training_arguments
from gemma_st.training.config import TrainingConfig, section
from gemma_st.training.evaluator import Evaluator, open_evaluator
from gemma_st.training.lists import read_lists, refuse_useless
from gemma_st.training.losses import is_labelled, loss_class
from gemma_st.training.stage import resolve
from gemma_st.training.trainer import train

RANKING = "ranking"
# Defaults of cross_encoder, for a stage whose [model] table lacks the key. Dropout has a table of its own.
MODEL_DEFAULTS = {"attention": "bidirectional", "pooler": "mean", "padding_side": "right", "head": "mlp"}


@dataclass(frozen=True)
class GlueTask:
    """A task of GLUE or SuperGLUE, evaluated on dev.

    Attributes:
        task: The task.
        data: The examples.
        config: Settings of model and training; a grid replaces some of them.

    Examples:
        >>> from gemma_st.glue.datasets import load
        >>> from gemma_st.glue.tasks import TASKS
        >>> task = GlueTask(TASKS["sst-2"], load(TASKS["sst-2"], "glue"), GlueConfig(base="decoder", epochs=1))
        >>> task.run(task.defaults | {"attention": "causal"}, seed=0, folder=Path("cell"))
        {'accuracy': ...}
    """

    task: Task
    data: Data
    config: GlueConfig

    @property
    def name(self) -> str:
        """Name of the task for ``gemma-st glue``."""
        return self.task.name

    @property
    def defaults(self) -> Settings:
        """The value of each factor that a grid does not list: that of the configuration."""
        given = asdict(self.config)
        return {name: parse(name, given[name]) for name in FACTORS}

    def key(self, settings: Settings) -> str:
        """Return a digest of all that determines the result of a training, except the seed."""
        return self._with(settings).key(self.task, self.data)

    def run(self, settings: Settings, *, seed: int, folder: Path) -> dict[str, float]:
        """Train as ``gemma-st glue`` does, and measure the best checkpoint. A study compares the first measure."""
        from gemma_st.glue.finetune import fine_tune, score
        from gemma_st.glue.metrics import measure, predictions

        model = fine_tune(self.task, self.data, self._with(settings), seed=seed, checkpoints=folder)
        return {
            f"{name}{part}": value
            for part, split in self.data.dev.items()
            for name, value in measure(self.task, predictions(self.task, score(model, split)), split.labels).items()
        }

    def _with(self, settings: Settings) -> GlueConfig:
        return replace(self.config, **{**settings, "dropout": DropoutRates(**settings["dropout"])})


@dataclass(frozen=True)
class RankingTask:
    """A stage of ``gemma-st train``, evaluated as its ``[evaluation]`` table says.

    Attributes:
        config: The stage.
        name: Name of the task in the study's file.

    Examples:
        >>> from gemma_st.training.config import read_config
        >>> from gemma_st.training.evaluator import EvaluationConfig
        >>> options = {"run": "bm25.trec", "collection": "collection", "split": "test", "measures": ["mrr@10"]}
        >>> config = replace(read_config("stage.toml"), evaluation=EvaluationConfig(steps=1, options=options))
        >>> list(RankingTask(config).evaluator.measures)
        ['mrr@10']
    """

    config: TrainingConfig
    name: str = RANKING

    def __post_init__(self) -> None:
        """Check the whole stage before the first cell of the study is trained."""
        loss = loss_class(self.config)
        training_arguments(self.config, self.evaluator)
        relevance = getattr(loss, "needs_relevance", False)
        refuse_useless(read_lists(self.config.lists, relevance=relevance, labelled=is_labelled(self.config)), loss)
        self.key(self.defaults)

    @cached_property
    def evaluator(self) -> Evaluator:
        """The evaluator that ``[evaluation]`` names."""
        if self.config.evaluation is None:
            raise ModelError("has no [evaluation]; give one, so that models can be compared")
        with section("evaluation"):
            return open_evaluator(self.config.evaluation)

    @property
    def defaults(self) -> Settings:
        """The value of each factor that a grid does not list: that of the stage."""
        given = {**MODEL_DEFAULTS, **self.config.model, "dropout": asdict(self.config.dropout)}
        return {name: parse(name, given[name]) for name in FACTORS}

    def key(self, settings: Settings) -> str:
        """Return a digest of the stage, with the content of its base, its lists and its evaluation files."""
        start = model_digest(locate(self.config.model["base"]))
        teacher = model_digest(locate(self.config.teacher)) if self.config.teacher else None
        stage = resolve(self._with(settings, seed=0, folder=Path()), start=start, processes=1, teacher=teacher)
        del stage["model"]["base"]
        stage["lists"] = [list_["sha256"] for list_ in stage["lists"]]
        options = stage["evaluation"]["options"]
        files = {name: Path(value) for name, value in options.items() if isinstance(value, str)}
        options |= {name: digest(path) for name, path in files.items() if path.is_file()}
        return hashlib.sha256(json.dumps(stage, sort_keys=True).encode()).hexdigest()[:KEY_LENGTH]

    def run(self, settings: Settings, *, seed: int, folder: Path) -> dict[str, float]:
        """Train as ``gemma-st train`` does, and evaluate the saved model."""
        from gemma_st.cross_encoder import CrossEncoder

        directory = train(self._with(settings, seed=seed, folder=folder))
        measured = self.evaluator(CrossEncoder(str(directory)))
        return {name: float(measured[name]) for name in self.evaluator.measures}

    def _with(self, settings: Settings, *, seed: int, folder: Path) -> TrainingConfig:
        model = {**self.config.model, **{name: value for name, value in settings.items() if name != "dropout"}}
        rates, trainer = DropoutRates(**settings["dropout"]), {**self.config.trainer, "seed": seed}
        return replace(self.config, model=model, dropout=rates, trainer=trainer, output=folder)


StudyTask = GlueTask | RankingTask
