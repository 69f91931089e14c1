"""Experiments: first stages, fusions and rerankers on one or more collections, with their evaluation.

`read_experiment` reads an `Experiment` from a TOML file, `run_experiment` runs it and writes its results to a folder,
and `read_results` reads that folder.
"""

from ir_eval.experiment.config import DEFAULT_MEASURES, Experiment, single
from ir_eval.experiment.experiment_file import parse_experiment, read_experiment
from ir_eval.experiment.results import CollectionOutcome, Results, SystemOutcome, read_results
from ir_eval.experiment.runner import run_experiment
from ir_eval.experiment.system_config import CollectionName, SystemConfig
from ir_eval.experiment.systems import Fuse, Given, Rerank, Retrieve

__all__ = [
    "DEFAULT_MEASURES",
    "CollectionName",
    "CollectionOutcome",
    "Experiment",
    "Fuse",
    "Given",
    "Rerank",
    "Results",
    "Retrieve",
    "SystemConfig",
    "SystemOutcome",
    "parse_experiment",
    "read_experiment",
    "read_results",
    "run_experiment",
    "single",
]
