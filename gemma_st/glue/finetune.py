"""Fine-tune a model on one task with one seed, through the trainer of sentence-transformers."""

import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.base.model import BaseModel
from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments, set_seed

from gemma_st.cross_encoder import CrossEncoder
from gemma_st.errors import ModelError
from gemma_st.glue.config import OWN_POOLER, GlueConfig
from gemma_st.glue.datasets import Data
from gemma_st.glue.examples import Split
from gemma_st.glue.length_batches import LengthBatches
from gemma_st.glue.metrics import measure, predictions
from gemma_st.glue.probe import fit_last_layer
from gemma_st.glue.task_model import build
from gemma_st.glue.tasks import HIGHEST_GRADE, Task
from gemma_st.losses.classification import ClassificationLoss, RegressionLoss, pairs
from gemma_st.modeling.dropout import fine_tuning_dropout
from gemma_st.modeling.vocabulary import Vocabulary, restore, with_whole
from gemma_st.training.arguments import relative_rates
from gemma_st.training.checked_trainer import CheckedTrainer
from gemma_st.training.checkpoints import LossCheckpoint, last_checkpoint
from gemma_st.training.embeddings import freeze_embeddings, restrict_to
from gemma_st.training.finite import FiniteValues

CHECKPOINT_STEPS = 500  # steps between the checkpoints within a long epoch
KEPT_CHECKPOINTS = 2  # the best and the last
WARMUP_SHARE, WEIGHT_DECAY = 0.1, 0.01  # as BERT was fine-tuned on GLUE


def fine_tune(task: Task, data: Data, config: GlueConfig, *, seed: int, checkpoints: Path) -> CrossEncoder:
    """Train a model and return its best checkpoint by the first metric on the first dev set.

    The seed controls head initialisation, data order and dropout. An interrupted training resumes from the folder
    ``checkpoints``, which must not be shared with another training.

    Examples:
        >>> from gemma_st.glue.datasets import load
        >>> from gemma_st.glue.tasks import TASKS
        >>> task, config = TASKS["sst-2"], GlueConfig(base="decoder", epochs=1)
        >>> fine_tune(task, load(task, "glue"), config, seed=0, checkpoints=Path("checkpoints")).label_names
        ['negative', 'positive']
    """
    set_seed(seed)  # for the new head: the trainer sets the seed after the model is made
    model = build(task, config)
    if config.probe:  # also before a checkpoint is loaded: relative_rates reads the initial weights
        fit_last_layer(task, model, data.train, own=config.pooler == OWN_POOLER)
    if not config.epochs:
        return model
    _freeze(model, config.freeze)
    freeze_embeddings(model, config.freeze_embeddings)
    texts = chain.from_iterable(data.train.texts)
    whole = restrict_to(model, texts) if config.restrict_vocabulary else None
    loss = ClassificationLoss(model) if task.labels else RegressionLoss(model, HIGHEST_GRADE)
    arguments = _arguments(task, config, seed, checkpoints)
    if config.relative_rates:
        arguments.learning_rate_mapping = relative_rates(loss, arguments.learning_rate)
    trainer = CheckedTrainer(
        model=model,
        args=arguments,
        train_dataset=data.train.to_dataset(),
        loss=loss,
        evaluator=_DevEvaluator(task, next(iter(data.dev.values())), whole),
        callbacks=[FiniteValues(loss), LossCheckpoint(loss), _CheckpointsInLongEpochs()],
    )
    trainer.remove_callback(PrinterCallback)  # standard output is for the table of scores
    last = last_checkpoint(checkpoints)
    with fine_tuning_dropout(model, config.dropout):
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    best = CrossEncoder(str(checkpoints / f"checkpoint-{trainer.state.best_global_step}"))
    if whole:
        restore(best, whole)
    return best


def score(model: CrossEncoder, split: Split) -> NDArray[np.float32]:
    """Return the scores of a model, of shape ``(examples, labels)``, or ``(examples, choices)``.

    Examples:
        >>> score(CrossEncoder("reranker"), Split([("premise", "choice 1", "choice 2")], None, index=[0])).shape
        (1, 2)
    """
    texts: Any = [pair for row in split.texts for pair in pairs(row)]
    predict = model.predict_texts if isinstance(texts[0], str) else model.predict
    return predict(texts, show_progress_bar=False).reshape(len(split.texts), -1)


def _freeze(model: CrossEncoder, parts: Sequence[str]) -> None:
    """Exclude the parameters whose names contain one of the given substrings from training."""
    names = [name for name, _ in model.named_parameters()]
    for part in parts:
        if not any(part in name for name in names):
            raise ModelError(f"freeze {part!r} is in no parameter's name; the names are like {names[0]}")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not any(part in name for part in parts))
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ModelError(f"freeze {' '.join(parts)} leaves nothing to train; freeze less, or set probe and epochs 0")


def _arguments(task: Task, config: GlueConfig, seed: int, checkpoints: Path) -> CrossEncoderTrainingArguments:
    return CrossEncoderTrainingArguments(
        output_dir=str(checkpoints),
        seed=seed,
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        batch_sampler=LengthBatches,
        learning_rate=config.learning_rate,
        warmup_steps=WARMUP_SHARE,
        weight_decay=WEIGHT_DECAY,
        bf16=config.bf16,
        use_cpu=not torch.accelerator.is_available(),  # otherwise bf16 is refused on a CPU
        dataloader_pin_memory=False,  # mini-batches are text
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=KEPT_CHECKPOINTS,
        metric_for_best_model=task.metrics[0],
        greater_is_better=True,
        logging_strategy="no",
        report_to="none",
        disable_tqdm=not sys.stderr.isatty(),
    )


class _DevEvaluator(BaseEvaluator):
    """Compute the metrics of a task on a dev set, for the trainer."""

    def __init__(self, task: Task, split: Split, whole: Vocabulary | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.task, self.split, self.whole, self.primary_metric = task, split, whole, task.metrics[0]

    def __call__(
        self, model: BaseModel, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        with with_whole(model, self.whole):
            scores = score(cast(CrossEncoder, model), self.split)
        return measure(self.task, predictions(self.task, scores), self.split.labels)


class _CheckpointsInLongEpochs(TrainerCallback):
    """Evaluate and save within an epoch as well, so that an interruption loses at most ``CHECKPOINT_STEPS`` steps."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step % CHECKPOINT_STEPS == 0:
            control.should_evaluate = control.should_save = True
