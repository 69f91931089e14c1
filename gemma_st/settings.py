"""Settings: frozen dataclasses that pydantic checks, and the TOML and JSON files they are read from."""

import difflib
import functools
import json
import stat
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, dataclass_transform, get_args, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from gemma_st.errors import ModelError, shorten, shown

DATA = "{data}"  # in a file, the placeholder for the data folder
MAX_FILE_BYTES = 64_000_000  # a study of thousands of cells writes a results.json of a few MB
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
        def __init__(self: object, /, **values: object) -> None:
            try:
                checked(self, **values)
            except ValidationError as invalid:
                raise error(_explain(invalid, kind)) from None

        setattr(made, "__init__", __init__)  # noqa: B010
        return cast(type[Kind], made)

    return decorate


def read_toml(
    path: str | Path,
    data: str | Path | None = None,
    *,
    error: type[Exception] = ModelError,
    parse_float: Callable[[str], Any] = float,
) -> dict[str, Any]:
    """Read a TOML file, in which ``{data}`` stands for the folder ``data``.

    If the file cannot be read, raise an ``error`` whose message begins with the file.

    Examples:
        >>> read_toml("stage.toml", data="/data")["output"]
        'trained'
    """
    text = _read_text(path, "TOML", error)
    folder = json.dumps(str(data), ensure_ascii=False)[1:-1]  # TOML escapes as JSON does
    try:
        table = tomllib.loads(text.replace(DATA, folder), parse_float=parse_float)
    except (ArithmeticError, ValueError, RecursionError) as invalid:
        raise _unreadable(path, "TOML", invalid, error) from invalid
    if DATA in text and data is None:
        raise error(f"{path}: {DATA} is not known; give --data DIR or set GEMMA_ST_DATA")
    return table


def read_json(path: str | Path, *, error: type[Exception] = ModelError) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    If the file cannot be read, raise an ``error`` whose message begins with the file.

    Examples:
        >>> read_json("reranker/modules.json")
        Traceback (most recent call last):
        gemma_st.errors.ModelError: reranker/modules.json: a JSON list; expected an object {...}
    """
    try:
        found = json.loads(_read_text(path, "JSON", error))
    except (ValueError, RecursionError) as invalid:
        if isinstance(invalid, error):
            raise
        raise _unreadable(path, "JSON", invalid, error) from invalid
    if not isinstance(found, dict):
        raise error(f"{path}: a JSON {type(found).__name__}; expected an object {{...}}")
    return found


def _read_text(path: str | Path, kind: str, error: type[Exception]) -> str:
    """Return the text of a regular file of a sane size; a pipe is not waited for."""
    try:
        found = Path(path).stat()
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{'a folder' if stat.S_ISDIR(found.st_mode) else 'no regular file'}; expected a file")
        if found.st_size > MAX_FILE_BYTES:
            raise ValueError(f"{found.st_size:,} bytes; expected at most {MAX_FILE_BYTES:,}")
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as invalid:  # ValueError also for a path with a NUL character, and for no UTF-8
        raise _unreadable(path, kind, invalid, error) from invalid


def _unreadable(path: str | Path, kind: str, invalid: Exception, error: type[Exception]) -> Exception:
    return error(f"{shorten(str(path))}: not a readable {kind} file ({_reason(invalid)})")


def _reason(invalid: Exception) -> str:
    """Return the reason of an exception as a user of the file would say it."""
    if isinstance(invalid, RecursionError):
        return "nested too deep"
    reason = getattr(invalid, "strerror", None) or str(invalid)
    return "an integer of more than 4,300 digits" if "set_int_max_str_digits" in reason else reason


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
        raise error(f"{where}{_reason(invalid)}") from invalid


def _explain(invalid: ValidationError, kind: type) -> str:
    """Return the first error as one line: the field, what was seen, what was expected."""
    errors = invalid.errors(include_url=False)
    first, table = errors[0], list(errors[0]["loc"])
    own = first["type"] == "value_error"  # raised by a check of the class itself
    name = table.pop() if table and not own else ""
    where = f"[{shorten('.'.join(map(str, table)))}] " if table else ""
    if own:
        return f"{where}{first['ctx']['error']}"
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = _field_names(kind, table)
        closest = difflib.get_close_matches(str(name), known, n=1)
        hint = f"did you mean {closest[0]}? " if closest else ""
        return f"{where}unknown {shorten(str(name))}; {hint}the fields are {', '.join(known)}"
    if first["type"] in ("missing", "missing_argument"):
        missing = sorted(str(found["loc"][-1]) for found in errors if found["type"] == first["type"])
        return f"{where}missing {', '.join(missing)}; add {'it' if len(missing) == 1 else 'them'}"
    return f"{where}{shorten(str(name))} = {shown(first['input'])}; {first['msg']}"


def _field_names(kind: type, table: Sequence[str | int]) -> list[str]:
    """Return the sorted field names of the settings that a path of tables leads to."""
    for part in table:
        hint = get_type_hints(kind).get(str(part))
        kind = next((option for option in (hint, *get_args(hint)) if isinstance(option, type)), kind)
    return sorted(field.name for field in fields(kind)) if is_dataclass(kind) else []
