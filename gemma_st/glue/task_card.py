"""The model card of a task: base, data, training settings and the scores of each seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gemma_st.cross_encoder import CrossEncoder
from gemma_st.glue.score_table import markdown_table
from gemma_st.glue.sources import HUB
from gemma_st.glue.tasks import HIGHEST_GRADE, Task
from gemma_st.hub.card import USAGE, Facts, write_card

TEXTS_USAGE = 'model.labels(model.predict_texts(["It works.", "It does not."]))'
CLASSES_USAGE = f"scores = {USAGE['CrossEncoder']}\nmodel.labels(scores)  # class names"
GRADES_USAGE = f"scores = {USAGE['CrossEncoder']}\nscores * {HIGHEST_GRADE:g}  # grades"


def write_task_card(
    directory: Path, task: Task, rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
) -> None:
    """Write the card of a saved model.

    ``rows`` are those of the task in ``results.json``; the training ``settings`` include base, seeds and command.

    Example:
        >>> from gemma_st.glue.tasks import TASKS
        >>> row = {"title": "RTE", "set": "dev", "model_seed": 0, "metrics": {"accuracy": [0.6]},
        ...        "baseline": {"accuracy": 0.5}}
        >>> settings = {"base": "decoder", "seeds": [0], "command": "gemma-st glue …", "epochs": 3}
        >>> write_task_card(Path("reranker"), TASKS["rte"], [row], settings)
        >>> "| RTE dev | accuracy | 60.0 | 50.0 |" in Path("reranker/README.md").read_text()
        True
    """
    data = HUB[task.suite][0]
    write_card(directory, CrossEncoder(str(directory)), Facts(base_model=settings["base"], training_data=(data,)))
    path = directory / "README.md"
    card = path.read_text(encoding="utf-8").partition("## Measured\n")[0]
    if not task.choices:
        card = card.replace("from sentence_transformers", "from gemma_st")
        usage = TEXTS_USAGE if len(task.columns) == 1 else CLASSES_USAGE if task.labels else GRADES_USAGE
        card = card.replace(USAGE["CrossEncoder"], usage)
    options = [(name, str(value)) for name, value in settings.items() if name not in ("base", "command")]
    measured = [
        (f"{row['title']} {row['set']}", name, *(f"{100 * value:.1f}" for value in (*values, row["baseline"][name])))
        for row in rows
        for name, values in row["metrics"].items()
    ]
    header = ("set", "metric", *(f"seed {seed}" for seed in settings["seeds"]), "constant")
    sections = [
        card.rstrip(),
        "## Training settings",
        markdown_table(("", ""), options, left=(0, 1)),
        "## Measured",
        f"The model is that of seed {rows[0]['model_seed']}, the best on dev. The column `constant` "
        "has the score of the same prediction for every example.",
        f"`{settings['command']}`",
        markdown_table(header, measured, left=(0, 1)),
    ]
    path.write_text("\n\n".join(sections) + "\n", encoding="utf-8")
