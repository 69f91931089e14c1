"""The model card: facts read from the model, facts given by its author, and numbers from results files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCard, ModelCardData

from gemma_st.errors import ModelError
from gemma_st.hub.training_record import describe_training
from gemma_st.modeling.template import read_template
from gemma_st.settings import read_json

if TYPE_CHECKING:
    from gemma_st.base import Encoder

UNSTATED = "Not stated."
USAGE = {
    "CrossEncoder": 'model.predict([("do goldfish grow", "Goldfish grow as long as they live.")])',
    "SentenceTransformer": 'model.encode_query("do goldfish grow") @ model.encode_document("Goldfish grow.").T',
}
TASKS = {"CrossEncoder": "text-ranking", "SentenceTransformer": "sentence-similarity"}
CHECKED = ("attention", "pooler", "template", "versions required")  # facts that a card must state as the model does


@dataclass(frozen=True)
class Facts:
    """Facts that the author of a model knows and the model itself does not.

    Attributes:
        base_model: Hub id or path of the checkpoint that the model was trained from.
        license: Identifier of the license, in the hub's spelling.
        training_data: Names of the data sets that the model was trained on.
        results: ``results.json`` files that ``ir-eval run --out`` wrote for the model.

    Examples:
        >>> Facts(base_model="google/gemma-3-270m", license="gemma").license
        'gemma'
    """

    base_model: str = ""
    license: str = ""
    training_data: tuple[str, ...] = ()
    results: tuple[Path, ...] = ()


def describe(model: "Encoder") -> dict[str, str]:
    """Return the facts read from a model: attention, pooler, template, length, labels, size and required versions.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> describe(CrossEncoder("reranker"))["attention"]
        'bidirectional'
    """
    network: Any = model.transformers_model
    requirements = model._get_model_config()["requirements"]
    facts = {
        "attention": model.attention,
        "pooler": _pooler(model),
        "architecture": f"{type(network).__name__}, {network.config.num_hidden_layers} layers, "
        f"width {network.config.hidden_size}",
        "template": f"`{read_template(model.tokenizer)}`" if model.model_type == "CrossEncoder" else "",
        "prompts": ", ".join(f"{name}: `{prompt}`" for name, prompt in model.prompts.items()),
        "labels": ", ".join(getattr(model, "label_names", [])) if getattr(model, "num_labels", 1) > 1 else "",
        "longest input": _longest_input(model),
        "parameters": f"{sum(tensor.numel() for tensor in model.parameters()) / 1e6:.1f}M",
        "versions required": ", ".join(f"{name}{needed['specifier']}" for name, needed in requirements.items()),
    }
    return {name: value for name, value in facts.items() if value}


def _pooler(model: "Encoder") -> str:
    """Return the name of the pooler and its options, such as ``FirstK (k=4)``."""
    module: Any = model[1]
    options = {key: value for key, value in module.get_config_dict().items() if key != "embedding_dimension"}
    modes = options.pop("pooling_mode", None) or type(module).__name__
    name = modes if isinstance(modes, str) else " + ".join(modes)
    shown = ", ".join(f"{key}={value}" for key, value in options.items() if not (key == "include_prompt" and value))
    return f"{name} ({shown})" if shown else name


def _longest_input(model: "Encoder") -> str:
    parts = [f"{model.max_seq_length} tokens"]
    for text in ("query", "document"):
        budget = getattr(model[0], f"{text}_length", None)
        parts += [f"at most {budget} for the {text}"] if budget else []
    if stride := getattr(model, "stride", None):
        parts.append(
            f"gemma_st scores a longer document in windows that start {stride} tokens apart, "
            "and stock sentence-transformers truncates it"
        )
    return "; ".join(parts)


def write_card(directory: Path, model: "Encoder", facts: Facts) -> None:
    """Write the card of a model, ``README.md``, into its directory, with the training record if there is one.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> write_card(Path("reranker"), CrossEncoder("reranker"), Facts(license="gemma"))
    """
    kind, described = model.model_type, describe(model)
    package = "gemma_st" if model.own_modules else "sentence_transformers"
    data = ModelCardData(
        license=facts.license or None,
        base_model=facts.base_model or None,
        datasets=list(facts.training_data) or None,
        library_name="sentence-transformers",
        pipeline_tag="text-classification" if "labels" in described else TASKS[kind],
        tags=["sentence-transformers", "gemma-encoder", described["attention"]],
    )
    shown = {"base model": facts.base_model, **described}
    rows = "\n".join(f"| {name} | {value} |" for name, value in shown.items() if value)
    trained = "\n".join(f"- {name}" for name in facts.training_data) or UNSTATED
    record = describe_training(directory)
    run = f"## Training run\n\n{record}\n\n" if record else ""
    usage = f'from {package} import {kind}\n\nmodel = {kind}("{directory.name}")\n{USAGE[kind]}'
    content = (
        f"# {directory.name}\n\n```python\n{usage}\n```\n\n| | |\n|---|---|\n{rows}\n\n"
        f"## Training data\n\n{trained}\n\n{run}## Measured\n\n{results_table(facts.results)}\n"
    )
    ModelCard(f"---\n{data.to_yaml()}\n---\n{content}").save(directory / "README.md")


def results_table(paths: Sequence[Path]) -> str:
    """Return a Markdown table of ``results.json`` files of ``ir-eval run COLLECTION --out``, a row per collection.

    Examples:
        >>> results_table([])
        'Not stated.'
    """
    if not paths:
        return UNSTATED
    rows = ["| collection | topics | first stage → model | command |", "|---|--:|---|---|"]
    for path in paths:
        try:
            results = read_json(path)
            rows += [_results_row(results["experiment"]["systems"], found) for found in results["collections"]]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
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


def missing_facts(directory: Path, model: "Encoder") -> list[str]:
    """Return the facts that the card in a model's directory does not state, or states differently from the model.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> missing_facts(Path("reranker"), CrossEncoder("reranker"))
        ['README.md']
    """
    path = directory / "README.md"
    if not path.exists():
        return ["README.md"]
    card, described = ModelCard.load(path), describe(model)
    missing = [name for name in ("license", "base_model") if not getattr(card.data, name, None)]
    missing += [name for name in CHECKED if name in described and described[name] not in card.text]
    sections = card.text.split("\n## ")[1:]
    for title in ("training", "measured"):
        section = next((text for text in sections if text.strip().lower().startswith(title)), UNSTATED)
        missing += [title] if UNSTATED in section else []
    return missing
