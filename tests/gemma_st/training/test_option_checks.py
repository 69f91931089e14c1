"""Tests of gemma_st.training.option_checks: every wrong option of a stage is one line before anything is trained."""

from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments

from gemma_st import ModelError
from gemma_st.training.arguments import training_arguments
from gemma_st.training.config import read_config
from gemma_st.training.trainer import train

# Fields whose default is not a value that a stage can give: our own directory, and None, which TOML lacks.
OWN = {"output_dir"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seed", "-1", "greater than or equal to 0"),
        ("seed", "4294967296", "less than 4294967296"),
        ("data_seed", "-5", "greater than or equal to 0"),
        ("seed", '"3"', "valid integer"),
        ("seed", "1.5", "valid integer"),
        ("seed", "true", "valid integer"),
        ("learning_rate", "nan", "finite"),
        ("learning_rate", "inf", "finite"),
        ("learning_rate", "-1e-5", "greater than 0"),
        ("learning_rate", "0.0", "greater than 0"),
        ("learning_rate", '"2e-5"', "valid number"),
        ("num_train_epochs", "0", "greater than 0"),
        ("num_train_epochs", "-1.0", "greater than 0"),
        ("max_steps", "0", "expected at least 1, or -1"),
        ("max_steps", "-7", "expected at least 1, or -1"),
        ("max_steps", "1" + "0" * 400, "below 2"),
        ("per_device_train_batch_size", "0", "greater than or equal to 1"),
        ("gradient_accumulation_steps", "0", "greater than or equal to 1"),
        ("weight_decay", "nan", "finite"),
        ("weight_decay", "-0.1", "greater than or equal to 0"),
        ("warmup_steps", "-1", "greater than or equal to 0"),
        ("max_grad_norm", "-1.0", "greater than or equal to 0"),
        ("adam_beta1", "1.0", "less than 1"),
        ("save_steps", "0", "greater than 0"),
        ("logging_steps", "-2", "greater than 0"),
        ("save_total_limit", "0", "greater than or equal to 1"),
        ("bf16", '"yes"', "valid boolean"),
        ("dataloader_num_workers", "-1", "greater than or equal to 0"),
        ("lr_scheduler_type", "3", "SchedulerType|valid string"),
        ("lr_scheduler_type", '"linaer"', "linaer"),
        ("optim", '"adam"', "adam"),
        ("report_to", '"nothing"', "nothing"),
        ("learning_rat", "1.0", "unexpected keyword argument 'learning_rat'; did you mean learning_rate"),
        ("zzz", "1", "unexpected keyword argument 'zzz'; expected one of accelerator_config, "),
    ],
)
def test_each_argument_of_the_trainer_is_checked_before_the_model_is_loaded(
    ranking: Callable[..., Path], key: str, value: str, message: str
) -> None:
    """The line names table, key and value; the base, which does not exist, is not looked for."""
    file = ranking(base=Path("/absent"))
    kept = [line for line in file.read_text().splitlines() if not line.startswith(f"{key} =")]
    file.write_text("\n".join([*kept, f"{key} = {value}", ""]))
    with pytest.raises(ModelError, match=rf"^\[trainer\] .*({message})") as error:
        train(read_config(file))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 900
    assert not file.with_suffix("").exists()


@pytest.mark.parametrize(
    ("loss", "option", "message"),
    [
        ("softmax", "mini_batch_size = 0", "mini_batch_size 0; expected at least 1"),
        ("softmax", "mini_batch_size = -3", "mini_batch_size -3; expected at least 1"),
        ("poly1", "mini_batch_size = 2.5", "valid integer"),
        ("poly1", "epsilon = nan", "finite"),
        ("poly1", 'epsilon = "1"', "valid number"),
        ("distillation", "temperature = nan", "finite"),
        ("distillation", "temperature = inf", "finite"),
        ("distillation", "temperature = 0", "temperature 0; expected a number above 0"),
        ("distillation", "temprature = 1", "'temprature'; did you mean temperature"),
        ("softmax", "epsilon = 1.0", "unexpected keyword argument 'epsilon'; expected one of"),
    ],
)
def test_each_option_of_a_loss_is_checked(ranking: Callable[..., Path], loss: str, option: str, message: str) -> None:
    """Types and unknown names by the signature, ranges by the loss."""
    file = ranking(loss=loss)
    file.write_text(file.read_text().replace(f'name = "{loss}"', f'name = "{loss}"\n{option}'))
    with pytest.raises(ModelError, match=rf"^(\[loss\] .*)?{message}") as error:
        train(read_config(file))
    assert "\n" not in str(error.value)
    assert not file.with_suffix("").joinpath("modules.json").exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ('splitt = "dev"', "unexpected keyword argument 'splitt'; did you mean split"),
        ('run = "absent.trec"', "absent.trec"),
        ("depth = 0", "depth 0"),
        ('measures = ["ndcg@ten"]', "ndcg@ten"),
        ('collection = "absent"', "absent"),
    ],
)
def test_missing_dev_data_and_unknown_options_are_errors_before_the_lists_are_read(
    ranking: Callable[..., Path], dev: str, option: str, message: str
) -> None:
    """The line begins with the table."""
    key = option.partition(" =")[0]
    table = dev[dev.index("{") + 1 : dev.rindex("}")]
    given = [part for part in table.split(", ") if not part.strip().startswith((key, '"ndcg@10"'))]
    kept = [part if not part.startswith("measures") else 'measures = ["mrr@10"]' for part in given]
    file = ranking(more=f"evaluation = {{ {', '.join([*kept, option])} }}")
    with pytest.raises(ModelError, match=rf"^\[evaluation\] .*{message}"):
        train(read_config(file))
    assert not file.with_suffix("").exists()


