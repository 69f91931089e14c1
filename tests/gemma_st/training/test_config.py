"""Tests of gemma_st.training.config."""

from pathlib import Path

import pytest

from gemma_st import ModelError
from gemma_st.modeling.dropout import DropoutRates
from gemma_st.training.config import TrainingConfig, read_config
from gemma_st.training.evaluator import EvaluationConfig
from gemma_st.training.lora import AdapterConfig

WHOLE = """
output = "runs/one"
lists = ["a.jsonl", "b.jsonl"]
teacher = "all-minilm-l6-v2"
exact = ["layers.0."]
[model]
base = "b"
max_length = 112
[dropout]
head = 0.1
[lora]
rank = 2
[loss]
name = "softmax"
[trainer]
max_steps = 3
"""
BRIEF = 'output = "o"\nlists = ["a"]\nloss = {}\ntrainer = {}\nmodel = {base = "b"}\n'


def write(text: str, folder: Path) -> Path:
    """Write a stage's file."""
    path = folder / "stage.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_every_field(tmp_path: Path) -> None:
    """Paths become Path objects, and tables become settings."""
    assert read_config(write(WHOLE, tmp_path)) == TrainingConfig(
        output=Path("runs/one"),
        lists=[Path("a.jsonl"), Path("b.jsonl")],
        loss={"name": "softmax"},
        trainer={"max_steps": 3},
        model={"base": "b", "max_length": 112},
        teacher="all-minilm-l6-v2",
        lora=AdapterConfig(rank=2),
        exact=["layers.0."],
        dropout=DropoutRates(head=0.1),
    )


def test_tables_of_ranking_are_dataclasses(tmp_path: Path) -> None:
    """The other keys of [evaluation] are the evaluator's options."""
    more = 'documents = 20\nlora = {rank = 4}\nevaluation = {steps = 5, collection = "c", measures = ["mrr@10"]}\n'
    config = read_config(write(BRIEF + more, tmp_path))
    assert (config.documents, config.lora) == (20, AdapterConfig(rank=4))
    assert config.evaluation == EvaluationConfig(steps=5, options={"collection": "c", "measures": ["mrr@10"]})


def test_what_is_not_given_has_a_default(tmp_path: Path) -> None:
    """No teacher, no adapters, no dropout, float32."""
    config = read_config(str(write(BRIEF, tmp_path)))
    assert config.dropout == DropoutRates()
    assert (config.teacher, config.lora, config.storage) == (None, None, "float32")


def test_the_examples_are_stages(tmp_path: Path) -> None:
    """The stages of the packaged model and of the study, and the stage that trains the packaged model further."""
    examples = Path(__file__).parents[3] / "examples"
    names = ("packaged_model/transplant", "packaged_model/anneal", "ranking", "study/decoder", "study/ranking")
    for path in (examples / f"{name}.toml" for name in names):
        assert read_config(path, tmp_path).lists


def test_the_data_folder_has_a_name(tmp_path: Path) -> None:
    """Also a folder whose name TOML would read as an escape."""
    path = write(BRIEF.replace('["a"]', '["{data}/a"]'), tmp_path)
    assert read_config(path, 'a\\"b').lists == [Path('a\\"b/a')]
    with pytest.raises(ModelError, match=r"stage.toml: \{data\} is not known; give --data DIR"):
        read_config(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("output = ", "not a readable TOML file (Invalid value"),
        ("", "missing lists, loss, output, trainer; add them"),
        (BRIEF + "docments = 3", "unknown docments; did you mean documents? the fields are documents, dropout, "),
        (BRIEF.replace('"o"', "3"), "output = 3; Input should be a valid string"),
        (BRIEF.replace('["a"]', '"a"'), "lists = 'a'; Input should be a valid array"),
        (BRIEF.replace('["a"]', "[1]"), "[lists] 0 = 1; Input should be a valid string"),
        (BRIEF.replace("loss = {}", 'loss = "softmax"'), "loss = 'softmax'; Input should be an object"),
        (BRIEF.replace('{base = "b"}', '"b"'), "model = 'b'; Input should be an object"),
        (BRIEF + "teacher = {}", "teacher = {}; Input should be a valid string"),
        (BRIEF + 'storage = "int8"', "storage = 'int8'; Input should be 'float32', 'bfloat16' or 'float8_e4m3fn'"),
        (BRIEF + "exact = 'layers.0.'", "exact = 'layers.0.'; Input should be a valid array"),
        (BRIEF + "relative_rates = 1", "relative_rates = 1; Input should be a valid boolean"),
        (BRIEF.replace('base = "b"', ""), "[model] has no base; give a directory, a packaged model or a hub id"),
        (BRIEF.replace('model = {base = "b"}', ""), "[model] has no base; give a directory"),
        (WHOLE.replace("rank = 2", "depth = 2"), "[lora] unknown depth; the fields are alpha, dropout, rank, targets"),
        (WHOLE.replace("head = 0.1", "haed = 0.1"), "[dropout] unknown haed; did you mean head? the fields are atten"),
        (WHOLE.replace("head = 0.1", "head = 1.0"), "[dropout] "),
        (WHOLE.replace("head = 0.1", "head = true"), "[dropout] head = True; Input should be a valid number"),
        (WHOLE.replace("rank = 2", 'rank = "2"'), "[lora] rank = '2'; Input should be a valid integer"),
        (WHOLE.replace("rank = 2", "rank = true"), "[lora] rank = True; Input should be a valid integer"),
        (BRIEF + "documents = 0", "documents = 0; Input should be greater than 0"),
        (BRIEF + "documents = true", "documents = True; Input should be a valid integer"),
        (BRIEF + "lora = {rank = 0}", "[lora] rank = 0; Input should be greater than 0"),
        (BRIEF + "lora = {alpha = 1.5}", "[lora] alpha = 1.5; Input should be a valid integer"),
        (BRIEF + "lora = {dropout = 1}", "[lora] dropout = 1; Input should be less than 1"),
        (BRIEF + "lora = {targets = 'q_proj'}", "[lora] targets = 'q_proj'; Input should be a valid array"),
        (BRIEF + "lora = {targets = []}", "[lora] targets = []; Tuple should have at least 1 item"),
        (BRIEF + 'lora = {}\nstorage = "bfloat16"', "[lora] with storage = 'bfloat16'; remove storage"),
        (BRIEF + "evaluation = {}", "[evaluation] missing steps; add it"),
        (BRIEF + "evaluation = {steps = 0}", "[evaluation] steps = 0; Input should be greater than 0"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_field(text: str, message: str, tmp_path: Path) -> None:
    """No value is converted to another type."""
    path = write(text, tmp_path)
    with pytest.raises(ModelError) as error:
        read_config(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_missing_or_not_utf8_is_one_line(tmp_path: Path) -> None:
    """The line names the file and the reason."""
    with pytest.raises(ModelError, match="absent.toml: not a readable TOML file .*No such file"):
        read_config(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b'output = "\xe9"')
    with pytest.raises(ModelError, match="latin.toml: not a readable TOML file .*utf-8"):
        read_config(tmp_path / "latin.toml")
