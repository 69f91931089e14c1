"""Measure: spelling and errors."""

import pytest

from ir_eval.errors import InputError
from ir_eval.evaluation.measures import Measure, parse_measure

EXISTING = (
    "ndcg[@k], map[@k][-lN], mrr[@k][-lN], precision@k[-lN], recall[@k][-lN], r-precision[-lN], success@k[-lN], "
    "bpref[-lN], judged[@k]"
)


@pytest.mark.parametrize(
    ("text", "measure"),
    [
        ("ndcg@10", Measure("ndcg", 10)),
        ("ndcg", Measure("ndcg")),
        ("map", Measure("map")),
        ("map-l2", Measure("map", min_rel=2)),
        ("mrr@10-l2", Measure("mrr", 10, 2)),
        ("recall@1000-l2", Measure("recall", 1000, 2)),
        ("precision@5", Measure("precision", 5)),
        ("r-precision", Measure("r-precision")),
        ("r-precision-l2", Measure("r-precision", min_rel=2)),
        ("success@1", Measure("success", 1)),
        ("bpref-l3", Measure("bpref", min_rel=3)),
        ("judged@10", Measure("judged", 10)),
        ("judged", Measure("judged")),
    ],
)
def test_spelling(text: str, measure: Measure) -> None:
    """A measure is parsed in either case, and its spelling parses back to it."""
    assert parse_measure(text) == parse_measure(f" {text.upper()} ") == measure
    assert str(measure) == text


def test_level_one_is_the_default() -> None:
    """Each measure has one spelling."""
    assert str(parse_measure("map-l1")) == "map"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ndgc@10", "no such name"),
        ("p@5", "no such name"),
        ("", "not of the form name@k-lN with integers k and N"),
        ("ndcg@", "not of the form"),
        ("ndcg@ten", "not of the form"),
        ("ndcg@1.5", "not of the form"),
        ("map-l", "no such name"),
        ("map-l2@10", "not of the form"),
        ("ndcg@0", "the cutoff is below 1"),
        ("mrr@-1", "the cutoff is below 1"),
        ("map-l0", "the relevance level is below 1"),
        ("precision", "a cutoff is missing"),
        ("success-l2", "a cutoff is missing"),
        ("bpref@10", "bpref takes no cutoff"),
        ("r-precision@10-l2", "r-precision takes no cutoff"),
        ("ndcg@10-l2", "ndcg takes no relevance level (its gain is graded)"),
        ("judged@10-l2", "judged takes no relevance level (any judgement counts)"),
    ],
)
def test_refusal_says_why_and_what_exists(text: str, problem: str) -> None:
    """The message has the measure, the problem and all valid spellings."""
    with pytest.raises(InputError) as caught:
        parse_measure(text)
    message = str(caught.value)
    assert message.startswith(f"measure '{text}': {problem}")
    assert message.endswith(f"; expected one of {EXISTING}")


def test_a_measure_made_by_hand_is_checked_too() -> None:
    """The constructor checks as `parse_measure` does."""
    with pytest.raises(InputError, match="measure 'ndcg@0': the cutoff is below 1"):
        Measure("ndcg", 0)
