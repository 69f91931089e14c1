"""Topics → first stages → fusion → rerankers → evaluation, over one collection or several: the main job.

An experiment is one value, from a TOML file (`read_experiment`) or made in Python; `run_experiment` runs it, `Results`
writes what it found, and `read_results` reads that back.
"""

from ir_eval.experiment.config import MEASURES, Experiment, single
from ir_eval.experiment.experiment_file import experiment_toml, read_experiment
from ir_eval.experiment.results import Outcome, Results, System, read_results
from ir_eval.experiment.runner import run_experiment
from ir_eval.experiment.systems import CollectionName, Fuse, Given, Rerank, Retrieve, SystemConfig

__all__ = [
    "MEASURES",
    "CollectionName",
    "Experiment",
    "Fuse",
    "Given",
    "Outcome",
    "Rerank",
    "Results",
    "Retrieve",
    "System",
    "SystemConfig",
    "experiment_toml",
    "read_experiment",
    "read_results",
    "run_experiment",
    "single",
]
