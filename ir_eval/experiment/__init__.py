"""Experiments: systems that are described in a TOML file, run on collections, evaluated and compared."""

from ir_eval.experiment.config import DEFAULT_MEASURES, Experiment, single
from ir_eval.experiment.experiment_file import parse_experiment, read_experiment
from ir_eval.experiment.results import CollectionOutcome, Results, SystemOutcome, read_results
from ir_eval.experiment.runner import run_experiment
from ir_eval.experiment.system_config import CollectionName
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
    "SystemOutcome",
    "parse_experiment",
    "read_experiment",
    "read_results",
    "run_experiment",
    "single",
]
