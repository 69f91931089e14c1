"""Export a cross-encoder to ONNX by torch's own exporter, and compare it with onnxruntime before it is written."""

import importlib.util
import logging
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sentence_transformers as stock
import torch
from torch import nn

from gemma_st.cross_encoder import CrossEncoder
from gemma_st.errors import ModelError
from gemma_st.hub.saving import is_adapter, new_directory, open_model
from gemma_st.names import loading, locate

if TYPE_CHECKING:
    from numpy.typing import NDArray

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
GRAPH = "model.onnx"
LARGEST_DIFFERENCE = 1e-3  # between the scores of torch and onnxruntime; rounding errors of float32 are below 1e-5
SENTENCE = "goldfish grow as long as they live, and in a pond longer than in a bowl. "
PAIRS = [("do goldfish grow", SENTENCE * count) for count in (1, 2, 4, 7)] + [("goldfish", "pond"), (SENTENCE, "bowl")]
README = """\
# {name} in ONNX

`model.onnx` is a cross-encoder, exported by torch {torch}: token ids to logits `(pairs, {labels})`; the number of pairs
and the length are free, up to {longest} tokens. Its scores differ from those of torch by at most {difference:.1e}.

```python
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

pairs = [("do goldfish grow", "Goldfish grow as long as they live."), ("do goldfish grow", "Gold is a metal.")]
tokenizer = Tokenizer.from_file("tokenizer.json")
tokenizer.enable_truncation({longest})
tokenizer.enable_padding(pad_id={pad}, pad_token={token!r}, direction={side!r})
encoded = tokenizer.encode_batch(pairs)
inputs = {{"input_ids": [row.ids for row in encoded], "attention_mask": [row.attention_mask for row in encoded]}}
session = onnxruntime.InferenceSession("model.onnx")
scores = session.run(None, {{key: np.array(rows, np.int64) for key, rows in inputs.items()}})[0]
```

The document of a long pair is truncated here, and not split into windows.
"""


class _Scorer(nn.Module):
    """A cross-encoder as a function of two tensors."""

    def __init__(self, model: stock.CrossEncoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.model({"input_ids": input_ids, "attention_mask": attention_mask})["scores"]
        return scores


def export_onnx(name: str, directory: str | Path) -> float:
    """Write a model as ``model.onnx``, with its tokenizer and a README that says how to run it, to a new directory.

    The result is the largest difference between the scores of torch and of onnxruntime, on pairs of several lengths. A
    ModelError: the packages of the extra ``onnx`` are missing, the model is a bi-encoder, has an adapter or a pooler of
    this package, or its difference is above 0.001.

    Examples:
        >>> export_onnx("reranker", "reranker")
        Traceback (most recent call last):
        gemma_st.errors.ModelError: ...
    """
    target = new_directory(directory)
    if missing := [package for package in PACKAGES if importlib.util.find_spec(package) is None]:
        raise ModelError(f"--onnx needs {', '.join(missing)}; run: pip install 'gemma-encoder[onnx]'")
    model = _stock(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        folder = Path(temporary) / target.name
        folder.mkdir()
        with loading(name, "in ONNX"):
            _write_graph(model, folder / GRAPH)
            model.tokenizer.save_pretrained(folder)
            difference = _difference(model, folder / GRAPH)
        if not difference <= LARGEST_DIFFERENCE:
            raise ModelError(
                f"model {name!r}: its scores in onnxruntime differ by {difference:.1e}; expected at most "
                f"{LARGEST_DIFFERENCE}; use it with torch"
            )
        facts = {"labels": model.num_labels, "longest": model.max_seq_length, "difference": difference}
        tokenizer = model.tokenizer
        facts |= {"pad": tokenizer.pad_token_id, "token": tokenizer.pad_token, "side": tokenizer.padding_side}
        text = README.format(name=Path(name).name, torch=torch.__version__, **facts)
        (folder / "README.md").write_text(text, encoding="utf-8")
        if target.exists():
            target.rmdir()  # it is empty
        shutil.move(folder, target)
    return difference


def _stock(name: str) -> stock.CrossEncoder:
    """Check a model and return it as the stock class loads it: our checks of each batch have no graph."""
    source = locate(name)
    if is_adapter(source):
        raise ModelError(f"model {name!r}: its LoRA adapter is not merged; merge it first: gemma-st merge {name} NEW")
    ours = open_model(source, device="cpu", model_kwargs={"dtype": "float32"})
    if not isinstance(ours, CrossEncoder):
        raise ModelError(f"model {name!r}: a bi-encoder; --onnx expects a cross-encoder")
    if ours.own_modules:
        raise ModelError(
            f"model {name!r}: has {', '.join(ours.own_modules)}; --onnx expects a stock pooler, such as mean"
        )
    options: dict[str, Any] = {"device": "cpu", "model_kwargs": {"dtype": "float32"}, "activation_fn": nn.Identity()}
    model: stock.CrossEncoder = stock.CrossEncoder(source, **options)
    return model


def _write_graph(model: stock.CrossEncoder, path: Path) -> None:
    features: Any = model.preprocess(PAIRS[:2])
    names = ["input_ids", "attention_mask"]
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        program: Any = torch.onnx.export(
            _Scorer(model).eval(),
            tuple(features[key] for key in names),
            dynamo=True,
            input_names=names,
            output_names=["scores"],
            dynamic_shapes={key: {0: "batch", 1: "length"} for key in names},
            verbose=False,
        )
    finally:
        quiet.setLevel(level)
    program.save(path)


def _difference(model: stock.CrossEncoder, path: Path) -> float:
    """Return the largest difference of scores, for batches of one pair and of all of them."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for pairs in (PAIRS, *([pair] for pair in PAIRS)):
        features: Any = model.preprocess(pairs)
        found = session.run(None, {key: features[key].numpy() for key in ("input_ids", "attention_mask")})[0]
        expected: NDArray[np.float32] = model.predict(pairs).reshape(found.shape)
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst
