"""Tests of torch.compile: one graph, without a break, and the same scores and errors."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gemma_st import CrossEncoder, ModelError, SentenceTransformer
from gemma_st.build import cross_encoder, sentence_transformer
from gemma_st.hub.saving import save
from tests.gemma_st.conftest import PAIRS


@pytest.fixture(autouse=True)
def _first_of_its_process() -> None:
    """Forget the graphs of the models before: torch allows 8 in all for one function, which every model shares."""
    torch._dynamo.reset()


@pytest.mark.parametrize("pooler", ["mean", "last", {"name": "last", "k": 2}, {"name": "kv-probe"}], ids=str)
def test_the_whole_model_is_one_graph(tiny_gemma: Path, tmp_path: Path, pooler: str | dict[str, object]) -> None:
    """``fullgraph=True`` is an error if a check depends on the data."""
    torch.manual_seed(0)
    folder = str(save(cross_encoder(tiny_gemma, pooler=pooler), tmp_path / "saved"))
    plain, model = (CrossEncoder(folder, device="cpu") for _ in range(2))
    model.compile(fullgraph=True, backend="eager", dynamic=True)
    assert np.allclose(model.predict(PAIRS, batch_size=2), plain.predict(PAIRS), atol=1e-6)
    model.stride = plain.stride = 8
    pairs = [(query, f"{text} " * 9) for query, text in PAIRS]
    assert np.allclose(model.predict(pairs), plain.predict(pairs), atol=1e-6)


def test_two_graphs_do_for_all_shapes(tiny_reranker: Path) -> None:
    """One for a single row, which torch always treats apart, and one for more; texts of any length share them."""
    graphs: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, _: object) -> Callable[..., object]:
        graphs.append(graph)
        return graph.forward

    model = CrossEncoder(str(tiny_reranker), device="cpu")
    model.compile(fullgraph=True, backend=backend, dynamic=True)
    for batch_size in (1, 2, 3):
        for times in (1, 3, 9):
            model.predict([(query, f"{text} " * times) for query, text in PAIRS], batch_size=batch_size)
    assert len(graphs) == 2


def test_the_packaged_model_is_one_graph() -> None:
    """Its transformer alone, and by torch.compile."""
    plain, model = (CrossEncoder("gemma-encoder-msmarco", device="cpu") for _ in range(2))
    model[0].model = torch.compile(model[0].model, fullgraph=True, backend="aot_eager", dynamic=True)
    assert np.allclose(model.predict(PAIRS), plain.predict(PAIRS), atol=1e-5)
    model.compile(fullgraph=True, backend="eager")
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(ModelError, match="autocast to bfloat16"):
        model.predict(PAIRS)


def test_a_text_without_tokens_is_refused_before_the_forward_pass(tiny_gemma: Path) -> None:
    """The compiled pooler would give zeros."""
    last = {"name": "last", "k": 2, "include_prompt": False}  # the stock pooler branches on data without its prompt
    model: SentenceTransformer = sentence_transformer(tiny_gemma, pooler=last, prompts={"query": "find: "})
    model.tokenizer.backend_tokenizer.post_processor = None
    for compiled in (False, True):
        if compiled:
            model.compile(fullgraph=True, backend="eager", dynamic=True)
        assert model.encode_query(["what", "a license"]).shape == (2, 32)
        with pytest.raises(ModelError, match=r"row 1 of the batch has no token to pool: its \d real tokens are those"):
            model.encode_query(["what", ""])
