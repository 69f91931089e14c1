"""Checked columns: what callers give as ids and numbers becomes arrays of one dimension, or an `InputError`."""

from collections.abc import Mapping
from contextlib import suppress
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ir_eval.errors import InputError

Strings = NDArray[Any]  # dtype StringDType, which numpy's own annotations do not support yet

_INTEGERS = {int, np.int32, np.int64}


def flatten(nested: Mapping[str, Mapping[str, float]]) -> tuple[list[str], list[str], list[float]]:
    """Turn ``{query: {document: number}}`` into the columns query, document and number.

    Examples:
        >>> flatten({"q1": {"d1": 2.0, "d2": 1.0}})
        (['q1', 'q1'], ['d1', 'd2'], [2.0, 1.0])
    """
    for value in [nested, *(nested.values() if isinstance(nested, Mapping) else ())]:
        if not isinstance(value, Mapping):
            raise InputError(f"{value!r:.60}; expected a dictionary, as in {{'q1': {{'d1': 1}}}}")
    return (
        [query_id for query_id, documents in nested.items() for _ in documents],
        [doc_id for documents in nested.values() for doc_id in documents],
        [value for documents in nested.values() for value in documents.values()],
    )


def as_numbers(values: ArrayLike, name: str, expected: str) -> NDArray[Any]:
    """Return a column of integers or floats, (N,); anything else, booleans and None too, is an `InputError`.

    Examples:
        >>> as_numbers([1, None], "scores", "numbers")
        Traceback (most recent call last):
        ir_eval.errors.InputError: scores of type object; expected numbers, not None
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise InputError(f"{name} with masked rows; expected {expected}; fill or remove them")
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{name} that are no column ({error}); expected {expected}, one per row") from None
    if array.ndim != 1:
        raise InputError(f"{name} of shape {array.shape}; expected {expected}, one per row")
    booleans = isinstance(values, list | tuple) and not {bool, np.bool_}.isdisjoint(map(type, values))
    if array.size and (booleans or array.dtype.kind not in "iuf"):
        listed = list(values) if isinstance(values, list | tuple) else array.tolist()
        wrong = next(
            (value for value in listed if type(value) in (bool, np.bool_) or not isinstance(value, Real)), listed[0]
        )
        raise InputError(f"{name} of type {array.dtype}; expected {expected}, not {wrong!r:.40}")
    return array


def as_ids(ids: ArrayLike) -> Strings:
    """Return a column of ids as strings, integers in decimal, (N,); anything else is an `InputError`.

    Examples:
        >>> as_ids(["d1", 2]).tolist()
        ['d1', '2']
    """
    array = np.asarray(ids) if hasattr(ids, "dtype") else None
    texts: Any = ids if array is None else array if array.dtype.kind in "TUS" else array.tolist()
    strict = np.dtypes.StringDType(coerce=False)
    for convert in (False, True):
        with suppress(ValueError, TypeError):
            if convert:
                texts = [str(text) if type(text) in _INTEGERS else text for text in texts]
            strings: Strings = np.array(texts, dtype=strict).astype(np.dtypes.StringDType())
            if strings.ndim != 1:
                raise InputError(f"ids of shape {strings.shape}; expected one per row")
            return strings
    raise InputError("an id is not a string; expected str or int; convert the ids with str() first")
