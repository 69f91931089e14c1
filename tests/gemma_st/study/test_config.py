"""Tests of gemma_st.study.config: the cells of a file and their names."""

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from gemma_st import ModelError
from gemma_st.study.config import Cell, read_study
from gemma_st.study.factors import label
from tests.gemma_st.study.conftest import Write


def cells(file: Path) -> list[Cell]:
    """Return the cells of a file."""
    return list(read_study(file, file.parent / "data").cells)


def said(cell: Cell, *factors: str) -> tuple[str, ...]:
    """Return the task of a cell and the labels of some of its values."""
    return (cell.task.name, *(label(cell.settings[factor]) for factor in factors))


def test_a_grid_is_every_combination_seed_by_seed(study: Write) -> None:
    """The order is: seed (slowest), first factor, second factor, task (fastest)."""
    found = cells(study(grid='[[grid]]\nattention = ["causal", "bidirectional"]\npooler = ["mean", "last"]\n'))
    combinations = [(attention, pooler) for attention in ("causal", "bidirectional") for pooler in ("mean", "last")]
    expected = [(task, *pair) for pair in combinations for task in ("sst-2", "ranking")]
    assert [said(cell, "attention", "pooler") for cell in found] == expected * 2
    assert [cell.seed for cell in found] == [0] * 8 + [1] * 8
    assert len({cell.name for cell in found}) == 16


def test_cells_that_are_equal_once_defaults_are_filled_in_are_one(study: Write) -> None:
    """A listed value that is the default of the stage adds no cell. A grid may be for some tasks only."""
    grid = '[[grid]]\nhead = ["mlp", "linear"]\n[[grid]]\ndropout = [0.1, 0]\ntasks = ["ranking"]\n'
    grid += '[[grid]]\npooler = [{ name = "mean", k = 1 }]\nattention = ["bidirectional"]\n'
    file = study(grid=grid)
    text = file.read_text().replace("seeds = 2", "seeds = 1")
    places = "attention attention_output feed_forward pooler head".split()
    rates = "".join(f"{place} = 0.1\n" for place in places)
    file.write_text(text.replace("[ranking.loss]", f"[ranking.dropout]\n{rates}[ranking.loss]"))
    assert [said(cell, "head", "dropout") for cell in cells(file)] == [
        ("sst-2", "mlp", "0"),
        ("ranking", "mlp", "0.1"),
        ("sst-2", "linear", "0"),
        ("ranking", "linear", "0.1"),
        ("ranking", "mlp", "0"),
    ]
    study_ = read_study(file, file.parent / "data")
    assert [label(value) for value in study_.factors["dropout"]] == ["0.1", "0"]  # the first is the baseline


def test_a_task_of_glue_may_have_a_table_of_its_own(study: Write) -> None:
    """The table [glue.TASK] changes settings and names of that task only; an error names the table."""
    file = study()
    text, names = file.read_text(), [cell.name for cell in cells(file)]
    file.write_text(text.replace("[ranking]", '[glue.sst-2]\nepochs = 5\nhead = "linear"\n[ranking]', 1))
    tasks = {cell.task.name: cell.task for cell in cells(file)}
    assert tasks["sst-2"].config.epochs == 5
    assert tasks["sst-2"].config.batch_size == 8  # that of [glue]
    assert tasks["sst-2"].defaults["head"] == "linear"
    changed = {name for name in names if name not in {cell.name for cell in cells(file)}}
    assert changed == {name for name in names if name.startswith("sst-2-")}
    file.write_text(text.replace("[ranking]", "[glue.sst-2]\nepoch = 5\n[ranking]", 1))
    with pytest.raises(ModelError, match=r"\[glue.sst-2\] unknown epoch; did you mean epochs\? the fields are"):
        cells(file)


