"""Checks of the inputs that a model is given, and of a cross-encoder's scores."""

import re
from collections.abc import Iterator, Sequence

import torch
from sentence_transformers.base.modality import InputFormatter, infer_modality, is_message_dict

from gemma_st.errors import ModelError

is_text_pair = InputFormatter.is_text_pair
UNREADABLE = re.compile("[\0\ud800-\udfff]")  # NUL, and half of a surrogate pair, which UTF-8 cannot encode


def texts_of(item: object) -> Iterator[str]:
    """Yield every text within inputs: in pairs, dicts and messages too.

    Examples:
        >>> list(texts_of([("what", "a license"), {"text": "a patent"}]))
        ['what', 'a license', 'a patent']
    """
    if isinstance(item, str):
        yield item
    elif isinstance(item, (list, tuple)):
        for part in item:
            yield from texts_of(part)
    elif isinstance(item, dict):
        yield from texts_of(list(item.values()))


def refuse_types(inputs: Sequence[object]) -> None:
    """Refuse an input that is neither a pair nor a single text, image, dict or message.

    Examples:
        >>> refuse_types([("what", "a license"), ("what", None)])
        Traceback (most recent call last):
        gemma_st.errors.ModelError: pair 1: its document is of type NoneType: None; expected a text; remove it
    """
    for index, item in enumerate(inputs):
        if fault := not (isinstance(item, str) or is_text_pair(item)) and _fault(item):
            raise ModelError(f"pair {index}: {fault}; remove it")


def refuse_characters(inputs: Sequence[object], prompt: str | None = None) -> None:
    r"""Refuse inputs and a prompt with a NUL or a lone surrogate, which stops tokenizers with a TypeError.

    Examples:
        >>> refuse_characters([("what", "a license"), ("what", chr(0))])
        Traceback (most recent call last):
        gemma_st.errors.ModelError: pair 1: its text has '\x00' at character 0; expected readable text; remove it
    """
    for index, item in enumerate([prompt, *inputs]):
        for text in texts_of(item):
            if found := UNREADABLE.search(text):
                kind = "text" if isinstance(item, (str, dict)) else "pair"
                name = f"{kind} {index - 1}: its text" if index else "the prompt"
                place = f"{found.group()!r} at character {found.start()}"
                raise ModelError(f"{name} has {place}; expected readable text; remove it")


def refuse_non_finite(scores: torch.Tensor, dtype: torch.dtype) -> None:
    """Refuse scores ``(pairs,)`` or ``(pairs, labels)`` of a model with weights of a ``dtype`` if one is not finite.

    Examples:
        >>> refuse_non_finite(torch.tensor([0.0, 1.0]), torch.float32)
    """
    if not (finite := scores.isfinite()).all():
        index = int((~finite).nonzero()[0, 0])
        raise ModelError(
            f"the score of pair {index} is not finite (weights in {dtype}); expected a number; "
            "load the model in float32 or bfloat16, without float16 autocast; if it is, check weights and activation"
        )


def _fault(item: object) -> str | None:
    """Return what is wrong with the type of an input; the model itself refuses an image that it cannot read."""
    named, expected = [("it", item)], "(query, document)"
    if isinstance(item, (tuple, list)) and not (item and is_message_dict(item[0])):
        if len(item) != 2:
            return f"it is a {type(item).__name__} of {len(item)} values; expected {expected}"
        named, expected = [("its query", item[0]), ("its document", item[1])], "a text"
    for name, part in named:
        if not _is_known(part):
            return f"{name} is of type {type(part).__name__}: {' '.join(repr(part)[:40].split())}; expected {expected}"
    return None


def _is_known(part: object) -> bool:
    if isinstance(part, (tuple, list)):  # the frames of a video
        return bool(part) and all(map(_is_known, part))
    try:
        return bool(infer_modality(part))
    except (TypeError, ValueError):
        return isinstance(part, dict)  # the stock class says which keys it expects
