"""One task, one seed: a model trained through sentence-transformers' trainer, its best checkpoint returned."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments, set_seed

from gemma_st.cross_encoder import CrossEncoder
from gemma_st.glue.config import OWN, GlueConfig
from gemma_st.glue.datasets import Data
from gemma_st.glue.examples import Split
from gemma_st.glue.length_batches import LengthBatches, dataset
from gemma_st.glue.metrics import measure, predictions
from gemma_st.glue.probe import fit_last_layer
from gemma_st.glue.task_model import build, freeze
from gemma_st.glue.tasks import HIGHEST, Task
from gemma_st.losses.classification import ClassificationLoss, RegressionLoss, pairs
from gemma_st.modeling.dropout import fine_tuning_dropout
from gemma_st.training.checkpoints import LossCheckpoint, last_checkpoint
from gemma_st.training.trainer import relative_rates

if TYPE_CHECKING:
    from numpy.typing import NDArray

EVERY = 500  # steps after which a long epoch is evaluated and saved
KEPT = 2  # checkpoints: the best and the last
WARMUP, WEIGHT_DECAY = 0.1, 0.01  # those of BERT's own GLUE


def fine_tune(task: Task, data: Data, config: GlueConfig, *, seed: int, checkpoints: Path) -> CrossEncoder:
    """Train a model and return its best checkpoint by the first metric on dev.

    Args:
        task: The task.
        data: Its examples.
        config: How to train.
        seed: Of the head, the order of examples and the dropout.
        checkpoints: A folder of this call's own, from which it goes on if it was cut off.

    Raises:
        ModelError: The base cannot be used.
    """
    set_seed(seed)  # for the fresh head; the trainer sets it only once it has the model
    model = build(task, config)
    if config.probe:  # also where a checkpoint will be loaded: relative rates are those of the weights at the start
        fit_last_layer(task, model, data.train, own=config.pooler == OWN)
    if not config.epochs:
        return model
    freeze(model, config.freeze)
    loss = ClassificationLoss(model) if task.labels else RegressionLoss(model, HIGHEST)
    arguments = _arguments(task, config, seed, checkpoints)
    if config.relative_rates:
        arguments.learning_rate_mapping = relative_rates(loss, arguments.learning_rate)
    evaluator = _Dev(task, next(iter(data.dev.values())))
    keeper = LossCheckpoint(loss)
    trainer = CrossEncoderTrainer(
        model=model,
        args=arguments,
        train_dataset=dataset(data.train),
        loss=loss,
        evaluator=evaluator,
        callbacks=[keeper, _InLongEpochs()],
    )
    trainer.remove_callback(PrinterCallback)  # standard output is the table's
    last = last_checkpoint(checkpoints)
    with fine_tuning_dropout(model, config.dropout):
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    return CrossEncoder(str(checkpoints / f"checkpoint-{trainer.state.best_global_step}"))


def score(model: CrossEncoder, split: Split) -> "NDArray[np.float32]":
    """Return a model's scores, shape ``(examples, labels)``, or of choices ``(examples, choices)``.

    Args:
        model: The model.
        split: The examples.
    """
    texts: Any = [pair for row in split.texts for pair in pairs(row)]
    predict = model.predict_texts if isinstance(texts[0], str) else model.predict
    return predict(texts, show_progress_bar=False).reshape(len(split.texts), -1)


def _arguments(task: Task, config: GlueConfig, seed: int, checkpoints: Path) -> CrossEncoderTrainingArguments:
    return CrossEncoderTrainingArguments(
        output_dir=str(checkpoints),
        seed=seed,
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        batch_sampler=LengthBatches,
        learning_rate=config.learning_rate,
        warmup_steps=WARMUP,
        weight_decay=WEIGHT_DECAY,
        bf16=config.bf16,
        dataloader_pin_memory=False,  # a batch is text
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=KEPT,
        metric_for_best_model=task.metrics[0],
        greater_is_better=True,
        logging_strategy="no",
        report_to="none",
        disable_tqdm=not sys.stderr.isatty(),
    )


class _Dev(BaseEvaluator):
    """The task's metrics on a dev set."""

    def __init__(self, task: Task, split: Split) -> None:
        super().__init__()
        self.task, self.split, self.primary_metric = task, split, task.metrics[0]

    def __call__(self, model: CrossEncoder, *_: Any, **__: Any) -> dict[str, float]:
        return evaluate(self.task, score(model, self.split), self.split)


def evaluate(task: Task, scores: "NDArray[np.float32]", split: Split) -> dict[str, float]:
    """Return the task's metrics for scores, none where labels are kept secret.

    Args:
        task: The task.
        scores: As ``score`` returns them.
        split: The examples.
    """
    return {} if split.labels is None else measure(task, predictions(task, scores), split.labels)


class _InLongEpochs(TrainerCallback):
    """Evaluate and save within an epoch, too, where hours would be lost."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step % EVERY == 0:
            control.should_evaluate = control.should_save = True
