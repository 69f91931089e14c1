"""The model card: what a model says of itself, and what only its maker knows, with every number from a results file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from gemma_st.base import Encoder

UNSTATED = "Not stated."
USAGE = {
    "CrossEncoder": 'model.predict([("do goldfish grow", "Goldfish grow as long as they live.")])',
    "SentenceTransformer": 'model.encode_query("do goldfish grow") @ model.encode_document("Goldfish grow.").T',
}
TASKS = {"CrossEncoder": "text-ranking", "SentenceTransformer": "sentence-similarity"}


@dataclass(frozen=True)
class Facts:
    """What a model cannot say of itself.

    Attributes:
        base_model: Hub id or path of the checkpoint it was made from.
        license: Identifier, as the hub spells it.
        training_data: Names of the data sets it was trained on.
        results: ``results.json`` files that ``ir-eval run --out`` wrote for it.
    """

    base_model: str = ""
    license: str = ""
    training_data: tuple[str, ...] = ()
    results: tuple[Path, ...] = ()


def describe(model: "Encoder") -> dict[str, str]:
    """Return what a model says of itself: attention, pooler, template, length, labels, size and versions required."""
    from gemma_st.modeling.template import read_template

    config, pooling = model.transformers_model.config, model[1]
    options = {key: value for key, value in pooling.get_config_dict().items() if key != "embedding_dimension"}
    modes = options.pop("pooling_mode", None) or type(pooling).__name__
    pooler = modes if isinstance(modes, str) else " + ".join(modes)
    shown = ", ".join(f"{key}={value}" for key, value in options.items() if not (key == "include_prompt" and value))
    requirements = model._get_model_config()["requirements"]
    said = {
        "attention": model.attention,
        "pooler": f"{pooler} ({shown})" if shown else pooler,
        "architecture": f"{type(model.transformers_model).__name__}, {config.num_hidden_layers} layers, "
        f"width {config.hidden_size}",
        "template": f"`{read_template(model.tokenizer)}`" if model.model_type == "CrossEncoder" else "",
        "prompts": ", ".join(f"{name}: `{prompt}`" for name, prompt in model.prompts.items()),
        "labels": ", ".join(getattr(model, "label_names", [])) if getattr(model, "num_labels", 1) > 1 else "",
        "longest input": _longest(model),
        "parameters": f"{sum(tensor.numel() for tensor in model.parameters()) / 1e6:.1f}M",
        "versions required": ", ".join(f"{name}{needed['specifier']}" for name, needed in requirements.items()),
    }
    return {name: value for name, value in said.items() if value}


def _longest(model: "Encoder") -> str:
    parts = [f"{model.max_seq_length} tokens"]
    for text in ("query", "document"):
        budget = getattr(model[0], f"{text}_length", None)
        parts += [f"of the {text} {budget}"] if budget else []
    stride = getattr(model, "stride", None)
    parts += [f"a longer document by gemma_st in windows {stride} apart, by the stock class cut"] if stride else []
    return "; ".join(parts)


def write_card(directory: Path, model: "Encoder", facts: Facts) -> None:
    """Write ``README.md`` into a saved model's directory, ready for the hub; it tells the training that was left there.

    Args:
        directory: The saved model.
        model: The same model, loaded.
        facts: What it cannot say of itself.

    Raises:
        ModelError: A results file, or the record of the training, is not one.
    """
    from huggingface_hub import ModelCard, ModelCardData

    from gemma_st.hub.training_record import describe_training

    kind, said = model.model_type, describe(model)
    package = "gemma_st" if model.own_modules else "sentence_transformers"
    data = ModelCardData(
        license=facts.license or None,
        base_model=facts.base_model or None,
        datasets=list(facts.training_data) or None,
        library_name="sentence-transformers",
        pipeline_tag="text-classification" if "labels" in said else TASKS[kind],
        tags=["sentence-transformers", "gemma-encoder", said["attention"]],
    )
    rows = "\n".join(f"| {name} | {value} |" for name, value in {"base model": facts.base_model, **said}.items())
    trained = "\n".join(f"- {name}" for name in facts.training_data) or UNSTATED
    run = f"## Training run\n\n{described}\n\n" if (described := describe_training(directory)) else ""
    usage = f'from {package} import {kind}\n\nmodel = {kind}("{directory.name}")\n{USAGE[kind]}'
    content = (
        f"# {directory.name}\n\n```python\n{usage}\n```\n\n| | |\n|---|---|\n{rows}\n\n"
        f"## Training data\n\n{trained}\n\n{run}## Measured\n\n{results_table(facts.results)}\n"
    )
    ModelCard(f"---\n{data.to_yaml()}\n---\n{content}").save(directory / "README.md")


def results_table(paths: tuple[Path, ...]) -> str:
    """Return a row a collection: the first stage and the model behind it, and the command that measured them.

    Args:
        paths: ``results.json`` files that ``ir-eval run COLLECTION --out`` wrote.

    Raises:
        ModelError: A file is not one of these.
    """
    if not paths:
        return UNSTATED
    rows = ["| collection | topics | first stage → model | command |", "|---|--:|---|---|"]
    for path in paths:
        try:
            results = json.loads(path.read_text(encoding="utf-8"))
            rows += [_results_row(results["experiment"]["systems"], place) for place in results["collections"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: no results of a first stage and a model ({error!r}); see ir-eval run") from error
    return "\n".join(rows)


def _results_row(systems: dict[str, Any], collection: dict[str, Any]) -> str:
    first, second = collection["systems"][:2]
    split = f" --split {collection['split']}" if collection["split"] else ""
    given = systems[first["name"]].get("run")
    stage = f" --first-stage {Path(given).name}" if given else ""
    means = "<br>".join(
        f"{measure} {mean:.4f} → **{second['measures'][measure]:.4f}**" for measure, mean in first["measures"].items()
    )
    depth = systems[second["name"]]["depth"]
    command = f"ir-eval run {collection['name']}{split}{stage} --rerank {second['name']} --depth {depth}"
    command += "".join(f" -m {measure}" for measure in first["measures"])
    return f"| {collection['name']}{split} | {collection['topics']} | {means} | `{command}` |"


def lacking(directory: Path, model: "Encoder") -> list[str]:
    """Return what a saved model's card does not say, or says otherwise than the model.

    Args:
        directory: The saved model.
        model: The same model, loaded.
    """
    from huggingface_hub import ModelCard

    path = directory / "README.md"
    if not path.exists():
        return ["README.md"]
    card = ModelCard.load(path)
    said = describe(model)
    wanted = {name: said[name] for name in ("attention", "pooler", "template", "versions required") if name in said}
    missing = [name for name in ("license", "base_model") if not getattr(card.data, name, None)]
    missing += [name for name, value in wanted.items() if value not in card.text]
    sections = {part.partition("\n")[0].strip().lower(): part for part in card.text.split("\n## ")[1:]}
    for words in ("training", "measured"):
        section = next((text for title, text in sections.items() if title.startswith(words)), UNSTATED)
        missing += [words] if UNSTATED in section else []
    return missing
