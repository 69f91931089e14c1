"""``gemma-st verify``: check a saved model, using nothing but its files."""

from pathlib import Path
from typing import Any

import numpy as np
import sentence_transformers as stock
from numpy.typing import NDArray

from gemma_st.checks import Check
from gemma_st.cross_encoder import CrossEncoder
from gemma_st.errors import ModelError
from gemma_st.hub.card import missing_facts
from gemma_st.hub.saving import open_model
from gemma_st.modeling.masks import verify_attention
from gemma_st.modeling.template import read_template
from gemma_st.names import loading
from gemma_st.sentence_transformer import SentenceTransformer

Model = CrossEncoder | SentenceTransformer
TOLERANCE = 1e-5  # largest difference between scores, relative to the largest score: the rounding error of float32
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
WORDS = "goldfish grow as long as they live, and in a pond longer than in a bowl".split()
QUERY = "do goldfish grow"
TEXTS = [" ".join((WORDS * 6)[start : start + length]) for start, length in enumerate((3, 15, 40, 7, 1, 90))]
FLOAT32 = {"dtype": "float32"}
CARD = "gemma-st export DIR NEW_DIR --base-model ID --license ID --data NAME --results results.json"


def verify(directory: str | Path) -> list[Check]:
    """Check a saved model: files, attention, portability, batches, padding, template, precision and card.

    The model is loaded in float32, where the scores must not depend on batches, order or padding. If the model cannot
    be loaded, only the check of the files is returned.

    Examples:
        >>> [check.name for check in verify("reranker") if not check.ok]
        ['card']
    """
    folder = Path(directory)
    pickles = sorted(path.name for pattern in PICKLES for path in folder.rglob(pattern))
    if pickles:
        return [Check("files", False, f"pickled weights: {', '.join(pickles)}", "save the model as safetensors")]
    try:
        model = open_model(folder, device="cpu", model_kwargs=FLOAT32)
    except ModelError as error:
        return [Check("files", False, str(error), "save the model again")]
    found = [Check("files", True, "all weights are safetensors, and the model loads")]
    for check in (_attention, _portable, _batches, _padding, _template, _precision, _card):
        try:
            with loading(folder):
                found.append(check(folder, model))
        except ModelError as error:  # such as of the stock class
            found.append(Check(check.__name__.strip("_"), False, str(error), "save the model again"))
    return found


def _attention(_: Path, model: Model) -> Check:
    try:
        verify_attention(model, model.attention)
    except ModelError as error:
        return Check("attention", False, str(error), "build the model again with gemma_st.build")
    return Check("attention", True, f"{model.attention}, as the configuration says")


def _portable(folder: Path, model: Model) -> Check:
    own, stride = model.own_modules, getattr(model, "stride", None)
    if isinstance(model, CrossEncoder):
        model.stride = None  # truncate long documents, as the stock class does
    ours = _outputs(model)
    if isinstance(model, CrossEncoder):
        model.stride = stride
    kind: type[stock.CrossEncoder | stock.SentenceTransformer] = getattr(stock, model.model_type)
    other = kind(str(folder), device="cpu", model_kwargs=FLOAT32, trust_remote_code=bool(own))
    how = f"with gemma-encoder and trust_remote_code=True ({', '.join(own)})" if own else "without a flag"
    return _same("portable", _outputs(other), ours, f"stock sentence-transformers loads the model {how}")


def _batches(_: Path, model: Model) -> Check:
    found = [_outputs(model, batch_size=size) for size in (1, 2, len(TEXTS))]
    return _same("batch and order", np.stack(found), _outputs(model), f"batches of 1, 2 and {len(TEXTS)}")


def _padding(_: Path, model: Model) -> Check:
    expected, side = _outputs(model), model.tokenizer.padding_side
    other = "left" if side == "right" else "right"
    model.tokenizer.padding_side = other
    found = _outputs(model)
    model.tokenizer.padding_side = side
    return _same("padding", found, expected, f"padding on the {side} and on the {other}")


def _template(_: Path, model: Model) -> Check:
    """Tokenize a pair that is far too long: the template and the whole query must remain."""
    tokenizer = model.tokenizer
    if not isinstance(model, CrossEncoder):
        return Check("prompts", True, ", ".join(model.prompts) or "none")
    template = read_template(tokenizer)
    if not template or "{query} {document}" in template:
        detail = f"no text separates the query from the document ({template or 'no template'})"
        remedy = "set a template with gemma_st.modeling.template.set_template, and train with it"
        return Check("template", False, detail, remedy)
    length = tokenizer.num_special_tokens_to_add(pair=True) + len(tokenizer.tokenize(QUERY)) + 3
    ids = model.preprocess([(QUERY, " ".join(TEXTS))], max_length=length)["input_ids"][0].tolist()
    kept = len(ids) <= length and set(tokenizer(QUERY, "")["input_ids"]) <= set(ids)
    result = "the document is shortened before the query" if kept else "the query of a long pair is truncated"
    return Check("template", kept, f"{template}; {result}")


def _precision(_: Path, model: Model) -> Check:
    if not isinstance(model, CrossEncoder):
        return Check("precision", True, "embeddings in float32")
    last = f"{len(model) - 1}.linear"
    fp32, activation = last in (model.keep_in_fp32_modules or []), type(model.activation_fn).__name__
    ok = fp32 and (model.num_labels > 1 or activation == "Identity")
    detail = f"logit in {'float32' if fp32 else 'the dtype of the weights'}, activation {activation}"
    return Check("precision", ok, detail, "" if ok else f"set_keep_in_fp32_modules(['{last}']), activation Identity")


def _card(folder: Path, model: Model) -> Check:
    missing = missing_facts(folder, model)
    detail = f"lacks {', '.join(missing)}" if missing else "states all facts, and they agree with the model"
    return Check("card", not missing, detail, CARD if missing else "")


def _outputs(model: stock.CrossEncoder | stock.SentenceTransformer, batch_size: int = 32) -> NDArray[Any]:
    """Return the scores of the test pairs, or the embeddings of the test texts."""
    if isinstance(model, stock.SentenceTransformer):
        return np.asarray(model.encode_document(TEXTS, batch_size=batch_size))
    return np.asarray(model.predict([(QUERY, text) for text in TEXTS], batch_size=batch_size))


def _same(name: str, found: NDArray[Any], expected: NDArray[Any], detail: str) -> Check:
    difference = float(np.abs(found - expected).max() / max(1.0, float(np.abs(expected).max())))
    return Check(name, difference <= TOLERANCE, f"{detail}; scores differ by {difference:.1e}")
