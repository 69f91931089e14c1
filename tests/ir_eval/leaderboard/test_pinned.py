"""The packaged leaderboards: figures equal those in Anserini and Pyserini, sizes those of the registries."""

import json
import zipfile
from functools import cache
from importlib.resources import files
from pathlib import Path

import ir_datasets
import pytest
import yaml

from ir_eval.leaderboard import LeaderboardRow, leaderboard_names, read_leaderboard

# Leaderboard -> the sources of its figures: Anserini's regressions; a file and topics of Pyserini's reproductions
SHIPPED: dict[str, tuple[list[str], str, str]] = {
    "msmarco-v1-passage": (["msmarco-v1-passage"], "msmarco-v1-passage", "msmarco-v1-passage.dev"),
    "trec-dl-2019": (
        ["dl19-passage", "dl19-passage.splade-pp-ed.onnx", "dl19-passage.openai-ada2.parquet.flat.cached"],
        "msmarco-v1-passage",
        "dl19-passage",
    ),
    "trec-dl-2020": (["dl20-passage"], "msmarco-v1-passage", "dl20-passage"),
    "trec-dl-2021": (["dl21-passage", "dl21-passage.splade-pp-ed.cached"], "msmarco-v2-passage", "dl21-passage"),
    "trec-dl-2022": (["dl22-passage"], "msmarco-v2-passage", "dl22-passage"),
    "trec-dl-2023": (["dl23-passage"], "msmarco-v2-passage", "dl23-passage"),
}
MEASURES = {
    **{"AP@1000": "map", "MAP": "map", "MAP@100": "map@100", "RR@10": "mrr@10", "MRR@10": "mrr@10"},
    **{
        "MRR@100": "mrr@100",
        "nDCG@10": "ndcg@10",
        "R@100": "recall@100",
        "R@1000": "recall@1000",
        "R@1K": "recall@1000",
    },
}
ROWS = [
    pytest.param(leaderboard, row, id=f"{leaderboard}-{row.name}")
    for leaderboard in leaderboard_names()
    for row in read_leaderboard(leaderboard).rows
]


def pyserini() -> Path:
    """Return the folder of the installed package, without importing it."""
    return Path(str(files("pyserini")))


def anserini(name: str) -> bytes:
    """Read a file that Anserini's jar holds."""
    jar = next((pyserini() / "resources" / "jars").glob("anserini-*-fatjar.jar"))
    return zipfile.ZipFile(jar).read(name)


def condition(model: str) -> str:
    """Return the name of a regression's model in Pyserini: bm25-default+rm3 is bm25-rm3-default."""
    base, _, feedback = model.partition("+")
    return base.replace("-", f"-{feedback}-", 1) if feedback else base


@cache
def shipped(leaderboard: str) -> list[tuple[str, dict[str, float]]]:
    """Return names of systems, and the figures that are shipped for each."""
    conditions = yaml.safe_load((pyserini() / "2cr" / "beir.yaml").read_text())["conditions"]
    if leaderboard == "beir":
        flat = next(one for one in conditions if one["name"] == "bm25-flat")
        return [(one["dataset"], one["scores"][0]) for one in flat["datasets"]]
    regressions, reproductions, topics = SHIPPED[leaderboard]
    found = []
    for name in regressions:
        for model in yaml.safe_load(anserini(f"reproduce/from-document-collection/configs/{name}.yaml"))["models"]:
            figures = {metric: scores[0] for metric, scores in model["results"].items()}
            found.append((condition(model["name"]), figures))
    for one in yaml.safe_load((pyserini() / "2cr" / f"{reproductions}.yaml").read_text())["conditions"]:
        found += [(one["name"], topic["scores"][0]) for topic in one["topics"] if topic["eval_key"] == topics]
    return found


@pytest.mark.parametrize(("leaderboard", "row"), ROWS)
def test_every_figure_equals_the_published_one(leaderboard: str, row: LeaderboardRow) -> None:
    """In every source; on TREC-DL all measures but nDCG count relevance 2 and above."""
    name = row.name.removesuffix("-run")
    names = {name, *(f"{name}-{way}" for way in ("onnx", "cached", "flat-cached", "pytorch"))}
    tables = [scores for system, scores in shipped(leaderboard) if system in names]
    spelled = [{MEASURES[metric]: figure for metric, figure in scores.items()} for scores in tables]
    for measure, figure in row.published.items():
        found = {scores[measure.removesuffix("-l2")] for scores in spelled if measure.removesuffix("-l2") in scores}
        assert found == {float(figure)}
        assert figure.as_tuple().exponent == -4
        assert measure.endswith("-l2") == (leaderboard.startswith("trec-dl") and measure != "ndcg@10")


@pytest.mark.parametrize(("leaderboard", "row"), ROWS)
def test_every_row_has_a_source_and_its_downloads(leaderboard: str, row: LeaderboardRow) -> None:
    """Source, first stage, and the size of each part that is not in the data folder."""
    assert row.source.startswith("https://github.com/castorini/")
    assert row.first_stage
    collection = row.experiment.collections[0].name
    (system,) = row.experiment.systems.values()
    index = system.to_dict().get("index")
    assert set(row.downloads) == ({collection, index} - {None} if not row.files else set())
    assert bool(row.minutes) == bool(row.downloads) == (collection in ir_datasets.registry)


def test_sizes_are_those_of_the_registries() -> None:
    """The sizes of Anserini's prebuilt indexes and of ir_datasets' downloads."""
    known = json.loads((files("ir_datasets") / "etc" / "downloads.json").read_text())
    indexes = {}
    for corpus in ("msmarco-v1-passage", "msmarco-v2-passage"):
        prebuilt = json.loads(anserini(f"prebuilt-indexes/{corpus}-inverted.json"))
        indexes |= {one["name"]: one["compressed_size"] for one in prebuilt}
    sizes = {
        name: size
        for leaderboard in leaderboard_names()
        for row in read_leaderboard(leaderboard).rows
        for name, size in row.downloads.items()
    }
    for name, size in sizes.items():
        top, _, part = name.removesuffix("/judged").removesuffix("/test").partition("/")
        if name in indexes:
            parts = [indexes[name]]
        elif part == "dev/small":
            parts = [known[top]["collectionandqueries"]["size_hint"]]
        elif top == "beir":
            parts = [known[top][part]["size_hint"]]
        else:
            parts = [known[top][f"{part}/{file}"]["size_hint"] for file in ("queries", "qrels")]
        assert float(size) == pytest.approx(sum(parts) / 1e6, abs=0.051), name
    assert len(sizes) > 15
