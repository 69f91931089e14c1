"""ir_eval: first stages, fusion, reranking and evaluation with trec_eval's exact meaning.

The names below are imported when they are first used, so that ``import ir_eval`` imports neither torch nor Java.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ir_eval.collections import Collection as Collection, open_collection as open_collection
    from ir_eval.data.interchange import qrels_from as qrels_from, run_from as run_from, to_pandas as to_pandas
    from ir_eval.data.qrels import Qrels as Qrels
    from ir_eval.data.run import Run as Run
    from ir_eval.errors import InputError as InputError
    from ir_eval.evaluation.compare import compare as compare
    from ir_eval.evaluation.comparison import Comparison as Comparison
    from ir_eval.evaluation.evaluate import Evaluation as Evaluation, evaluate as evaluate, hole_rates as hole_rates
    from ir_eval.evaluation.measures import Measure as Measure, parse_measure as parse_measure
    from ir_eval.experiment.config import Experiment as Experiment
    from ir_eval.experiment.experiment_file import read_experiment as read_experiment
    from ir_eval.experiment.results import Results as Results, read_results as read_results
    from ir_eval.experiment.runner import run_experiment as run_experiment
    from ir_eval.experiment.system_config import CollectionName as CollectionName
    from ir_eval.experiment.systems import Fuse as Fuse, Given as Given, Rerank as Rerank, Retrieve as Retrieve
    from ir_eval.leaderboard.leaderboard_file import read_leaderboard as read_leaderboard
    from ir_eval.leaderboard.msmarco_submission import write_submission as write_submission
    from ir_eval.leaderboard.reproduce import reproduce as reproduce
    from ir_eval.pipeline.bi_encoder import BiEncoder as BiEncoder
    from ir_eval.pipeline.fusion import fuse as fuse, tune as tune
    from ir_eval.pipeline.negatives import mine as mine
    from ir_eval.pipeline.rerank import load_reranker as load_reranker, rerank as rerank
    from ir_eval.report.html import write_report as write_report
    from ir_eval.retrieval import open_retriever as open_retriever
    from ir_eval.retrieval.bm25 import BM25 as BM25
    from ir_eval.retrieval.dense import Dense as Dense

_NAMES_BY_MODULE = {
    "collections": "Collection open_collection",
    "data.interchange": "qrels_from run_from to_pandas",
    "data.qrels": "Qrels",
    "data.run": "Run",
    "errors": "InputError",
    "evaluation.compare": "compare",
    "evaluation.comparison": "Comparison",
    "evaluation.evaluate": "Evaluation evaluate hole_rates",
    "evaluation.measures": "Measure parse_measure",
    "experiment": "CollectionName Experiment Fuse Given Rerank Results Retrieve "
    "read_experiment read_results run_experiment",
    "leaderboard": "read_leaderboard reproduce write_submission",
    "pipeline.bi_encoder": "BiEncoder",
    "pipeline.fusion": "fuse tune",
    "pipeline.negatives": "mine",
    "pipeline.rerank": "load_reranker rerank",
    "report.html": "write_report",
    "retrieval": "open_retriever",
    "retrieval.bm25": "BM25",
    "retrieval.dense": "Dense",
}
_MODULES = {name: f"ir_eval.{module}" for module, names in _NAMES_BY_MODULE.items() for name in names.split()}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
