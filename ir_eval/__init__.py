"""ir_eval: first stages, fusion, reranking and evaluation with trec_eval's exact meaning.

The names below are imported when they are first used, so that ``import ir_eval`` imports neither torch nor Java.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ir_eval.collections import Collection as Collection
    from ir_eval.collections import open_collection as open_collection
    from ir_eval.data.qrels import Qrels as Qrels
    from ir_eval.data.run import Run as Run
    from ir_eval.errors import InputError as InputError
    from ir_eval.evaluation.compare import compare as compare
    from ir_eval.evaluation.comparison import Comparison as Comparison
    from ir_eval.evaluation.evaluate import Evaluation as Evaluation
    from ir_eval.evaluation.evaluate import evaluate as evaluate
    from ir_eval.evaluation.holes import hole_rates as hole_rates
    from ir_eval.evaluation.measures import Measure as Measure
    from ir_eval.evaluation.measures import parse_measure as parse_measure
    from ir_eval.experiment import Experiment as Experiment
    from ir_eval.experiment import read_experiment as read_experiment
    from ir_eval.experiment import read_results as read_results
    from ir_eval.experiment import run_experiment as run_experiment
    from ir_eval.leaderboard import read_leaderboard as read_leaderboard
    from ir_eval.leaderboard import reproduce as reproduce
    from ir_eval.pipeline.fusion import fuse as fuse
    from ir_eval.pipeline.fusion import tune as tune
    from ir_eval.pipeline.negatives import mine as mine
    from ir_eval.pipeline.rerank import load_reranker as load_reranker
    from ir_eval.pipeline.rerank import rerank as rerank
    from ir_eval.report.html import write_report as write_report
    from ir_eval.retrieval import open_retriever as open_retriever
    from ir_eval.retrieval.bm25 import BM25 as BM25
    from ir_eval.retrieval.dense import Dense as Dense

_MODULES = {
    "BM25": "ir_eval.retrieval.bm25",
    "Collection": "ir_eval.collections",
    "Comparison": "ir_eval.evaluation.comparison",
    "Dense": "ir_eval.retrieval.dense",
    "Evaluation": "ir_eval.evaluation.evaluate",
    "Experiment": "ir_eval.experiment",
    "InputError": "ir_eval.errors",
    "Measure": "ir_eval.evaluation.measures",
    "Qrels": "ir_eval.data.qrels",
    "Run": "ir_eval.data.run",
    "compare": "ir_eval.evaluation.compare",
    "evaluate": "ir_eval.evaluation.evaluate",
    "fuse": "ir_eval.pipeline.fusion",
    "hole_rates": "ir_eval.evaluation.holes",
    "load_reranker": "ir_eval.pipeline.rerank",
    "mine": "ir_eval.pipeline.negatives",
    "open_collection": "ir_eval.collections",
    "open_retriever": "ir_eval.retrieval",
    "parse_measure": "ir_eval.evaluation.measures",
    "read_experiment": "ir_eval.experiment",
    "read_leaderboard": "ir_eval.leaderboard",
    "read_results": "ir_eval.experiment",
    "reproduce": "ir_eval.leaderboard",
    "rerank": "ir_eval.pipeline.rerank",
    "run_experiment": "ir_eval.experiment",
    "tune": "ir_eval.pipeline.fusion",
    "write_report": "ir_eval.report.html",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_MODULES)}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return list(_MODULES)
