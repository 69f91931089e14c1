"""Settings: frozen dataclasses that pydantic checks, and the TOML files they are read from."""

import difflib
import functools
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, dataclass_transform, get_args, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from gemma_st.errors import ModelError

DATA = "{data}"  # in a file, the placeholder for the data folder
Kind = TypeVar("Kind")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def settings(*, error: type[Exception] = ModelError) -> Callable[[type[Kind]], type[Kind]]:
    """Return a decorator that makes a class a frozen, keyword-only dataclass whose values pydantic checks.

    For a wrong value, the class raises an ``error`` of one line: the field, the value and what was expected.

    Examples:
        >>> from typing import Annotated
        >>> @settings()
        ... class Size:
        ...     rank: Annotated[int, Field(gt=0)] = 16
        >>> Size(rank=0)
        Traceback (most recent call last):
        gemma_st.errors.ModelError: rank = 0; Input should be greater than 0
    """

    def decorate(kind: type[Kind]) -> type[Kind]:
        made = dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))(kind)
        checked: Callable[..., None] = made.__init__

        @functools.wraps(checked)
        def __init__(self: object, **values: object) -> None:
            try:
                checked(self, **values)
            except ValidationError as invalid:
                raise error(_explain(invalid, kind)) from None

        setattr(made, "__init__", __init__)  # noqa: B010
        return cast(type[Kind], made)

    return decorate


def read_toml(
    path: str | Path, data: str | Path | None = None, *, error: type[Exception] = ModelError
) -> dict[str, Any]:
    """Read a TOML file, in which ``{data}`` stands for the folder ``data``.

    If the file cannot be read, raise an ``error`` whose message begins with the file.

    Examples:
        >>> read_toml("stage.toml", data="/data")["output"]
        'trained'
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        table = tomllib.loads(text.replace(DATA, json.dumps(str(data))[1:-1]))
    except (OSError, ValueError, RecursionError) as invalid:
        raise error(f"{path}: not a readable TOML file ({invalid})") from invalid
    if DATA in text and data is None:
        raise error(f"{path}: {DATA} is not known; give --data DIR or set GEMMA_ST_DATA")
    return table


def from_table(
    kind: type[Kind], table: Mapping[str, Any], where: str = "", *, error: type[Exception] = ModelError
) -> Kind:
    """Make settings of a class from a table of a file; no value is converted to another type.

    For a wrong value, raise an ``error`` whose message begins with ``where``: the file and the table.

    Examples:
        >>> from gemma_st.modeling.dropout import DropoutRates
        >>> from_table(DropoutRates, {"head": 0.1}).head
        0.1
    """
    try:
        return TypeAdapter(kind).validate_json(json.dumps(dict(table)), strict=True)
    except ValidationError as invalid:
        raise error(f"{where}{_explain(invalid, kind)}") from None
    except (ModelError, error, TypeError, ValueError, RecursionError) as invalid:
        raise error(f"{where}{invalid}") from invalid


def _explain(invalid: ValidationError, kind: type) -> str:
    """Return the first error as one line: the field, what was seen, what was expected."""
    errors = invalid.errors(include_url=False)
    first, table = errors[0], list(errors[0]["loc"])
    own = first["type"] == "value_error"  # raised by a check of the class itself
    name = table.pop() if table and not own else ""
    where = f"[{'.'.join(map(str, table))}] " if table else ""
    if own:
        return f"{where}{first['ctx']['error']}"
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = _field_names(kind, table)
        closest = difflib.get_close_matches(str(name), known, n=1)
        hint = f"did you mean {closest[0]}? " if closest else ""
        return f"{where}unknown {name}; {hint}the fields are {', '.join(known)}"
    if first["type"] in ("missing", "missing_argument"):
        missing = sorted(str(found["loc"][-1]) for found in errors if found["type"] == first["type"])
        return f"{where}missing {', '.join(missing)}; add {'it' if len(missing) == 1 else 'them'}"
    return f"{where}{name} = {first['input']!r}; {first['msg']}"


def _field_names(kind: type, table: Sequence[str | int]) -> list[str]:
    """Return the sorted field names of the settings that a path of tables leads to."""
    for part in table:
        hint = get_type_hints(kind).get(str(part))
        kind = next((option for option in (hint, *get_args(hint)) if isinstance(option, type)), kind)
    return sorted(field.name for field in fields(kind)) if is_dataclass(kind) else []