def test_the_example_is_a_study(data: Path, study: Write, tiny_gemma: Path) -> None:
    """The example is valid with real data; base and lists are replaced, because they have to be made first."""
    example = Path(__file__).parents[3] / "examples/study/study.toml"
    lists = next(line for line in study().read_text().splitlines() if line.startswith("lists"))
    text = re.sub(r"^lists = .*$", lists, example.read_text(), flags=re.M)
    file = tiny_gemma.parent / "example-study.toml"
    file.write_text(text.replace("runs/study/decoder", str(tiny_gemma)))
    counts = Counter(cell.task.name for cell in read_study(file, data).cells)
    assert counts == {"sst-2": 54, "cola": 24, "ranking": 24}


def test_a_name_is_the_content_behind_it(study: Write, tiny_gemma: Path, tmp_path: Path) -> None:
    """Names depend on the content of base, data, lists, run and settings, not on paths or other cells of the grid."""
    base = tmp_path / "base"
    shutil.copytree(tiny_gemma, base)
    file = study(folder=tmp_path, base=base)
    text, names = file.read_text(), {cell.name for cell in cells(file)}
    assert {cell.name for cell in cells(study())} == names  # elsewhere
    file.write_text(text.replace('["mlp", "linear"]', '["linear"]'))
    assert {cell.name for cell in cells(file)} == names  # the other one is in the first grid
    for old, new, task in (
        ("max_length = 32", "max_length = 33", "sst-2"),
        ("epochs = 2", "epochs = 3", "sst-2"),
        ("max_steps = 4", "max_steps = 5", "ranking"),
        ("steps = 2, ", "steps = 1, ", "ranking"),
        ('"softmax"', '"poly1"', "ranking"),
    ):
        file.write_text(text.replace(old, new))
        assert names - {cell.name for cell in cells(file)} == {name for name in names if name.startswith(task)}
    file.write_text(text)
    examples = tmp_path / "data/glue/SST-2/train.tsv"
    examples.write_text(examples.read_text().replace("of 3", "of three"))
    assert {name.partition("-")[0] for name in names - {cell.name for cell in cells(file)}} == {"sst"}
    weights = base / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    assert not names & {cell.name for cell in cells(file)}


