"""The table of families in the documentation equals the table in the code."""

from pathlib import Path

from gemma_st.modeling.families import FAMILIES, OTHER

DOCS = Path(__file__).parents[4] / "docs/encoder.md"


def test_the_table_of_families_is_the_codes() -> None:
    """The rows and their order are equal."""
    rows = [
        f"| {family.name} | `{family.mask}` | {family.window} | {', '.join(family.implementations)} "
        f"| {', '.join(family.not_in)} |"
        for family in [*FAMILIES.values(), OTHER]
    ]
    assert "\n".join(rows) in DOCS.read_text(encoding="utf-8")
