"""The arguments that a stage gives to the trainer, and the learning rate of each parameter."""

import re
from typing import TYPE_CHECKING, Any

from gemma_st.training.config import TrainingConfig, section
from gemma_st.training.evaluator import Evaluator
from gemma_st.training.losses import loss_class, reads_triples
from gemma_st.training.option_checks import check_trainer

if TYPE_CHECKING:
    from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments
    from torch import nn

SMALLEST_SIZE = 2e-3  # of a parameter, so that a bias of zeros learns at all
NORMAL_MEDIAN = 1.5  # the standard deviation of normally distributed values, divided by the median of their magnitudes


def training_arguments(config: TrainingConfig, evaluator: Evaluator | None) -> "CrossEncoderTrainingArguments":
    """Return the trainer's arguments: a stage's ``[trainer]`` table and what its other tables imply.

    Examples:
        >>> from gemma_st.training.config import read_config
        >>> training_arguments(read_config("stage.toml"), None).max_steps
        1
    """
    import torch
    from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments
    from transformers.integrations import get_reporting_integration_callbacks

    from gemma_st.losses.listwise import ListLoss

    # DDP must not broadcast buffers: processes may run different numbers of mini-batches, and it would deadlock.
    implied: dict[str, Any] = {"ddp_broadcast_buffers": False, "report_to": "none"}
    if config.trainer.get("bf16") and not torch.accelerator.is_available():
        implied["use_cpu"] = True  # otherwise bf16 is refused on a CPU
    # These losses call the model several times before the backward pass; DDP could not search for unused parameters.
    if issubclass(loss := loss_class(config), ListLoss) or reads_triples(loss):
        implied["ddp_find_unused_parameters"] = False
    if config.evaluation and evaluator:
        implied |= {"eval_strategy": "steps", "eval_steps": config.evaluation.steps}
        implied |= {"save_steps": config.evaluation.steps, "load_best_model_at_end": True}
        implied |= {"metric_for_best_model": evaluator.measures[0], "greater_is_better": True}
    check_trainer(CrossEncoderTrainingArguments, config.trainer)
    given = {"report_to": "none", **implied, **config.trainer}
    with section("trainer"):
        made = CrossEncoderTrainingArguments(output_dir=str(config.output / "checkpoints"), **given)
        get_reporting_integration_callbacks(made.report_to)  # raises an error for an unknown tracker
    return made


def relative_rates(loss: "nn.Module", rate: float) -> dict[str, float]:
    """Return the learning rate of each trained parameter: ``rate · max(1.5 · median(|values|), 0.002)``.

    1.5 times the median of the magnitudes is the RMS of normally distributed values, and unlike the RMS it ignores a
    few columns of far larger values. AdamW moves each value by about its learning rate, so a step changes every
    parameter by the same share of its size. This helps where the sizes of parameters differ a hundredfold.

    The keys are regular expressions that match the name of one parameter of the loss, which contains the model.

    Examples:
        >>> from torch import nn
        >>> relative_rates(nn.LayerNorm(2, bias=False), 0.1)
        {'^weight$': 0.15...}
    """
    trained = {name: p.detach() for name, p in loss.named_parameters() if p.requires_grad}
    sizes = {name: float(values.abs().median()) * NORMAL_MEDIAN for name, values in trained.items()}
    return {f"^{re.escape(name)}$": rate * max(size, SMALLEST_SIZE) for name, size in sizes.items()}