def test_a_ranking_is_also_its_lists_and_the_run_it_is_measured_on(study: Write, tmp_path: Path) -> None:
    """Names of ranking cells depend on the bytes of the lists and of the evaluated run."""
    file = study(folder=tmp_path)
    text = file.read_text()
    for name, beginning in (("lists.jsonl", 'lists = ["'), ("run.trec", 'run = "')):
        source = Path(text.partition(beginning)[2].partition('"')[0])
        copy = tmp_path / name
        shutil.copy(source, copy)
        file.write_text(text.replace(str(source), str(copy)))
        before = {cell.name for cell in cells(file) if cell.task.name == "ranking"}
        assert before == {cell.name for cell in cells(study()) if cell.task.name == "ranking"}
        copy.write_text("".join(copy.read_text().splitlines(keepends=True)[1:]))
        assert not before & {cell.name for cell in cells(file)}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds = 2", "seeds = 0", ": seeds = 0; Input should be greater than 0"),
        ("seeds = 2", "seeds = 1000000000000", ": seeds = 1000000000000; Input should be less than or equal to 1000"),
        ("seeds = 2", "seeds = -1", ": seeds = -1; Input should be greater than 0"),
        ("max_steps = 4", "max_steps = 4\nseed = -1", r": \[ranking\] \[trainer\] seed = -1; Input should be greater"),
        ("max_steps = 4", "max_steps = 4\nwarmup = 1", r"\[trainer\] unexpected keyword argument 'warmup'; did"),
        (
            "seeds = 2",
            "seeds = 2\nspeed = 1",
            ": unknown speed; did you mean seeds\\? the fields are glue, grid, output, ranking, seeds",
        ),
        ('["sst-2"]', '["sst-3"]', r": \[glue\] task 'sst-3' is not known; use one of cola, "),
        ('["sst-2"]', "[]", r": \[glue\] tasks = \[\]; expected a list of strings such as \['sst-2', 'cola'\]"),
        ('["sst-2"]', '"sst-2"', r": \[glue\] tasks = 'sst-2'; expected a list of strings"),
        (
            "epochs = 2",
            "epoch = 2",
            r": \[glue\] unknown epoch; did you mean epochs\? the fields are attention, base, batch_size, ",
        ),
        ("epochs = 2", "epochs = 2.5", r": \[glue\] epochs = 2.5; Input should be a valid integer"),
        ("epochs = 2", "epochs = 0", r": \[glue\] epochs = 0; expected a number above 0"),
        (
            "epochs = 2",
            "dropout = 2",
            r": \[glue\] \[dropout\] dropout attention=2.0; expected 0 ≤ rate < 1",
        ),
        ("{data}/glue", "{data}/nowhere", r": \[glue\] .*sst2 is not there"),
        ("[ranking]\n", '[ranking]\noutput = "x"\n', r": \[ranking\] has output; remove it"),
        (
            "[ranking]\n",
            "[ranking]\nlist = 1\n",
            r": \[ranking\] unknown list; did you mean lists\? the fields are documents, ",
        ),
        ("evaluation = ", "# ", r": \[ranking\] has no \[evaluation\]; give one"),
        ('"mrr@10"', '"mrr@ten"', r": \[ranking\] \[evaluation\] .*mrr@ten"),
        (
            'name = "softmax"',
            'name = "hard"',
            r": \[ranking\] \[loss\] name = 'hard' is not known; use one of distillation, margin-mse, ",
        ),
        ("use_cpu = true", "no_such = 1", r": \[ranking\] \[trainer\] .*no_such"),
        ("[ranking.loss]", 'pooler = "max"\n[ranking.loss]', r": \[ranking\] pooler='max' is not known"),
        ("[[grid]]\nattention", "[[other]]\nattention", ": unknown other"),
        ('lists = ["', 'lists = ["absent', r": \[ranking\] absent.*cannot be read"),
        ('["mlp", "linear"]', "[]", r": \[\[grid\]\] 2: head = \[\]; List should have at least 1 item"),
        ('["mlp", "linear"]', '"mlp"', r": \[\[grid\]\] 2: head = 'mlp'; Input should be a valid array"),
        ('["mlp", "linear"]', '["deep"]', r": \[\[grid\]\] 2: head = 'deep'; Input should be 'mlp' or 'linear'"),
        (
            "head =",
            "heads =",
            r": \[\[grid\]\] 2: unknown heads; did you mean head\? the fields are attention, dropout, head, ",
        ),
        (
            'tasks = ["ranking"]',
            'tasks = ["cola"]',
            r": \[\[grid\]\] 2: task 'cola' is not the study's; .* ranking, sst",
        ),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_trained(study: Write, old: str, new: str, message: str) -> None:
    """The error begins with the file and names the table."""
    file = study()
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ModelError, match=message) as error:
        cells(file)
    assert str(error.value).startswith(f"{file}: ")
    assert "\n" not in str(error.value)


def test_a_study_needs_a_grid_a_task_and_a_base(study: Write, tiny_reranker: Path) -> None:
    """Each of them is required; a reranker is accepted as base."""
    with pytest.raises(
        ModelError, match=r"no \[\[grid\]\]; give at least one, with lists of values of attention, pooler"
    ):
        cells(study(grid=""))
    file = study()
    file.write_text('output = "o"\nseeds = 1\n[[grid]]\nhead = ["mlp"]\n')
    with pytest.raises(ModelError, match=r"neither \[glue\] nor \[ranking\]; give the study a task"):
        cells(file)
    file.write_text('output = "o"\nseeds = 1\nglue = 3\n')
    with pytest.raises(ModelError, match="glue = 3; Input should be an object"):
        cells(file)
    assert len(cells(study(base=tiny_reranker))) == len(cells(study()))
    file = study()
    ranking = file.read_text().partition("[ranking.model]")
    file.write_text(ranking[0] + ranking[1] + ranking[2].replace("base =", "max_length =", 1))
    with pytest.raises(
        ModelError, match=r"\[ranking\] \[model\] has no base; give a directory, a packaged model or a hub id"
    ):
        cells(file)
