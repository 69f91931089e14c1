"""Tests of gemma_st.settings: a mistake in a file is an error of one line with the field, the value and the remedy."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from gemma_st import ModelError
from gemma_st.settings import MAX_FILE_BYTES, from_table, read_json, read_toml, settings


@settings()
class Size:
    """Settings with a limited number."""

    rank: Annotated[int, Field(gt=0)] = 16
    targets: tuple[str, ...] = ("a",)


@settings(error=KeyError)
class Stage:
    """Settings within settings, with a check of their own."""

    output: Path
    size: Size | None = None
    rate: float = 0.1

    def __post_init__(self) -> None:
        """Refuse one folder."""
        if self.output == Path("taken"):
            raise ModelError("output is taken")


def test_a_table_becomes_settings_with_defaults() -> None:
    """Lists become tuples, texts become paths, whole numbers become fractions; nothing else is converted."""
    made = from_table(Stage, {"output": "o", "size": {"targets": ["x", "y"]}, "rate": 1})
    assert made == Stage(output=Path("o"), size=Size(rank=16, targets=("x", "y")), rate=1.0)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "f: missing output; add it"),
        ({"outptu": "o"}, "f: missing output; add it"),
        ({"output": "o", "outptu": "o"}, "f: unknown outptu; did you mean output? the fields are output, rate, size"),
        ({"output": "o", "size": {"rnk": 1}}, "f: [size] unknown rnk; did you mean rank? the fields are rank, targets"),
        ({"output": "o", "size": {"rank": "3"}}, "f: [size] rank = '3'; Input should be a valid integer"),
        ({"output": "o", "size": {"rank": True}}, "f: [size] rank = True; Input should be a valid integer"),
        ({"output": "o", "size": {"rank": 0}}, "f: [size] rank = 0; Input should be greater than 0"),
        ({"output": 3}, "f: output = 3; "),
        ({"output": "taken"}, "f: output is taken"),
        ({"output": {1, 2}}, "f: Object of type set is not JSON serializable"),
        ({"output": "o", "rate": 16**5000}, "f: an integer of more than 4,300 digits"),
        ({"output": "o", "rate": "9" * 5000}, "f: rate = '99999"),
        ({"output": "o", "x" * 5000: 1}, "f: unknown xxxxx"),
        ({"output": "o", "self": 1}, "f: unknown self; the fields are"),
    ],
)
def test_a_mistake_in_a_table_is_one_line(table: dict[str, object], message: str) -> None:
    """The error begins with the file and names the field, also in a nested table."""
    with pytest.raises(ModelError) as error:
        from_table(Stage, table, "f: ")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


def test_values_given_in_python_are_checked_too() -> None:
    """The exception is the one given to ``settings``."""
    with pytest.raises(ModelError, match="^rank = 0; Input should be greater than 0$"):
        Size(rank=0)
    with pytest.raises(ModelError, match="^rank = a value too large to show"):
        Size(rank=-(16**5000))
    with pytest.raises(KeyError, match="missing output"):
        Stage()  # type: ignore[call-arg]
    with pytest.raises(KeyError, match="output is taken"):
        Stage(output=Path("taken"))


def test_a_byte_order_mark_before_the_first_key_is_skipped(tmp_path: Path) -> None:
    """Windows editors write one."""
    (tmp_path / "stage.toml").write_bytes(b"\xef\xbb\xbfa = 1\r\n")
    assert read_toml(tmp_path / "stage.toml") == {"a": 1}


def test_a_file_that_is_no_toml_is_one_line(tmp_path: Path) -> None:
    """The file is missing, in another encoding, malformed, nested too deep, or has a placeholder without a value."""
    with pytest.raises(KeyError, match="absent.toml: not a readable TOML file"):
        read_toml(tmp_path / "absent.toml", error=KeyError)
    path = tmp_path / "stage.toml"
    for content, message in [
        (b'output = "\xe9"', "utf-8"),
        (b"output = ", "Invalid value"),
        (b"a = " + b"[" * 100_000, "not a readable TOML file"),
        (b'a = "{data}"', r"\{data\} is not known; give --data DIR"),
    ]:
        path.write_bytes(content)
        with pytest.raises(ModelError, match=message):
            read_toml(path)
    assert read_toml(path, 'a\\"b') == {"a": 'a\\"b'}


def _make(kind: str, path: Path) -> None:
    """Put something that is no settings file at a path."""
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to itself":
        path.symlink_to(path.name)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:  # sparse: it takes no room
            file.truncate(MAX_FILE_BYTES + 1)


@pytest.mark.parametrize("read", [read_toml, read_json])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("folder", "a folder; expected a file"),
        ("pipe", "no regular file; expected a file"),
        ("device", "no regular file; expected a file"),
        ("link to itself", "Too many levels of symbolic links"),
        ("large file", "64,000,001 bytes; expected at most 64,000,000"),
    ],
)
def test_a_path_that_is_no_small_file_is_not_read(
    tmp_path: Path, read: Callable[..., dict[str, Any]], kind: str, message: str
) -> None:
    """A pipe is not waited for, and a large file is refused by its size."""
    _make(kind, tmp_path / "file")
    with pytest.raises(KeyError, match=rf"file: not a readable (TOML|JSON) file \({re.escape(message)}"):
        read(tmp_path / "file", error=KeyError)


@pytest.mark.parametrize("read", [read_toml, read_json])
@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", ""])
def test_a_name_that_no_file_has_is_one_line(read: Callable[..., dict[str, Any]], name: str) -> None:
    """The message is short."""
    with pytest.raises(KeyError, match="not a readable (TOML|JSON) file") as error:
        read(name, error=KeyError)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("content", ["a = {opened}", "{table}", "a = {digits}", "a = -0x{hexadecimal}", "a = 'b\0'"])
def test_toml_of_any_depth_and_any_number_is_one_line(tmp_path: Path, content: str) -> None:
    """Arrays, inline tables and dotted keys nest too deep; a number has too many digits; a text has a NUL."""
    path = tmp_path / "stage.toml"
    text = content.replace("{opened}", "[" * 9999 + "]" * 9999).replace("{digits}", "9" * 5000)
    text = text.replace("{table}", "a = " + "{b = " * 9999 + "1" + "}" * 9999).replace("{hexadecimal}", "f" * 9999)
    path.write_text(text)
    with pytest.raises(ModelError) as error:
        from_table(Stage, read_toml(path), f"{path}: ")
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable JSON file (Expecting value"),
        (b"[]", "a JSON list; expected an object {...}"),
        (b"null", "a JSON NoneType; expected an object {...}"),
        (b'{"a": "\xe9"}', "not a readable JSON file ('utf-8' codec"),
        (b'{"a":' * 99_999, "not a readable JSON file (nested too deep)"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not a readable JSON file (an integer of more than 4,300 digits)"),
        (b'{"a": 1}\0', "not a readable JSON file (Extra data"),
    ],
)
def test_a_file_that_is_no_json_object_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    """A byte order mark is skipped."""
    path = tmp_path / "results.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(path) == {"a": 1}
    path.write_bytes(content)
    with pytest.raises(ModelError, match=re.escape(f"{path}: {message}")):
        read_json(path)


def test_the_data_folder_may_have_any_name(tmp_path: Path) -> None:
    """Characters outside the basic plane too, which JSON would escape as TOML cannot read it."""
    (tmp_path / "stage.toml").write_text('a = "{data}/b"')
    assert read_toml(tmp_path / "stage.toml", "😀é\\") == {"a": "😀é\\/b"}
