"""The card of a task's model: its base and data, the settings of its training, and what each seed scored."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gemma_st.cross_encoder import CrossEncoder
from gemma_st.glue.sources import HUB
from gemma_st.glue.tasks import HIGHEST, Task
from gemma_st.hub.card import USAGE, Facts, write_card

TEXTS = 'model.labels(model.predict_texts(["It works.", "It does not."]))'
PAIRS = {True: "model.labels(scores)  # their names", False: f"scores * {HIGHEST:g}  # the grades"}


def write_task_card(
    directory: Path, task: Task, rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
) -> None:
    """Write a saved model's card.

    Args:
        directory: The saved model.
        task: What it was trained on.
        rows: The task's rows of ``results.json``.
        settings: How it was trained, with ``base``, ``seeds`` and ``command``.
    """
    data = HUB[task.suite][0]
    write_card(directory, CrossEncoder(str(directory)), Facts(base_model=settings["base"], training_data=(data,)))
    path = directory / "README.md"
    card = path.read_text(encoding="utf-8").partition("## Measured\n")[0]
    if not task.choices:
        card = card.replace("from sentence_transformers", "from gemma_st")
        card = card.replace(USAGE["CrossEncoder"], _usage(task))
    options = [f"| {name} | {value} |" for name, value in settings.items() if name not in ("base", "command")]
    measured = [
        f"| {row['title']} {row['set']} | {name} | {' | '.join(f'{100 * value:.1f}' for value in values)} "
        f"| {100 * row['baseline'][name]:.1f} |"
        for row in rows
        for name, values in row["metrics"].items()
    ]
    seeds = [f"seed {seed}" for seed in settings["seeds"]]
    sections = [
        card.rstrip(),
        "## Training settings",
        "\n".join(["| | |", "|---|---|", *options]),
        "## Measured",
        f"The model is that of seed {rows[0]['model_seed']}, the best on dev; constant is one answer for all.",
        f"`{settings['command']}`",
        "\n".join(
            [f"| set | metric | {' | '.join(seeds)} | constant |", f"|---|---|{'--:|' * (len(seeds) + 1)}", *measured]
        ),
    ]
    path.write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def _usage(task: Task) -> str:
    """Return what one does with the model."""
    if len(task.columns) == 1:
        return TEXTS
    return f"scores = {USAGE['CrossEncoder']}\n{PAIRS[bool(task.labels)]}"
