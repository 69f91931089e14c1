"""Check the options of a first stage, which may come from a TOML file, against the types that its class declares."""

from dataclasses import fields
from typing import TYPE_CHECKING, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ir_eval.errors import InputError

if TYPE_CHECKING:
    from ir_eval.retrieval.retriever import Retriever


def check_options(retriever: "Retriever") -> None:
    """Check every field but the collection, as pydantic does in strict mode: no value is converted to another type.

    Annotations may hold constraints such as ``Annotated[float, Field(ge=0)]``.

    Raises:
        InputError: A field has a wrong type or an excluded value; the error names the field, the value and the rule.

    Example:
        >>> from ir_eval import BM25, open_collection
        >>> BM25(open_collection("collection"), b="0.4")  # calls check_options
        Traceback (most recent call last):
        ir_eval.errors.InputError: BM25 with b = '0.4'; Input should be a valid number
    """
    kind = type(retriever)
    hints = get_type_hints(kind, include_extras=True)
    for name in [field.name for field in fields(kind) if field.name != "collection"]:  # type: ignore[arg-type]
        value = getattr(retriever, name)
        try:
            TypeAdapter(hints[name]).validate_python(value, strict=True)
        except ValidationError as error:
            raise InputError(f"{kind.__name__} with {name} = {value!r}; {error.errors()[0]['msg']}") from None
