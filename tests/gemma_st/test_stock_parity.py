"""Every call that stock sentence-transformers accepts gives the same with our classes; docs/parity.md shows the table.

``WRITE_PARITY=1 python -m pytest tests/gemma_st/test_stock_parity.py`` writes the page.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentence_transformers
import torch

import gemma_st
from gemma_st.build import cross_encoder, sentence_transformer
from gemma_st.hub.saving import save
from gemma_st.names import packaged
from tests.gemma_st.stock_calls import POOLED, TABLE, Call, calls, names, run, same, shown

PAGE = Path(__file__).parents[2] / "docs/parity.md"
ROWS = list(calls())
HEAD = """\
# Drop-in for the stock classes

`gemma_st.CrossEncoder` and `gemma_st.SentenceTransformer` take every call that the classes of sentence-transformers 6.2
take. Each row below is run with the stock class and with ours, on one saved model, and the results are compared: values
up to 1e-6, types, shapes, and the type of an exception (ours may be a `ModelError`, a `ValueError` of one line). Where
the two differ on purpose, the last column says why. `tests/gemma_st/test_stock_parity.py` makes and checks this page.
"""
Compare = Callable[[Call], tuple[object, object]]


def put_on_hub(hub: Path, name: str, model: Path) -> None:
    """Put a model into a cache of the hub."""
    folder, commit = hub / f"models--{name.replace('/', '--')}", "0" * 40
    shutil.copytree(model, folder / "snapshots" / commit)
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text(commit)


@pytest.fixture(scope="module")
def folder(tiny_gemma: Path, tiny_reranker: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models that the calls load: cross-encoder, classifier, bi-encoder and decoder, and a cache of the hub."""
    made = tmp_path_factory.mktemp("parity")
    shutil.copytree(tiny_gemma, made / "decoder")
    shutil.copytree(tiny_reranker, made / "CrossEncoder")
    torch.manual_seed(0)
    save(cross_encoder(tiny_gemma, labels=["no", "yes", "maybe"]), made / "classifier")
    save(sentence_transformer(tiny_gemma), made / "SentenceTransformer")
    put_on_hub(made / "hub", "cross-encoder/tiny-reranker", made / "CrossEncoder")
    put_on_hub(made / "hub", "sentence-transformers/tiny-encoder", made / "SentenceTransformer")
    return made


@pytest.fixture(scope="module")
def compare(folder: Path) -> Compare:
    """Make a call with the stock class and with ours, once."""
    given: dict[tuple[str, str], dict[str, Any]] = {}
    results: dict[Call, tuple[object, object]] = {}

    def names_of(package: Any, name: str) -> dict[str, Any]:  # noqa: ANN401
        kind, key = getattr(package, name), (package.__name__, name)
        if key not in given:
            path = str(folder / name)
            classifier = getattr(package, "CrossEncoder")(str(folder / "classifier"), device="cpu")  # noqa: B009
            own = {"path": path, "model": kind(path, device="cpu"), "classifier": classifier}
            given[key] = names(kind, folder) | own
        return given[key]

    def both(call: Call) -> tuple[object, object]:
        if call not in results:
            stock, ours = (run(call, names_of(package, call.kind)) for package in (sentence_transformers, gemma_st))
            results[call] = stock, ours
        return results[call]

    return both


@pytest.mark.parametrize("call", ROWS, ids=lambda call: f"{call.kind}: {call.text}")
def test_a_call_gives_the_same(compare: Compare, call: Call) -> None:
    """Unless the row says why not."""
    stock, ours = compare(call)
    if call.reason:
        assert not same(stock, ours) or isinstance(ours, Exception), f"no difference: {stock!r}, {ours!r}"
    else:
        assert same(stock, ours), f"stock: {stock!r}; ours: {ours!r}"


@pytest.mark.slow
@pytest.mark.parametrize("call", POOLED, ids=lambda call: f"{call.kind}: {call.text[:30]}")
def test_a_pool_gives_the_same(compare: Compare, call: Call) -> None:
    """Each pool is a new process, which imports everything."""
    stock, ours = compare(call)
    assert same(stock, ours), f"stock: {stock!r}; ours: {ours!r}"


@pytest.mark.parametrize("text", TABLE["CrossEncoder", "predict"][:24], ids=str)
def test_the_packaged_model_gives_the_same(text: str) -> None:
    """Scores of short inputs; the stock class truncates long ones, and ours reads them in windows."""
    path = str(packaged()["gemma-encoder-msmarco"])
    found = []
    for package in (sentence_transformers, gemma_st):
        model = package.CrossEncoder(path, device="cpu")
        call = Call("CrossEncoder", "predict", text)
        found.append(run(call, names(type(model), Path()) | {"model": model, "classifier": model}))
    assert same(*found), found


def page(compare: Compare) -> str:
    """Return the page."""
    parts = [HEAD]
    for kind, section in TABLE:
        parts.append(f"\n## {kind}: {section}\n\n| call | stock | ours | same |\n|---|---|---|---|\n")
        for call in ROWS:
            if (call.kind, call.section) == (kind, section):
                stock, ours = compare(call)
                verdict = f"on purpose: {call.reason}" if call.reason else "yes"
                cells = (f"`{call.text}`", shown(stock), shown(ours), verdict)
                parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    parts.append("\n## Process pools\n\nWith `pytest -m slow`: those of other processes are the same.\n\n")
    parts += [f"- {call.kind}: `{call.text}`\n" for call in POOLED]
    return "".join(parts)


def test_the_page_is_up_to_date(compare: Compare) -> None:
    """It is made from the table and from what the calls returned."""
    made = page(compare)
    if os.environ.get("WRITE_PARITY"):
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made, "run: WRITE_PARITY=1 python -m pytest " + __file__
