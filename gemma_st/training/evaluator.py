"""Evaluation during training, by an evaluator of another package.

A package offers evaluators as entry points of the group ``gemma_st.evaluators``. An entry point is a callable that
takes the options of the stage's ``[evaluation]`` table, raises a ValueError for options that it cannot use, and returns
an [gemma_st.training.evaluator.Evaluator][].
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import Field, model_validator

from gemma_st.errors import ModelError
from gemma_st.settings import settings
from gemma_st.training.option_checks import check_call

if TYPE_CHECKING:
    from gemma_st.cross_encoder import CrossEncoder

GROUP = "gemma_st.evaluators"


@settings()
class EvaluationConfig:
    """How to evaluate the model during training; in a file, all other keys of the table are the evaluator's options.

    Attributes:
        steps: Number of training steps from one evaluation to the next.
        name: Name of the evaluator, an entry point of the group ``gemma_st.evaluators``.
        options: Arguments of the evaluator.

    Examples:
        >>> EvaluationConfig(steps=10, options={"collection": "collection", "split": "test"}).name
        'rerank'
    """

    steps: Annotated[int, Field(gt=0)]
    name: str = "rerank"
    options: dict[str, Any] = field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _collect_options(cls, given: Any) -> Any:  # noqa: ANN401
        if not isinstance(given, dict):
            return given
        own = {name: given[name] for name in ("steps", "name") if name in given}
        return {**own, "options": {name: value for name, value in given.items() if name not in own}}


class Evaluator(Protocol):
    """The interface of an evaluator.

    Examples:
        >>> class Constant:
        ...     measures, __call__ = ("ndcg@10",), lambda self, model: {"ndcg@10": 0.5}
        >>> evaluator: Evaluator = Constant()
    """

    @property
    def measures(self) -> Sequence[str]:
        """Names of the measures, all higher is better; the first one decides which checkpoint is the best."""
        ...

    def __call__(self, model: "CrossEncoder") -> Mapping[str, float]:
        """Return the value of each measure for a model."""
        ...


def open_evaluator(config: EvaluationConfig) -> Evaluator:
    """Return the evaluator that a stage's ``[evaluation]`` table names.

    Raises:
        ModelError: No installed package has an evaluator of that name.
        ValueError: The evaluator cannot use its options.

    Examples:
        >>> options = {"collection": "collection", "split": "test", "run": "bm25.trec", "measures": ["mrr@10"]}
        >>> open_evaluator(EvaluationConfig(steps=10, options=options)).measures
        ('mrr@10',)
    """
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if config.name not in found:
        known = ", ".join(sorted(found)) or "none; install this project again: pip install -e ."
        raise ModelError(f"[evaluation] name = {config.name!r} is not known; the installed evaluators are {known}")
    make = found[config.name].load()
    check_call("evaluation", make, config.options)
    evaluator: Evaluator = make(**config.options)
    return evaluator
