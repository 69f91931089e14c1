"""``ir-eval doctor``: check the installation and print what is missing."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from gemma_st import checks
from gemma_st.checks import Check
from ir_eval.cache import cache_dir
from ir_eval.errors import InputError
from ir_eval.retrieval import jvm


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command, which takes no arguments."""
    parser.set_defaults(command=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    return checks.write_report(machine_checks(), sys.stdout)


def machine_checks() -> list[Check]:
    """Look at everything an evaluation stands on; starts Java and imports torch, so it takes seconds."""
    return [
        checks.python(),
        _java(),
        checks.package("pyserini", "BM25"),
        checks.package("ir_datasets", "MS MARCO, TREC-DL and BEIR by name"),
        checks.package("ranx", "exchange of runs with ranx"),
        checks.package("faiss", "dense first stages", extra="dense"),
        checks.torch(),
        _cache(),
        _folder("IR_DATASETS_HOME", "test collections", default="~/.ir_datasets"),
        _folder("GEMMA_ST_DATA", "data of the test suite", default="../shared/data"),
    ]


def _java() -> Check:
    try:
        java = jvm.start().java
    except InputError as error:
        return Check("java", False, str(error), jvm.REMEDY)
    ok = java == "21"
    return Check("java", ok, f"{java}, started from {os.environ['JAVA_HOME']}", "" if ok else jvm.REMEDY)


def _cache() -> Check:
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Check("cache", False, f"{folder} cannot be written ({error.strerror})", "export IR_EVAL_CACHE=~/ir_eval")
    return Check("cache", True, str(folder))


def _folder(variable: str, purpose: str, *, default: str) -> Check:
    """A folder of data is never required; one that is named must exist."""
    named = os.environ.get(variable)
    folder = Path(named or default).expanduser()
    if folder.is_dir():
        return Check(variable, True, str(folder))
    return Check(variable, not named, f"{folder} is not there ({purpose})", f"export {variable}=FOLDER")
