"""Training a reranker on lists, through sentence-transformers' own trainer; a stage that was cut off resumes."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gemma_st.errors import ModelError
from gemma_st.hub.saving import save
from gemma_st.hub.training_record import History, data_names, write_record
from gemma_st.modeling.dropout import fine_tuning_dropout
from gemma_st.training.config import TrainingConfig
from gemma_st.training.evaluator import Evaluator, evaluation_arguments, for_trainer, open_evaluator
from gemma_st.training.lists import read_lists, shorten
from gemma_st.training.losses import loss_class, make_loss, training_rows
from gemma_st.training.start import load_teacher, start

if TYPE_CHECKING:
    from datasets import Dataset
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
    from torch import nn

    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.training.stage import Stage

SMALLEST = 2e-3  # a weight smaller than this, such as a bias of zeros, learns as if it had this size
# Buffers are constants, and mini-batches may differ in number between processes: their copying would never end.
DEFAULTS = {"ddp_broadcast_buffers": False}


def train(config: TrainingConfig) -> Path:
    """Run one stage and return the directory of the trained model.

    The directory holds the model once the stage is done; until then its ``checkpoints`` folder does, from which a
    second call goes on. Beside the model lie its card and the record of its training. Under ``accelerate launch`` each
    process calls this, and the first one writes.

    Args:
        config: The stage.

    Raises:
        ModelError: The lists, the base model, the loss or the evaluator cannot be used, or the checkpoints are another
            stage's.
    """
    from transformers import set_seed

    from gemma_st.training.sharding import ShardedTrainer, in_shards

    sharded = in_shards(config)
    with section("evaluation"):
        evaluator = open_evaluator(config.evaluation) if config.evaluation else None
    arguments = training_arguments(config, evaluator)
    data = read_lists(config.lists)
    if config.documents:
        data = shorten(data, config.documents, arguments.seed)
    teacher = load_teacher(config.teacher).to(arguments.device) if config.teacher else None
    set_seed(arguments.seed)  # for the fresh head; the trainer sets it only once it has the model
    model, stage, last = _begin(config, arguments, sharded=sharded)
    with section("loss"):
        loss = make_loss(config, model, teacher)
        data = training_rows(config, data)
    if config.relative_rates:
        arguments.learning_rate_mapping = relative_rates(loss, arguments.learning_rate)
    trainer = _trainer(model, arguments, data, loss, evaluator=evaluator, last=last, sharded=sharded)
    with fine_tuning_dropout(model, config.dropout):
        _run(trainer, last)
    if isinstance(trainer, ShardedTrainer):
        model = trainer.whole()
    if trainer.is_world_process_zero():
        state = trainer.state
        best = state.best_global_step if arguments.load_best_model_at_end else None
        history = History(state.log_history, evaluator.measures if evaluator else (), best or state.global_step)
        _finish(config, model, stage, history)
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.end_training()
    return config.output.resolve()


@contextmanager
def section(name: str) -> Iterator[None]:
    """Turn what the receiver of a section's options says of them into one line that names the section.

    Args:
        name: The section's.

    Raises:
        ModelError: In place of a TypeError or a ValueError.
    """
    try:
        yield
    except ModelError:
        raise
    except (TypeError, ValueError) as error:
        raise ModelError(f"[{name}] {str(error).splitlines()[0]}") from error


def training_arguments(config: TrainingConfig, evaluator: Evaluator | None) -> "CrossEncoderTrainingArguments":
    """Return a stage's ``[trainer]`` as the trainer takes it.

    Args:
        config: The stage.
        evaluator: What measures the model while it is trained.

    Raises:
        ModelError: A value is not one of the trainer's.
    """
    from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments

    from gemma_st.losses.registry import reads_triples

    # A loss over triples asks the model twice before it goes back; looking for what is unused would be in its way.
    with section("loss"):
        twice = {"ddp_find_unused_parameters": False} if reads_triples(loss_class(config)) else {}
    given = {**DEFAULTS, **twice, **evaluation_arguments(config.evaluation, evaluator), **config.trainer}
    with section("trainer"):
        return CrossEncoderTrainingArguments(output_dir=str(config.output / "checkpoints"), report_to="none", **given)


def _begin(
    config: TrainingConfig, arguments: "CrossEncoderTrainingArguments", *, sharded: bool
) -> "tuple[CrossEncoder, Stage, Path | None]":
    """Return the model, the stage as it is run, and the checkpoint that it goes on from."""
    from gemma_st.training.lora import BASE, add_adapter
    from gemma_st.training.stage import claim, resolve

    first = arguments.process_index == 0
    with arguments.main_process_first(local=False):
        with section("model"):
            model = start(config)
        stage = resolve(config, start=model.fingerprint(), processes=arguments.world_size, sharded=sharded)
        last = claim(config.output / "checkpoints", stage, write=first)
        if config.lora:
            with section("lora"):
                add_adapter(model, config.lora, config.output / BASE, write=first)
    return model, stage, last


def _trainer(
    model: "CrossEncoder",
    arguments: "CrossEncoderTrainingArguments",
    data: "Dataset",
    loss: "nn.Module",
    *,
    evaluator: Evaluator | None,
    last: Path | None,
    sharded: bool,
) -> "CrossEncoderTrainer":
    """Return the trainer, the loss's own parameters as the last checkpoint has them."""
    from sentence_transformers.cross_encoder import CrossEncoderTrainer

    from gemma_st.training.checkpoints import LossCheckpoint
    from gemma_st.training.sharding import ShardedTrainer

    kind = ShardedTrainer if sharded else CrossEncoderTrainer
    keeper = LossCheckpoint(loss)
    measured = {"evaluator": for_trainer(evaluator)} if evaluator else {}
    with section("trainer"):
        trainer = kind(model=model, args=arguments, train_dataset=data, loss=loss, callbacks=[keeper], **measured)
    keeper.restore(last)
    return trainer


def _run(trainer: "CrossEncoderTrainer", last: Path | None) -> None:
    """Train, or take up what was trained to the end: the trainer would add a step to that."""
    from transformers import TrainerState

    state = TrainerState.load_from_json(str(last / "trainer_state.json")) if last else None
    if last is None or state is None or state.global_step < state.max_steps:
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        return
    best = trainer.args.load_best_model_at_end and state.best_model_checkpoint
    kept = type(trainer.model)(str(last.with_name(Path(best).name) if best else last), device="cpu")
    trainer.model.load_state_dict(kept.state_dict())
    trainer.state = state


def _finish(config: TrainingConfig, model: "CrossEncoder", stage: "Stage", history: History) -> None:
    """Save the model, the record of its training, and its card."""
    from gemma_st.hub.card import Facts, write_card

    directory = save(model, config.output, storage=config.storage, exact=tuple(config.exact))
    write_record(directory, stage, history)
    base = config.model.get("base", config.teacher) or ""
    write_card(directory, model, Facts(base_model=base, training_data=data_names(stage)))


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
