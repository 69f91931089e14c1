"""``gemma-st verify``: prove a saved model anew, from its files alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_st.checks import Check
from gemma_st.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gemma_st.base import Encoder

TOLERANCE = 1e-5  # of a score, relative to the largest; what float32 leaves
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
WORDS = "goldfish grow as long as they live, and in a pond longer than in a bowl".split()
QUERY = "do goldfish grow"
TEXTS = [" ".join((WORDS * 6)[start : start + length]) for start, length in enumerate((3, 15, 40, 7, 1, 90))]

CARD = "gemma-st export DIR NEW_DIR --base-model ID --license ID --data NAME --results results.json"


def verify(directory: str | Path) -> list[Check]:
    """Prove a saved model: its files, mask, portability, invariances, template, precision and card.

    It is loaded in float32, in which padding, batch and order may change nothing.

    Args:
        directory: Where it was saved, by us or by the stock class.

    Returns:
        A check each, in the order of the list above; the first alone where the model cannot be loaded.
    """
    from gemma_st.hub.saving import open_model

    folder = Path(directory)
    pickles = sorted(path.name for pattern in PICKLES for path in folder.rglob(pattern))
    if pickles:
        return [Check("files", False, f"pickled weights: {', '.join(pickles)}", "save it as safetensors")]
    try:
        model = open_model(folder, device="cpu", model_kwargs={"dtype": "float32"})
    except ModelError as error:
        return [Check("files", False, str(error), "save the model again")]
    checks = [Check("files", True, "safetensors only; it loads")]
    for check in (_mask, _portable, _batches, _padding, _template, _precision):
        checks.append(check(folder, model))
    return [*checks, _card(folder, model)]


def outputs(model: "Encoder", **options: Any) -> "NDArray[np.float32]":
    """Return the scores of the test pairs, or the vectors of the test texts."""
    if model.model_type == "CrossEncoder":
        scores: NDArray[np.float32] = model.predict([(QUERY, text) for text in TEXTS], **options)
        return scores
    vectors: NDArray[np.float32] = model.encode_document(TEXTS, **options)
    return vectors


def _mask(_: Path, model: "Encoder") -> Check:
    from gemma_st.modeling.masks import verify_attention

    try:
        verify_attention(model, model.attention)
    except ModelError as error:
        return Check("attention", False, str(error), "build the model again with gemma_st.build")
    return Check("attention", True, f"{model.attention}, as its configuration says")


def _portable(folder: Path, model: "Encoder") -> Check:
    import sentence_transformers

    own = model.own_modules
    stock = getattr(sentence_transformers, model.model_type)(
        str(folder), device="cpu", model_kwargs={"dtype": "float32"}, trust_remote_code=bool(own)
    )
    with _changed(model, "stride", None):  # the stock class, which has none, cuts
        off = _difference(outputs(stock), outputs(model))
    form = f"with gemma-encoder and trust_remote_code=True ({', '.join(own)})" if own else "without a flag"
    return Check("portable", off <= TOLERANCE, f"stock sentence-transformers loads it {form}; {_off(off)}")


def _batches(_: Path, model: "Encoder") -> Check:
    wanted = outputs(model)
    off = max(_difference(outputs(model, batch_size=size), wanted) for size in (1, 2, len(TEXTS)))
    return Check("batch and order", off <= TOLERANCE, f"batches of 1, 2 and {len(TEXTS)}; {_off(off)}")


def _padding(_: Path, model: "Encoder") -> Check:
    wanted, side = outputs(model), model.tokenizer.padding_side
    other = "left" if side == "right" else "right"
    with _changed(model.tokenizer, "padding_side", other):
        off = _difference(outputs(model), wanted)
    return Check("padding", off <= TOLERANCE, f"padded {side} and {other}; {_off(off)}")


@contextmanager
def _changed(owner: object, name: str, value: object) -> Iterator[None]:
    former = getattr(owner, name, None)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, former)


def _template(_: Path, model: "Encoder") -> Check:
    """Tokenize a pair that is far too long: the template and the whole query must be left of it."""
    from gemma_st.modeling.template import read_template

    tokenizer, name = model.tokenizer, "template"
    if model.model_type != "CrossEncoder":
        return Check("prompts", True, ", ".join(model.prompts) or "none")
    template = read_template(tokenizer)
    if not template or "{query} {document}" in template:
        detail = f"nothing stands between query and document ({template or 'no template'})"
        return Check(name, False, detail, "set one with gemma_st.modeling.template.set_template, and train with it")
    length = tokenizer.num_special_tokens_to_add(pair=True) + len(tokenizer.tokenize(QUERY)) + 3
    ids = model.preprocess([(QUERY, " ".join(TEXTS))], max_length=length)["input_ids"][0].tolist()
    kept = len(ids) <= length and set(tokenizer(QUERY, "")["input_ids"]) <= set(ids)
    return Check(name, kept, f"{template}; a query is kept whole, its document is cut")


def _precision(_: Path, model: "Encoder") -> Check:
    if model.model_type != "CrossEncoder":
        return Check("precision", True, "vectors in float32")
    last = f"{len(model) - 1}.linear"
    fp32, activation = last in (model.keep_in_fp32_modules or []), type(model.activation_fn).__name__
    detail = f"logit in {'float32' if fp32 else 'the dtype of the weights'}, activation {activation}"
    wanted = "" if model.num_labels > 1 else "Identity"
    ok = fp32 and wanted in ("", activation)
    return Check("precision", ok, detail, "" if ok else f"set_keep_in_fp32_modules(['{last}']), activation Identity")


def _card(folder: Path, model: "Encoder") -> Check:
    from gemma_st.hub.card import lacking

    missing = lacking(folder, model)
    detail = f"lacks {', '.join(missing)}" if missing else "says what the model is, and agrees with it"
    return Check("card", not missing, detail, CARD if missing else "")


def _difference(found: "NDArray[np.float32]", wanted: "NDArray[np.float32]") -> float:
    import numpy as np

    return float(np.abs(found - wanted).max() / max(1.0, float(np.abs(wanted).max())))


def _off(difference: float) -> str:
    return f"scores differ by {difference:.1e}"
