"""Fill the model card in from what was measured, so that no number in it is typed by hand.

    python card.py STAGE.toml MODEL_DIR RESULTS_DIR...

MODEL_DIR is what STAGE.toml made, each RESULTS_DIR what ``ir-eval run --out`` wrote for it. The card becomes
``MODEL_DIR/README.md``.
"""

import json
import sys
import tomllib
from math import prod
from pathlib import Path

from safetensors import safe_open

PARTS = ("states", "attention", "matches", "scores", "labels")


def results_table(folders: list[Path]) -> str:
    """Return one row a results folder, and its command."""
    rows = ["| collection | topics | first stage → reranked | command |", "|---|--:|---|---|"]
    for folder in folders:
        results = json.loads((folder / "results.json").read_text())
        experiment, collection, (first, second) = results["experiment"], results["collection"], results["systems"][:2]
        split = f" --split {collection['split']}" if collection["split"] else ""
        given = experiment["first_stage"]
        stage = "" if given == "bm25" else f" --first-stage {Path(given).name}"
        means = "<br>".join(
            f"{measure} {mean:.4f} → **{second['measures'][measure]:.4f}**"
            for measure, mean in first["measures"].items()
        )
        measures = "".join(f" -m {measure}" for measure in first["measures"])
        command = f"ir-eval run {collection['name']}{split}{stage} --rerank gemma-encoder-msmarco"
        command += f" --depth {experiment['depth']}{measures}"
        rows.append(f"| {collection['name']}{split} | {collection['topics']} | {means} | `{command}` |")
    return "\n".join(rows)


def curve(state: dict[str, list[dict[str, float]]]) -> str:
    """Return the parts of the loss at eight places of the training."""
    logged = [entry for entry in state["log_history"] if PARTS[0] in entry]
    chosen = logged[:: max(1, len(logged) // 8)] + logged[-1:]
    rows = [f"| step | {' | '.join(PARTS)} |", "|--:|" + "--:|" * len(PARTS)]
    return "\n".join(rows + [f"| {e['step']} | {' | '.join(f'{e[part]:.3f}' for part in PARTS)} |" for e in chosen])


def parameters(path: Path) -> int:
    """Count the numbers in a safetensors file."""
    with safe_open(path, "np") as weights:
        return sum(prod(weights.get_slice(name).get_shape()) for name in weights.keys())


def main(stage: Path, model: Path, folders: list[Path]) -> None:
    """Write the card."""
    recipe = tomllib.loads(stage.read_text())
    config = json.loads((model / "config.json").read_text())
    tokenizer = json.loads((model / "tokenizer_config.json").read_text())
    saved = json.loads((model / "config_sentence_transformers.json").read_text())
    last = max((model / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    state = json.loads((last / "trainer_state.json").read_text())
    weights = [model / "model.safetensors", *model.glob("[0-9]_*/model.safetensors")]
    card = (
        Path(__file__)
        .with_name("card.md")
        .read_text()
        .format(
            architecture=config["architectures"][0],
            layers=config["num_hidden_layers"],
            width=config["hidden_size"],
            heads=config["num_attention_heads"],
            vocabulary=config["vocab_size"],
            max_length=tokenizer["model_max_length"],
            parameters=sum(map(parameters, weights)) / 1e6,
            megabytes=sum(p.stat().st_size for p in [*weights, *model.glob("*.json"), *model.glob("[0-9]_*/*.json")])
            / 1e6,
            results=results_table(folders),
            first_steps=tomllib.loads(stage.with_name("1-states.toml").read_text())["trainer"]["max_steps"],
            steps=state["global_step"],
            batch=recipe["trainer"]["per_device_train_batch_size"],
            sets=", ".join(Path(path).stem for path in recipe["lists"]),
            curve=curve(state),
            versions=", ".join(f"{name} {number}" for name, number in saved["__version__"].items()),
        )
    )
    (model / "README.md").write_text(card)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(argument) for argument in sys.argv[3:]])