def test_every_argument_of_the_stock_class_can_be_given(ranking: Callable[..., Path]) -> None:
    """With its default; a stage that gives them all has the same arguments as one that gives none."""
    config = read_config(ranking())
    defaults = {field.name: field.default for field in fields(CrossEncoderTrainingArguments)}
    plain = {
        name: getattr(value, "value", value)
        for name, value in defaults.items()
        if value is not MISSING and value is not None and name not in OWN | config.trainer.keys()
    }
    plain |= {"include_for_metrics": [], "router_mapping": {}, "learning_rate_mapping": {}, "prompts": "query: "}
    assert len(plain) > 60
    config.trainer.update(plain)
    made = training_arguments(config, None)
    assert made.report_to == ([] if plain["report_to"] == "none" else plain["report_to"])
    assert (made.learning_rate, made.max_steps, made.prompts) == (1e-2, 6, "query: ")


def test_trackers_and_other_arguments_reach_the_trainer(ranking: Callable[..., Path]) -> None:
    """``report_to`` was refused as a second value; without it, nothing is reported."""
    quiet = training_arguments(read_config(ranking()), None)
    assert quiet.report_to == []
    told = training_arguments(read_config(ranking(trainer='report_to = ["tensorboard"]\nddp_timeout = 60\n')), None)
    assert (told.report_to, told.ddp_timeout) == (["tensorboard"], 60)


@pytest.mark.parametrize("report_to", ["wandb", "mlflow", "comet_ml"])
def test_a_tracker_that_is_not_installed_is_one_line(ranking: Callable[..., Path], report_to: str) -> None:
    """Whatever the library raises."""
    with pytest.raises(ModelError, match=r"^\[trainer\] ") as error:
        train(read_config(ranking(trainer=f'report_to = "{report_to}"\n')))
    assert "\n" not in str(error.value)


def test_a_prefix_of_exact_that_no_weight_has_is_an_error(ranking: Callable[..., Path]) -> None:
    """It would have been ignored."""
    file = ranking(more='storage = "bfloat16"\nexact = ["layer.0."]')
    with pytest.raises(ModelError, match=r"^exact 'layer.0.' begins no weight's name; the names are like layers\.0\."):
        train(read_config(file))
    assert not file.with_suffix("").exists()


def test_the_output_must_be_writable_and_must_not_be_the_base(ranking: Callable[..., Path], tiny_gemma: Path) -> None:
    """A file in its place, a path through a file, and the base itself are errors before the model is loaded."""
    file = ranking(base=Path("/absent"))
    text, output = file.read_text(), file.with_suffix("")
    for place in (output, output / "below"):
        output.touch()
        file.write_text(text.replace(f'output = "{output}"', f'output = "{place}"'))
        with pytest.raises(ModelError, match=r"the output cannot be written \((File exists|Not a directory)"):
            train(read_config(file))
        output.unlink()
    file = ranking(base=tiny_gemma)
    file.write_text(file.read_text().replace(f'output = "{output}"', f'output = "{tiny_gemma}/../tiny-gemma"'))
    with pytest.raises(ModelError, match="is the base; give another folder"):
        train(read_config(file))
    output.mkdir()
    (output / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="holds a model that no stage wrote; give a new or empty folder"):
        train(read_config(ranking(base=tiny_gemma)))
