"""experiment_file: every key of the TOML file is read, and a wrong one is an error of one line."""

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


def test_every_key_is_read(tmp_path: Path) -> None:
    """An experiment equals the one read again from its dictionary (``results.json``) and from its TOML file."""
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
    path.write_text(experiment.to_toml())
    assert read_experiment(path) == experiment


def test_defaults_of_a_file(tmp_path: Path) -> None:
    """The first system is the baseline."""
    path = tmp_path / "least.toml"
    path.write_text('collections = ["vaswani"]\n[systems.bm25]\nretrieve = "bm25"\n')
    experiment = read_experiment(path)
    assert (experiment.baseline, experiment.measures) == ("bm25", ("ndcg@10", "mrr@10", "recall@100"))
    assert experiment.to_dict()["systems"] == {"bm25": {"retrieve": "bm25", "hits": 1000}}


START = 'collections = ["vaswani"]\n'
BM25 = '[systems.bm25]\nretrieve = "bm25"\n'
RERANK = BM25 + '[systems.a]\nrerank = "bm25"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("collections = [", "not a readable TOML file"),
        ('collections = ["{data}/a"]\n' + BM25, "{data} is not known; give --data DIR or set GEMMA_ST_DATA"),
        (BM25, "missing collections; add it"),
        (START, "missing systems; add it"),
        ("collections = []\n" + BM25, "no collections; expected at least one; add it to collections"),
        (
            "depth = 3\n" + START + BM25,
            "unknown depth; the fields are baseline, collections, correction, measures",
        ),
        ("mesures = []\n" + START + BM25, "unknown mesures; did you mean measures? the fields are baseline, "),
        ('collections = "vaswani"\n' + BM25, "collections = 'vaswani'; Input should be a valid array"),
        ("collections = [3]\n" + BM25, "[collections] 0 = 3; Input should be an object"),
        (
            'collections = [{name = "a", splitt = "x"}]\n' + BM25,
            "[collections.0] unknown splitt; did you mean split? the fields are measures, name, split",
        ),
        ('collections = [{split = "a"}]\n' + BM25, "[collections.0] missing name; add it"),
        ("systems = []\n" + START, "systems = []; Input should be an object"),
        (START + "[systems]\na = 3\n", "[systems] a = 3; Input should be an object"),
        ('seed = "0"\n' + START + BM25, "seed = '0'; Input should be a valid integer"),
        ('measures = ["ndgc@10"]\n' + START + BM25, "measure 'ndgc@10': no such name"),
        ("measures = [10]\n" + START + BM25, "[measures] 0 = 10; Input should be a valid string"),
        ('baseline = "bm52"\n' + START + BM25, "baseline 'bm52'; expected one of bm25"),
        (START + "[systems.a]\nk1 = 3\n", "[systems.a] has none of retrieve, run, fuse, rerank; expected one of them"),
        (START + 'systems.a.run = "x"\nsystems.a.fuse = []\n', "[systems.a] has run and fuse of retrieve, run, fuse"),
        (START + "[systems.a]\nretrieve = 3\n", "[systems.a] retrieve = 3; Input should be a valid string"),
        (
            START + '[systems.a]\nretrieve = "bm25"\nhits = "all"\n',
            "[systems.a] hits = 'all'; Input should be a valid integer",
        ),
        (START + '[systems.a]\nretrieve = "bm25"\nhits = true\n', "[systems.a] hits = True; Input should be a valid"),
        (START + '[systems.a]\nrun = "x"\ndepth = 3\n', "[systems.a] unknown depth; the fields are exclude_query, run"),
        (START + RERANK, "[systems.a] missing model; add it"),
        (
            START + RERANK + 'model = "m"\ndeph = 3\n',
            "[systems.a] unknown deph; did you mean depth? the fields are depth, exclude_query, model, rerank",
        ),
        (START + '[systems.a]\nfuse = "bm25"\n', "[systems.a] fuse = 'bm25'; Input should be a valid array"),
        (
            START + "[systems.a]\nfuse = []\nk = 3\n",
            "[systems.a] unknown k; the fields are fuse, method, normalisation, tune_on, weights",
        ),
        (START + "[systems.a]\nfuse = []\ntuned = [1]\n", "[systems.a] unknown tuned; did you mean tune_on?"),
        (
            START + '[systems.a]\nfuse = []\nweights = ["1"]\n',
            "[systems.a] [weights] 0 = '1'; Input should be a valid number",
        ),
        (START + '[systems.a]\nfuse = []\ntune_on = "dev"\n', "[systems.a] tune_on = 'dev'; Input should be an object"),
        (
            START + '[systems.a]\nrerank = "bm25"\nmodel = "m"\n' + BM25,
            "system 'a' uses 'bm25', which is not above it; expected a first stage",
        ),
        (START + '[systems."../x"]\nrun = "x"\n', "system '../x'; expected a name that a file may have; rename it"),
    ],
)
def test_an_error_names_the_file_the_table_and_the_key(tmp_path: Path, text: str, message: str) -> None:
    """One line: file, table, key, the value seen, the expected type, and the closest valid key."""
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_experiment(path)
    assert str(error.value).startswith(f"{path}: {message}")
    assert "\n" not in str(error.value)
