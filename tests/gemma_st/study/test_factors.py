"""Tests of gemma_st.study.factors: the canonical form of values and their labels."""

from typing import Any

import pytest

from gemma_st import ModelError
from gemma_st.study.factors import label, parse


@pytest.mark.parametrize(
    ("factor", "values", "read"),
    [
        ("attention", ["causal"], "causal"),
        ("pooler", ["last", {"name": "last"}, {"name": "last", "k": 1, "include_prompt": True}], "last"),
        ("pooler", [{"name": "last", "k": 4}, {"k": 4, "name": "last"}], "last k=4"),
        ("pooler", ["kv-probe", {"name": "kv-probe", "probes": 64, "heads": 8}], "kv-probe"),
        ("pooler", [{"name": "query-probe", "probes": 2, "heads": 3}], "query-probe heads=3 probes=2"),
        ("dropout", [0, 0.0, {}, {"head": 0}], "0"),
        ("dropout", [0.1], "0.1"),
        ("dropout", [{"head": 0.25, "pooler": 0.1}], "pooler=0.1 head=0.25"),
    ],
)
def test_equal_values_have_one_form_and_one_name(factor: str, values: list[Any], read: str) -> None:
    """Spelled-out defaults do not change the form, and the form parses to itself."""
    found = [parse(factor, value) for value in values]
    assert all(value == found[0] for value in found)
    assert parse(factor, found[0]) == found[0]
    assert label(found[0]) == read


@pytest.mark.parametrize(
    ("factor", "value", "message"),
    [
        ("attention", "both", "attention = 'both'; Input should be 'bidirectional' or 'causal'"),
        ("head", ["mlp"], r"head = \['mlp'\]; Input should be 'mlp' or 'linear'"),
        ("padding_side", 3, "padding_side = 3; Input should be 'left' or 'right'"),
        ("pooler", "own", "pooler='own' is not known; use one of mean, first, "),
        ("pooler", {"k": 3}, "pooler = {'k': 3}; expected a name, or a table like"),
        ("pooler", {"name": "mean", "k": 3}, "pooler='mean' has no k; leave that out"),
        ("pooler", {"name": "last", "n": 3}, "pooler = .* expected options k, probes, heads, include_prompt"),
        ("pooler", {"name": "kv-probe", "heads": 0}, "heads=0"),
        ("dropout", 1.0, r"\[dropout\] dropout attention=1.0; expected 0 ≤ rate < 1"),
        ("dropout", "much", r"\[dropout\] attention = 'much'; Input should be a valid number"),
        ("dropout", {"tail": 0.1}, r"\[dropout\] unknown tail; give one rate, or a table with attention, "),
    ],
)
def test_what_is_no_value_is_one_line(factor: str, value: object, message: str) -> None:
    """The error is one line that names the factor."""
    with pytest.raises(ModelError, match=message) as error:
        parse(factor, value)
    assert "\n" not in str(error.value)
