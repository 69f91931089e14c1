"""Tests of gemma_st.hub.card: its facts are those of the model, and its numbers those of the results files."""

import json
import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from gemma_st import CrossEncoder, ModelError
from gemma_st.build import cross_encoder, sentence_transformer
from gemma_st.hub.card import Facts, describe, missing_facts, results_table, write_card
from gemma_st.hub.export import export
from gemma_st.hub.saving import open_model, save
from ir_eval.experiment import run_experiment, single


@pytest.fixture(scope="module")
def results(tiny_reranker: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``results.json`` of ``ir-eval run --out`` for the tiny reranker: three documents, a given first stage."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "passages.tsv").write_text("d1\tgoldfish grow in a pond\nd2\tgold is a metal\nd3\ta license\n")
    (folder / "queries.tsv").write_text("q1\tdo goldfish grow\n")
    (folder / "qrels.txt").write_text("q1 0 d1 1\n")
    (folder / "first.trec").write_text("q1 Q0 d2 1 2.0 a\nq1 Q0 d1 2 1.0 a\nq1 Q0 d3 3 0.5 a\n")
    experiment = single(
        str(folder),
        first_stage=str(folder / "first.trec"),
        rerankers=(str(tiny_reranker),),
        depth=3,
        measures=("mrr@10",),
    )
    run_experiment(experiment, folder / "out")
    return folder / "out/results.json"


def test_the_card_states_every_fact(tiny_reranker: Path, results: Path, tmp_path: Path) -> None:
    """The table is for readers, the header for the hub."""
    facts = Facts("google/gemma-3-270m", "gemma", ("nq-qed", "squad"), (results,))
    path = export(str(tiny_reranker), tmp_path / "mine", facts)
    card = ModelCard.load(path / "README.md")
    assert (card.data.base_model, card.data.license) == (facts.base_model, facts.license)
    assert card.data.datasets == list(facts.training_data)
    assert (card.data.library_name, card.data.pipeline_tag) == ("sentence-transformers", "text-ranking")
    for row in (
        "| base model | google/gemma-3-270m |",
        "| attention | bidirectional |",
        "| pooler | mean |",
        "| template | `<bos> Query: {query} Document: {document} <eos>` |",
        "| longest input | 128 tokens |",
        "| versions required | transformers>=5.2, sentence-transformers>=6.2 |",
    ):
        assert row in card.text
    assert "from sentence_transformers import CrossEncoder" in card.text
    assert missing_facts(path, open_model(path)) == []


def test_the_numbers_are_those_of_the_results_file(results: Path) -> None:
    """The command beside them can be copied and run."""
    row = results_table((results,)).splitlines()[-1]
    first, second = (
        system["measures"]["mrr@10"] for system in json.loads(results.read_text())["collections"][0]["systems"]
    )
    assert f"mrr@10 {first:.4f} → **{second:.4f}**" in row
    assert first == 0.5
    assert "--first-stage first.trec --rerank tiny-reranker --depth 3 -m mrr@10`" in row
    assert results_table(()) == "Not stated."


def test_a_model_with_a_pooler_of_this_package_is_loaded_by_its_class(tiny_gemma: Path, tmp_path: Path) -> None:
    """The usage imports CrossEncoder from gemma_st, and the requirements name gemma-encoder."""
    model = cross_encoder(tiny_gemma, pooler={"name": "first", "k": 4}, labels=["no", "yes"], attention="causal")
    path = save(model, tmp_path / "mine")
    write_card(path, model, Facts())
    text = (path / "README.md").read_text()
    assert "from gemma_st import CrossEncoder" in text
    assert "| pooler | FirstK (k=4) |" in text
    assert "| labels | no, yes |" in text
    assert "| attention | causal |" in text
    assert "pipeline_tag: text-classification" in text
    assert re.search(r"versions required \| .*gemma-encoder>=", text)


def test_a_bi_encoder_has_prompts_and_no_template(tiny_gemma: Path) -> None:
    """A bi-encoder never reads a pair of texts."""
    said = describe(sentence_transformer(tiny_gemma))
    assert said["prompts"] == "query: `Query: `, document: `Document: `"
    assert "template" not in said


def test_missing_facts_are_named(tiny_reranker: Path, tmp_path: Path) -> None:
    """So is the card itself if there is none; a fact that has become wrong counts as missing."""
    path = save(open_model(tiny_reranker), tmp_path / "mine")
    model = CrossEncoder(str(path))
    assert missing_facts(path, model) == ["README.md"]
    write_card(path, model, Facts())
    assert missing_facts(path, model) == ["license", "base_model", "training", "measured"]
    write_card(path, model, Facts("base", "gemma", ("nq",)))
    assert missing_facts(path, model) == ["measured"]
    model[1].pooling_mode = "cls"
    assert missing_facts(path, model) == ["pooler", "measured"]


@pytest.mark.parametrize("content", ["", "[]", '{"systems": []}', "not json"])
def test_a_malformed_results_file_is_an_error_of_one_line(tmp_path: Path, content: str) -> None:
    """The error begins with the path of the file."""
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(ModelError, match="results.json: no results of a first stage and a model") as error:
        results_table((path,))
    assert "\n" not in str(error.value)
