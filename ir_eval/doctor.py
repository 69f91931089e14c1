"""What this machine has and lacks for an evaluation, each with the one command that mends it."""

import os
import tempfile
from pathlib import Path

from gemma_st import doctor
from gemma_st.doctor import Check
from ir_eval.cache import cache_dir
from ir_eval.errors import InputError
from ir_eval.retrieval import jvm


def checks() -> list[Check]:
    """Look at everything an evaluation stands on; starts Java and imports torch, so it takes seconds."""
    return [
        doctor.python(),
        _java(),
        doctor.package("pyserini", "BM25"),
        doctor.package("ir_datasets", "MS MARCO, TREC-DL and BEIR by name"),
        doctor.package("ranx", "exchange of runs with ranx"),
        doctor.package("faiss", "dense first stages", extra="dense"),
        doctor.torch(),
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
