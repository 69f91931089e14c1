"""Check the types and ranges of the options that a stage passes on to the trainer, the loss and the evaluator."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from types import NoneType
from typing import Annotated, Any, get_args, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from gemma_st.errors import ModelError

PLAIN = {int, float, str, bool, NoneType}  # the types that check_call checks, and their unions
LARGEST_BITS = 63  # of an integer, as torch stores it
SHOWN = 60  # characters of a wrong value in its error
AT_LEAST_0, ABOVE_0, AT_LEAST_1, BELOW_1 = Field(ge=0), Field(gt=0), Field(ge=1), Field(ge=0, lt=1)
SEED = Field(ge=0, lt=2**32)  # numpy's range
# The trainer accepts any number, and then trains nothing, divides by 0, or takes 0 or less for "not set".
RANGES = {
    **dict.fromkeys(("seed", "data_seed"), SEED),
    **dict.fromkeys(("per_device_train_batch_size", "per_device_eval_batch_size"), AT_LEAST_1),
    **dict.fromkeys(("gradient_accumulation_steps", "save_total_limit", "eval_accumulation_steps"), AT_LEAST_1),
    **dict.fromkeys(("learning_rate", "num_train_epochs", "save_steps", "logging_steps", "eval_steps"), ABOVE_0),
    **dict.fromkeys(("weight_decay", "max_grad_norm", "warmup_steps", "warmup_ratio", "adam_epsilon"), AT_LEAST_0),
    **dict.fromkeys(("dataloader_num_workers", "eval_delay", "ddp_timeout"), AT_LEAST_0),
    **dict.fromkeys(("adam_beta1", "adam_beta2", "label_smoothing_factor"), BELOW_1),
}


def check_trainer(kind: type, given: Mapping[str, Any]) -> None:
    """Check a stage's ``[trainer]`` table by the fields of the class of the trainer's arguments.

    Examples:
        >>> from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments
        >>> check_trainer(CrossEncoderTrainingArguments, {"seed": -1})
        Traceback (most recent call last):
        gemma_st.errors.ModelError: [trainer] seed = -1; Input should be greater than or equal to 0
    """
    if "output_dir" in given:
        raise ModelError("[trainer] multiple values for keyword argument 'output_dir': output gives it; remove it")
    refuse_unknown("trainer", given, [field.name for field in fields(kind)])
    hints = get_type_hints(kind)
    for name, value in given.items():
        _check(f"[trainer] {name}", value, Annotated[hints[name], RANGES.get(name, Field())])
    steps = given.get("max_steps", -1)
    if steps != -1 and steps < 1:
        raise ModelError(f"[trainer] max_steps = {steps}; expected at least 1, or -1 to train num_train_epochs")


def check_call(section: str, function: Callable[..., object], given: Mapping[str, Any]) -> None:
    """Check options by the names and the annotations of a function's parameters; a class is its constructor.

    Annotations that are texts, or of other types than `PLAIN`, are not checked.

    Examples:
        >>> from gemma_st.losses.poly1 import Poly1SoftmaxLoss
        >>> check_call("loss", Poly1SoftmaxLoss, {"epsilon": float("nan")})
        Traceback (most recent call last):
        gemma_st.errors.ModelError: [loss] epsilon = nan; Input should be a finite number
    """
    parameters = inspect.signature(function).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        refuse_unknown(section, given, parameters)
    for name, value in given.items():
        hint = parameters[name].annotation if name in parameters else None
        if set(get_args(hint) or (hint,)) <= PLAIN:
            _check(f"[{section}] {name}", value, hint)


def refuse_unknown(section: str, given: Mapping[str, Any], known: "Mapping[str, Any] | list[str]") -> None:
    """Raise `ModelError` for the first key of a table that is not known, with the closest one that is.

    Examples:
        >>> refuse_unknown("loss", {"temprature": 2.0}, ["temperature"])
        Traceback (most recent call last):
        gemma_st.errors.ModelError: [loss] unexpected keyword argument 'temprature'; did you mean temperature?
    """
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, list(known), n=1)
            hint = f"did you mean {close[0]}?" if close else f"expected one of {', '.join(sorted(known)[:20])}"
            raise ModelError(f"[{section}] unexpected keyword argument {name!r}; {hint}")


def _check(where: str, value: object, hint: Any) -> None:  # noqa: ANN401
    if isinstance(value, int) and abs(value) >= 2**LARGEST_BITS:
        raise ModelError(f"{where} = {value!r:.{SHOWN}}…; expected a number below 2^{LARGEST_BITS}")
    config = ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False)
    try:
        TypeAdapter(hint, config=config).validate_python(value, strict=True)
    except ValidationError as invalid:
        raise ModelError(f"{where} = {value!r:.{SHOWN}}; {invalid.errors(include_url=False)[0]['msg']}") from None
