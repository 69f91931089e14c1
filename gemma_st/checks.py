"""Checks of an installation or a model: what was found, and the command that repairs it."""

import importlib.util
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TextIO


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Attributes:
        name: What was looked at.
        ok: Whether it is as it must be; an optional part that is missing is ok, and its remedy says how to get it.
        detail: What was found.
        remedy: The one command that mends or adds it, or nothing.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def write_report(found: list[Check], stream: TextIO) -> int:
    """Write one line a check, and what mends it below; return 1 if something needed is missing, else 0."""
    for check in found:
        stream.write(f"{'ok     ' if check.ok else 'MISSING'} {check.name}: {check.detail}\n")
        if check.remedy:
            stream.write(f"        {'add it' if check.ok else 'mend it'}: {check.remedy}\n")
    return 0 if all(check.ok for check in found) else 1


def python() -> Check:
    """Check the interpreter."""
    ok = sys.version_info >= (3, 11)
    return Check("python", ok, platform.python_version(), "" if ok else "uv venv --python 3.11")


def package(module: str, purpose: str, *, extra: str = "") -> Check:
    """Check that a module can be imported, without importing it.

    Args:
        module: Its name.
        purpose: What it is for.
        extra: The extra of this distribution it comes with; without one it is required.
    """
    if importlib.util.find_spec(module) is None:
        wanted = f"gemma-encoder[{extra}]" if extra else "gemma-encoder"
        kind = "optional" if extra else "required"
        return Check(module, bool(extra), f"missing ({kind}: {purpose})", f"pip install '{wanted}'")
    try:
        found = version({"faiss": "faiss-cpu"}.get(module, module))
    except PackageNotFoundError:
        found = "present"  # built from source, or under another distribution's name
    return Check(module, True, found)


def torch() -> Check:
    """Check torch and say what it runs on."""
    found = package("torch", "the models")
    if not found.ok:
        return found
    import torch

    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    device = accelerator.type if accelerator else f"cpu with {torch.get_num_threads()} threads"
    return Check("torch", True, f"{found.detail} on {device}")
