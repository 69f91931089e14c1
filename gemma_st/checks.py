"""Checks of an installation or a model, each with its result and the command that repairs it."""

import importlib.util
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TextIO


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: Name of the checked part.
        ok: Whether the part is as required; a missing optional part is ok, and its remedy installs it.
        detail: Version or state of the part.
        remedy: The command that repairs or adds the part; empty if none is needed.

    Examples:
        >>> Check("python", True, "3.11.9").remedy
        ''
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def write_report(found: list[Check], stream: TextIO) -> int:
    """Write each check and its remedy to a stream; return 1 if a required part is missing or damaged, else 0.

    Examples:
        >>> write_report([Check("peft", True, "missing (optional: LoRA)", "pip install peft")], sys.stdout)
        ok      peft: missing (optional: LoRA)
                add it: pip install peft
        0
    """
    for check in found:
        stream.write(f"{'ok     ' if check.ok else 'MISSING'} {check.name}: {check.detail}\n")
        if check.remedy:
            stream.write(f"        {'add it' if check.ok else 'repair it'}: {check.remedy}\n")
    return 0 if all(check.ok for check in found) else 1


def python() -> Check:
    """Check the version of the Python interpreter.

    Examples:
        >>> python().ok
        True
    """
    ok = sys.version_info >= (3, 11)
    return Check("python", ok, platform.python_version(), "" if ok else "uv venv --python 3.11")


def package(module: str, purpose: str, *, extra: str = "") -> Check:
    """Check that a module is installed, without importing it; the purpose is its use, for the report.

    The ``extra`` is that of this distribution which installs the module; a module without an extra is required.

    Examples:
        >>> package("no_such_module", "LoRA", extra="train").detail
        'missing (optional: LoRA)'
    """
    if importlib.util.find_spec(module) is None:
        wanted = f"gemma-encoder[{extra}]" if extra else "gemma-encoder"
        kind = "optional" if extra else "required"
        return Check(module, bool(extra), f"missing ({kind}: {purpose})", f"pip install '{wanted}'")
    try:
        found = version({"faiss": "faiss-cpu"}.get(module, module))
    except PackageNotFoundError:
        found = "present"  # built from source, or installed by a distribution of another name
    return Check(module, True, found)


def torch() -> Check:
    """Check torch and report its device.

    Examples:
        >>> torch().ok
        True
    """
    found = package("torch", "the models")
    if not found.ok:
        return found
    import torch

    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    device = accelerator.type if accelerator else f"cpu with {torch.get_num_threads()} threads"
    return Check("torch", True, f"{found.detail} on {device}")
