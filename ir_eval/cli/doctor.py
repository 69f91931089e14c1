"""``ir-eval doctor``: a check of the installation, and the command that repairs each fault."""

import argparse
import os
import sys
from pathlib import Path

from gemma_st import checks
from gemma_st.checks import Check
from ir_eval.cache import cache_dir
from ir_eval.data.text_files import check_folder
from ir_eval.errors import InputError
from ir_eval.retrieval import jvm


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command, which takes no arguments.

    Examples:
        >>> add(parser := argparse.ArgumentParser())
        >>> callable(parser.parse_args([]).command)
        True
    """
    parser.set_defaults(command=lambda arguments: checks.write_report(_machine_checks(), sys.stdout))


def _machine_checks() -> list[Check]:
    """Check everything that an evaluation needs; this starts Java and imports torch, which takes seconds."""
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
        check_folder(folder)
    except InputError as error:
        return Check("cache", False, str(error), "export IR_EVAL_CACHE=~/ir_eval")
    return Check("cache", True, str(folder))


def _folder(variable: str, purpose: str, *, default: str) -> Check:
    """Check a data folder: it is optional, but a folder that the environment names must exist."""
    named = os.environ.get(variable)
    folder = Path(named or default).expanduser()
    if folder.is_dir():
        return Check(variable, True, str(folder))
    return Check(variable, not named, f"{folder} does not exist ({purpose})", f"export {variable}=FOLDER")
