"""Experiments: systems that are described in a TOML file, run on collections, evaluated and compared."""

from ir_eval.experiment.config import DEFAULT_MEASURES as DEFAULT_MEASURES, Experiment as Experiment, single as single
from ir_eval.experiment.experiment_file import parse_experiment as parse_experiment, read_experiment as read_experiment
from ir_eval.experiment.results import (
    CollectionOutcome as CollectionOutcome,
    Results as Results,
    SystemOutcome as SystemOutcome,
    read_results as read_results,
)
from ir_eval.experiment.runner import run_experiment as run_experiment
from ir_eval.experiment.system_config import CollectionName as CollectionName
from ir_eval.experiment.systems import Fuse as Fuse, Given as Given, Rerank as Rerank, Retrieve as Retrieve
