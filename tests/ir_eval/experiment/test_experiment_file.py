"""file: what a TOML file says is what is run; what it says wrongly is one line that names the field."""

from pathlib import Path

import pytest

from ir_eval.errors import InputError
from ir_eval.experiment import CollectionName, Experiment, Fuse, Given, Rerank, Retrieve, read_experiment
from ir_eval.experiment.experiment_file import parse_experiment

FULL = """
collections = ["vaswani", {name = "dl19", measures = ["map-l2"]}, {name = "squad", split = "dev"}]
measures = ["ndcg@10", "map"]
baseline = "tuned"
correction = "bonferroni"
seed = 7

[systems.tuned]
retrieve = "bm25"
k1 = 0.82
b = 0.68
hits = 200

[systems.given]
run = "{collection}/runs/a.trec"

[systems.both]
fuse = ["tuned", "given"]
method = "sum"
normalisation = "z-score"
weights = [0.3, 1]

[systems.tuned-both]
fuse = ["tuned", "given"]
method = "sum"
tune_on = {name = "dl21"}

[systems.model]
rerank = "both"
model = "gemma-encoder-msmarco"
depth = 20
"""


def test_everything_a_file_can_say(tmp_path: Path) -> None:
    """And it survives the way through results.json."""
    path = tmp_path / "full.toml"
    path.write_text(FULL)
    experiment = read_experiment(path)
    assert experiment == Experiment(
        collections=(
            CollectionName("vaswani"),
            CollectionName("dl19", None, ("map-l2",)),
            CollectionName("squad", "dev"),
        ),
        systems={
            "tuned": Retrieve("bm25", 200, {"k1": 0.82, "b": 0.68}),
            "given": Given("{collection}/runs/a.trec"),
            "both": Fuse(("tuned", "given"), "sum", "z-score", (0.3, 1.0)),
            "tuned-both": Fuse(("tuned", "given"), "sum", tune_on=CollectionName("dl21")),
            "model": Rerank("both", "gemma-encoder-msmarco", 20),
        },
        measures=("ndcg@10", "map"),
        baseline="tuned",
        correction="bonferroni",
        seed=7,
    )
    assert parse_experiment(experiment.to_dict()) == experiment


def test_what_a_file_need_not_say(tmp_path: Path) -> None:
    """The first system is the baseline."""
    path = tmp_path / "least.toml"
    path.write_text('collections = ["vaswani"]\n[systems.bm25]\nretrieve = "bm25"\n')
    experiment = read_experiment(path)
    assert (experiment.baseline, experiment.measures) == ("bm25", ("ndcg@10", "mrr@10", "recall@100"))
    assert experiment.to_dict()["systems"] == {"bm25": {"retrieve": "bm25", "hits": 1000}}


START = 'collections = ["vaswani"]\n'
BM25 = '[systems.bm25]\nretrieve = "bm25"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("collections = [", "not a readable TOML file"),
        (BM25, "no collections; expected collections and [systems.NAME] tables; add them"),
        (START, "no systems; expected collections and [systems.NAME] tables; add them"),
        ("collections = []\n" + BM25, "an experiment without collections; expected at least one"),
        (
            "depth = 3\n" + START + BM25,
            "unknown depth; expected collections, systems, measures, baseline",
        ),
        ('collections = "vaswani"\n' + BM25, "collections = 'vaswani'; expected a list"),
        ("collections = [3]\n" + BM25, "collections: 3; expected a name, or a table with name and split or measures"),
        (
            'collections = [{name = "a", depth = 3}]\n' + BM25,
            "collections: unknown depth; expected name",
        ),
        ('measures = ["ndgc@10"]\n' + START + BM25, "measure 'ndgc@10': no such name"),
        ("measures = [10]\n" + START + BM25, "measures = [10]; expected a list of texts"),
        ('baseline = "bm52"\n' + START + BM25, "baseline 'bm52'; expected one of bm25"),
        (START + "[systems.a]\nk1 = 3\n", "[systems.a] has none of retrieve, run, fuse, rerank; expected one of them"),
        (START + 'systems.a.run = "x"\nsystems.a.fuse = []\n', "[systems.a] has run and fuse of retrieve, run, fuse"),
        (START + "[systems.a]\nretrieve = 3\n", "[systems.a] retrieve = 3; expected a text"),
        (START + '[systems.a]\nretrieve = "bm25"\nhits = "all"\n', "[systems.a] hits = 'all'; expected a whole number"),
        (START + '[systems.a]\nrun = "x"\ndepth = 3\n', "[systems.a] unknown depth; expected nothing more"),
        (START + BM25 + '[systems.a]\nrerank = "bm25"\n', "[systems.a] rerank without a model; expected a directory"),
        (START + BM25 + '[systems.a]\nrerank = "bm25"\nmodel = "m"\ndeph = 3\n', "[systems.a] unknown deph; expected"),
        (START + '[systems.a]\nfuse = "bm25"\n', "[systems.a] fuse = 'bm25'; expected a list of texts"),
        (START + "[systems.a]\nfuse = []\nk = 3\n", "[systems.a] unknown k; expected method, normalisation, weights"),
        (
            START + '[systems.a]\nfuse = []\nweights = ["1"]\n',
            "[systems.a] weights = ['1']; expected a list of numbers",
        ),
        (
            START + '[systems.a]\nrerank = "bm25"\nmodel = "m"\n' + BM25,
            "system 'a' is made of 'bm25', which is not above it; expected a first stage",
        ),
        (START + '[systems."../x"]\nrun = "x"\n', "system '../x'; expected a name that a file may have; rename it"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    """File, field, what was seen and what was expected, in one line."""
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_experiment(path)
    assert str(error.value).startswith(f"{path}: {message}")
    assert "\n" not in str(error.value)
