"""Tests of gemma_st.training.config."""

from pathlib import Path

import pytest
from first_edition.shapes import StudentConfig

from gemma_st import ModelError
from gemma_st.modeling.dropout import DropoutRates
from gemma_st.training.config import TrainingConfig, read_config
from gemma_st.training.evaluator import EvaluationConfig
from gemma_st.training.lora import AdapterConfig

WHOLE = """
output = "runs/one"
lists = ["a.jsonl", "b.jsonl"]
teacher = "all-minilm-l6-v2"
storage = "bfloat16"
[model]
max_length = 112
[dropout]
head = 0.1
[student]
vocabulary = 500
layers = 2
[loss]
name = "interaction"
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
    """Paths as paths, and the student as its own dataclass."""
    assert read_config(write(WHOLE, tmp_path)) == TrainingConfig(
        output=Path("runs/one"),
        lists=[Path("a.jsonl"), Path("b.jsonl")],
        loss={"name": "interaction"},
        trainer={"max_steps": 3},
        model={"max_length": 112},
        teacher="all-minilm-l6-v2",
        student=StudentConfig(vocabulary=500, layers=2),
        storage="bfloat16",
        dropout=DropoutRates(head=0.1),
    )


def test_tables_of_ranking_are_dataclasses(tmp_path: Path) -> None:
    """What is the evaluator's own is handed on as it is."""
    more = 'documents = 20\nlora = {rank = 4}\nevaluation = {steps = 5, collection = "c", measures = ["mrr@10"]}\n'
    config = read_config(write(BRIEF + more, tmp_path))
    assert (config.documents, config.lora) == (20, AdapterConfig(rank=4))
    assert config.evaluation == EvaluationConfig(5, "rerank", {"collection": "c", "measures": ["mrr@10"]})


def test_what_is_not_given_has_a_default(tmp_path: Path) -> None:
    """No teacher, no student, no dropout, float32."""
    config = read_config(str(write(BRIEF, tmp_path)))
    assert config.dropout == DropoutRates()
    assert (config.teacher, config.student, config.storage) == (None, None, "float32")


def test_the_examples_are_stages(tmp_path: Path) -> None:
    """As the packaged model was made, and one that trains it further."""
    examples = Path(__file__).parents[3] / "examples"
    stages = [*(examples / "packaged_model").glob("*.toml"), examples / "ranking.toml"]
    stages += [examples / "study" / f"{name}.toml" for name in ("decoder", "ranking")]
    for path in stages:
        assert read_config(path, tmp_path).lists


def test_the_data_folder_has_a_name(tmp_path: Path) -> None:
    """Also one with what TOML would read otherwise."""
    path = write(BRIEF.replace('["a"]', '["{data}/a"]'), tmp_path)
    assert read_config(path, 'a\\"b').lists == [Path('a\\"b/a')]
    with pytest.raises(ModelError, match=r"stage.toml: \{data\} is not known; give --data DIR"):
        read_config(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("output = ", "not a readable TOML file (Invalid value"),
        ("", "missing lists, loss, output, trainer; add them"),
        (
            BRIEF + "speed = 3",
            "unknown speed; the fields are documents, dropout, evaluation, exact, lists, lora, loss, model, output, ",
        ),
        (BRIEF.replace('"o"', "3"), "output = 3; expected a string"),
        (BRIEF.replace('["a"]', '"a"'), "lists = 'a'; expected a list of strings"),
        (BRIEF.replace('["a"]', "[1]"), "lists = [1]; expected a list of strings"),
        (BRIEF.replace("loss = {}", 'loss = "interaction"'), "loss = 'interaction'; expected a table"),
        (BRIEF.replace('{base = "b"}', '"b"'), "model = 'b'; expected a table"),
        (BRIEF + "teacher = {}", "teacher = {}; expected a string"),
        (BRIEF + 'storage = "int8"', "storage = 'int8'; expected float32 or bfloat16 or float8_e4m3fn"),
        (BRIEF + "student = {}", "give one of [model] base, [student] and [transplant], and not two"),
        (BRIEF.replace('base = "b"', ""), "give one of [model] base, [student] and [transplant], and not two"),
        (
            WHOLE.replace("layers = 2", "depth = 2"),
            "[student] unknown depth; the fields are intermediate_size, layers, ",
        ),
        (
            WHOLE.replace("head = 0.1", "tail = 0.1"),
            "[dropout] unknown tail; the fields are attention, attention_output, ",
        ),
        (WHOLE.replace("head = 0.1", "head = 1.0"), "[dropout] dropout head=1.0; expected 0 ≤ rate < 1"),
        (WHOLE.replace("layers = 2", 'layers = "2"'), "[student] layers = '2'; expected a whole number above 0"),
        (WHOLE.replace("layers = 2", "layers = 0"), "[student] layers = 0; expected a whole number above 0"),
        (BRIEF + "documents = 0", "documents = 0; expected a whole number above 0"),
        (BRIEF + "documents = true", "documents = True; expected a whole number above 0"),
        (BRIEF + "lora = {depth = 1}", "[lora] unknown depth; the fields are alpha, dropout, rank, targets"),
        (BRIEF + "lora = {rank = 0}", "[lora] rank = 0; expected a whole number above 0"),
        (BRIEF + "lora = {alpha = 1.5}", "[lora] alpha = 1.5; expected a whole number above 0"),
        (BRIEF + "lora = {dropout = 1}", "[lora] dropout = 1; expected 0 ≤ rate < 1"),
        (BRIEF + "lora = {targets = 'q_proj'}", "[lora] targets = 'q_proj'; expected a list of names such as q_proj"),
        (BRIEF + 'lora = {}\nstorage = "bfloat16"', "[lora] with storage = 'bfloat16'; take it out"),
        (BRIEF + "evaluation = {}", "[evaluation] EvaluationConfig.__init__() missing 1 required"),
        (BRIEF + "evaluation = {steps = 0}", "[evaluation] steps = 0; expected a whole number above 0"),
        (WHOLE.replace("layers = 2", "layers = true"), "[student] layers = True; expected a whole number above 0"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_field(text: str, message: str, tmp_path: Path) -> None:
    """And nothing is guessed."""
    path = write(text, tmp_path)
    with pytest.raises(ModelError) as error:
        read_config(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_missing_or_not_utf8_is_one_line(tmp_path: Path) -> None:
    """Named, with the reason."""
    with pytest.raises(ModelError, match="absent.toml: not a readable TOML file .*No such file"):
        read_config(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b'output = "\xe9"')
    with pytest.raises(ModelError, match="latin.toml: not a readable TOML file .*utf-8"):
        read_config(tmp_path / "latin.toml")
