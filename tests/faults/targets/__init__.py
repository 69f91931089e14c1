"""The registry of the readers that the fuzzer tries."""

from tests.faults.fuzzer import Target
from tests.faults.targets import (
    collections,
    first_stages,
    glue_files,
    model_inputs,
    names,
    python_values,
    results_files,
    toml_files,
    trec_files,
)

KINDS = (
    trec_files, collections, toml_files, results_files, glue_files, first_stages, names, python_values, model_inputs,
)  # fmt: skip
TARGETS: dict[str, Target] = {target.name: target for kind in KINDS for target in kind.TARGETS}
