"""Tests of gemma_st.settings: a mistake in a file is an error of one line with the field, the value and the remedy."""

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from gemma_st import ModelError
from gemma_st.settings import from_table, read_toml, settings


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
    ],
)
def test_a_mistake_in_a_table_is_one_line(table: dict[str, object], message: str) -> None:
    """The error begins with the file and names the field, also in a nested table."""
    with pytest.raises(ModelError) as error:
        from_table(Stage, table, "f: ")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_values_given_in_python_are_checked_too() -> None:
    """The exception is the one given to ``settings``."""
    with pytest.raises(ModelError, match="^rank = 0; Input should be greater than 0$"):
        Size(rank=0)
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
