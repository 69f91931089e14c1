"""Measuring a model while it is trained, by an evaluator of another package: this one knows none.

A package offers evaluators as entry points of the group ``gemma_st.evaluators``: callables that take the options of a
stage's ``[evaluation]`` table, raise a ValueError for those that they cannot use, and return an
[gemma_st.training.evaluator.Evaluator][].
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers.base.evaluation import BaseEvaluator

    from gemma_st.cross_encoder import CrossEncoder

GROUP = "gemma_st.evaluators"


@dataclass(frozen=True)
class EvaluationConfig:
    """When a model is measured, and by what.

    Attributes:
        steps: Measure after so many steps each.
        name: Of the evaluator, an entry point of the group ``gemma_st.evaluators``.
        options: The evaluator's own, verbatim.

    Raises:
        ModelError: ``steps`` is not a whole number above 0.
    """

    steps: int
    name: str = "rerank"
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the steps."""
        if type(self.steps) is not int or self.steps < 1:
            raise ModelError(f"steps = {self.steps!r}; expected a whole number above 0")


class Evaluator(Protocol):
    """What an entry point returns."""

    @property
    def measures(self) -> Sequence[str]:
        """What is measured, higher being better; the first decides which checkpoint is the best."""
        ...

    def __call__(self, model: "CrossEncoder") -> Mapping[str, float]:
        """Measure a model."""
        ...


def open_evaluator(config: EvaluationConfig) -> Evaluator:
    """Return the evaluator that a stage asks for.

    Raises:
        ModelError: No installed package has one of that name, or it cannot use its options.
    """
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if config.name not in found:
        known = ", ".join(sorted(found)) or "none; install this project anew: pip install -e ."
        raise ModelError(f"[evaluation] name = {config.name!r} is not known; installed are {known}")
    evaluator: Evaluator = found[config.name].load()(**config.options)
    return evaluator


def for_trainer(evaluator: Evaluator) -> "BaseEvaluator":
    """Return an evaluator as sentence-transformers' trainer calls it."""
    from sentence_transformers.base.evaluation import BaseEvaluator

    class Called(BaseEvaluator):
        def __call__(self, model: "CrossEncoder", *place: object, **where: object) -> dict[str, float]:
            try:
                return dict(evaluator(model))
            except ValueError as error:
                raise ModelError(f"[evaluation] {error}") from error

    called: BaseEvaluator = Called()
    called.primary_metric = evaluator.measures[0]
    return called


def evaluation_arguments(config: EvaluationConfig | None, evaluator: Evaluator | None) -> dict[str, Any]:
    """Return what the trainer must be told to measure, to keep the best checkpoint and to end with it."""
    if config is None or evaluator is None:
        return {}
    return {
        **{"eval_strategy": "steps", "eval_steps": config.steps, "save_steps": config.steps},
        **{"metric_for_best_model": evaluator.measures[0], "greater_is_better": True, "load_best_model_at_end": True},
    }
