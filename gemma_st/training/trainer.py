"""Train a cross-encoder on lists with the sentence-transformers trainer; an interrupted stage resumes."""

from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gemma_st.errors import ModelError
from gemma_st.files import writing
from gemma_st.hub.saving import finish_replacing, save
from gemma_st.hub.training_record import RECORD_FILENAME, data_names, write_record
from gemma_st.locks import reserved
from gemma_st.modeling.dropout import fine_tuning_dropout
from gemma_st.modeling.vocabulary import Vocabulary, restore, with_whole
from gemma_st.training.arguments import relative_rates, training_arguments
from gemma_st.training.config import TrainingConfig, section
from gemma_st.training.embeddings import freeze_embeddings, restrict_to
from gemma_st.training.evaluator import Evaluator, open_evaluator
from gemma_st.training.lists import read_lists, refuse_useless, shorten, triples
from gemma_st.training.losses import is_labelled, loss_class, make_loss, reads_triples
from gemma_st.training.start import load_teacher, start

if TYPE_CHECKING:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.evaluation import BaseEvaluator
    from sentence_transformers.base.model import BaseModel
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
    from torch import nn

    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.training.stage import Stage
    from gemma_st.training.teacher import Teacher


def train(config: TrainingConfig) -> Path:
    """Run one stage and return the directory of the trained model.

    During training the directory contains ``checkpoints``, from which a second call resumes. At the end it also
    contains the model, its card and the record of its training. Under ``accelerate launch`` every process calls this
    function, and the first process writes the files.

    Raises:
        ModelError: The lists, the base, the loss or the evaluator cannot be used, or the checkpoints in the directory
            are of another stage.

    Examples:
        >>> from gemma_st.training.config import read_config
        >>> directory = train(read_config("stage.toml"))  # the trainer prints its log
        {'train_runtime': ...}
    """
    from gemma_st.training.sharding import in_shards

    sharded = in_shards(config)
    if sharded and config.restrict_vocabulary:
        raise ModelError("restrict_vocabulary with FSDP; remove it: it is for training in one process, or with DDP")
    with section("evaluation"):
        evaluator = open_evaluator(config.evaluation) if config.evaluation else None
    arguments = training_arguments(config, evaluator)
    kind = loss_class(config)
    relevance = getattr(kind, "needs_relevance", False)
    data = read_lists(config.lists, relevance=relevance, labelled=is_labelled(config))
    if config.documents:
        data = shorten(data, config.documents, seed=arguments.seed)
    refuse_useless(data, kind)
    first = arguments.process_index == 0
    with reserved(config.output) if first else nullcontext():
        if first:
            finish_replacing(config.output)
            _refuse_foreign_output(config)
        _train(config, arguments, data, evaluator=evaluator, sharded=sharded)
    return config.output.resolve()


def _refuse_foreign_output(config: TrainingConfig) -> None:
    """Refuse to replace the base, without which the stage cannot be run again, or a model that no stage wrote."""
    output = config.output
    if Path(str(config.model["base"])).resolve() == output.resolve():
        raise ModelError(f"output {str(output)!r} is the base; give another folder, so that the base is kept")
    ours = any((output / name).exists() for name in (RECORD_FILENAME, "checkpoints"))
    if not ours and any((output / name).exists() for name in ("modules.json", "config.json")):
        raise ModelError(f"output {str(output)!r} holds a model that no stage wrote; give a new or empty folder")


def _train(
    config: TrainingConfig,
    arguments: "CrossEncoderTrainingArguments",
    data: "Dataset",
    *,
    evaluator: Evaluator | None,
    sharded: bool,
) -> None:
    """Load the models, train, and save the trained model."""
    from transformers import set_seed

    from gemma_st.training.sharding import ShardedTrainer

    teacher, bi_encoder = _teachers(config, arguments)
    set_seed(arguments.seed)  # for the new head; the trainer sets the seed only after the model is made
    taught_by = teacher.fingerprint if teacher else None
    model, stage, last = _begin(config, arguments, sharded=sharded, taught_by=taught_by)
    texts = chain(data["query"], chain.from_iterable(data["documents"]))
    whole = restrict_to(model, texts) if config.restrict_vocabulary else None
    with section("loss"):
        loss = make_loss(config, model, teacher=bi_encoder, teacher_width=teacher.width if teacher else 0)
    data = teacher.label(data) if teacher else data
    with section("loss"):
        data = triples(data) if reads_triples(type(loss)) else data
    if config.relative_rates:
        arguments.learning_rate_mapping = relative_rates(loss, arguments.learning_rate)
    called = _for_trainer(evaluator, whole) if evaluator else None
    trainer = _trainer(model, arguments, data, loss, evaluator=called, last=last, sharded=sharded)
    with fine_tuning_dropout(model, config.dropout):
        _run(trainer, last)
    if isinstance(trainer, ShardedTrainer):
        model = trainer.whole()
    if whole:
        restore(model, whole)
    if trainer.is_world_process_zero():
        _finish(config, trainer, model, stage, evaluator)
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.end_training()


def _teachers(
    config: TrainingConfig, arguments: "CrossEncoderTrainingArguments"
) -> "tuple[Teacher | None, SentenceTransformer | None]":
    """Return the cross-encoder that labels the lists, and the bi-encoder that the loss takes."""
    from gemma_st.training.teacher import Teacher

    if not config.teacher:
        return None, None
    if is_labelled(config):
        return None, load_teacher(config.teacher).to(arguments.device)
    states = getattr(loss_class(config), "learns_from_states", False)
    return Teacher(config.teacher, states=states, device=arguments.device), None


def _begin(
    config: TrainingConfig, arguments: "CrossEncoderTrainingArguments", *, sharded: bool, taught_by: str | None
) -> "tuple[CrossEncoder, Stage, Path | None]":
    """Return the model, the resolved stage, and the checkpoint to resume from."""
    from gemma_st.training.lora import BACKBONE_FOLDER, add_adapter
    from gemma_st.training.stage import claim, resolve

    first = arguments.process_index == 0
    with arguments.main_process_first(local=False):
        with section("model"):
            model = start(config)
        _refuse_unknown_weights(config, model)
        shape = {"processes": arguments.world_size, "sharded": sharded}
        stage = resolve(config, start=model.fingerprint(), teacher=taught_by, **shape)
        stage["embeddings"] = "frozen" if freeze_embeddings(model, config.freeze_embeddings) else "trained"
        with writing(config.output, "the checkpoints' folder"):
            last = claim(config.output / "checkpoints", stage, write=first)
        if config.lora:
            with section("lora"), writing(config.output, "the backbone"):
                add_adapter(model, config.lora, config.output / BACKBONE_FOLDER, write=first)
    return model, stage, last


def _refuse_unknown_weights(config: TrainingConfig, model: "CrossEncoder") -> None:
    """Refuse a prefix that no weight has: it would keep nothing exact."""
    names = list(model.transformers_model.state_dict())
    for prefix in config.exact:
        if not any(name.startswith(prefix) for name in names):
            raise ModelError(f"exact {prefix!r} begins no weight's name; the names are like {', '.join(names[1:3])}")


def _trainer(
    model: "CrossEncoder",
    arguments: "CrossEncoderTrainingArguments",
    data: "Dataset",
    loss: "nn.Module",
    *,
    evaluator: "BaseEvaluator | None",
    last: Path | None,
    sharded: bool,
) -> "CrossEncoderTrainer":
    """Return the trainer; the loss's own parameters are restored from the checkpoint to resume from."""
    from gemma_st.training.checked_trainer import CheckedTrainer
    from gemma_st.training.checkpoints import LossCheckpoint
    from gemma_st.training.finite import FiniteValues
    from gemma_st.training.sharding import ShardedTrainer

    kind: type[CheckedTrainer] = ShardedTrainer if sharded else CheckedTrainer
    keeper = LossCheckpoint(loss)
    with section("trainer"):
        trainer = kind(
            model=model,
            args=arguments,
            train_dataset=data,
            loss=loss,
            evaluator=evaluator,
            callbacks=[FiniteValues(loss), keeper],
        )
    keeper.restore(last)
    return trainer


def _for_trainer(evaluator: Evaluator, whole: Vocabulary | None) -> "BaseEvaluator":
    """Return an evaluator in the form that the sentence-transformers trainer calls; it sees the whole vocabulary."""
    from sentence_transformers.base.evaluation import BaseEvaluator

    class Called(BaseEvaluator):
        def __call__(
            self, model: "BaseModel", output_path: str | None = None, epoch: int = -1, steps: int = -1
        ) -> dict[str, float]:
            try:
                with with_whole(model, whole):
                    return dict(evaluator(cast("CrossEncoder", model)))
            except ValueError as error:
                raise ModelError(f"[evaluation] {error}") from error

    called = Called()  # type: ignore[no-untyped-call]
    called.primary_metric = evaluator.measures[0]
    return called


def _run(trainer: "CrossEncoderTrainer", last: Path | None) -> None:
    """Train; if the last checkpoint is the last step, load the weights: the trainer would run one step too many."""
    from transformers import TrainerState

    state = TrainerState.load_from_json(str(last / "trainer_state.json")) if last else None
    if last is None or state is None or state.global_step < state.max_steps:
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        return
    best = trainer.args.load_best_model_at_end and state.best_model_checkpoint
    kept = type(trainer.model)(str(last.with_name(Path(best).name) if best else last), device="cpu")
    trainer.model.load_state_dict(kept.state_dict())
    trainer.state = state


def _finish(
    config: TrainingConfig,
    trainer: "CrossEncoderTrainer",
    model: "CrossEncoder",
    stage: "Stage",
    evaluator: Evaluator | None,
) -> None:
    """Save the model, the record of its training, and its card."""
    from gemma_st.hub.card import Facts, write_card

    state, measures = trainer.state, evaluator.measures if evaluator else ()
    best = state.best_global_step if trainer.args.load_best_model_at_end else None
    with writing(config.output, "the model"):
        directory = save(model, config.output, storage=config.storage, exact=tuple(config.exact))
        write_record(directory, stage, state.log_history, measures=measures, step=best or state.global_step)
        write_card(directory, model, Facts(base_model=config.model["base"], training_data=data_names(stage)))
