"""What a checkpoint is worth: agreement with the teacher on held-out lists, and nDCG@10 on a part of TREC-DL 2021."""

import os
from pathlib import Path

import numpy as np
import torch
from data import Lists, length_sorted
from ir_eval.evaluate import evaluate
from ir_eval.qrels import Qrels
from ir_eval.rerank import rerank
from ir_eval.run import Run
from numpy.typing import NDArray
from student import Student

from ir_eval.collections import open_collection

DATA = Path(os.environ.get("GEMMA_ST_DATA", "../shared/data"))
DEV_LISTS = 60
TOPICS, DEPTH = 30, 50  # of the part of TREC-DL 2021


class Scorer:
    """A student under training as a reranker: bf16 autocast, inputs cut at its training length."""

    def __init__(self, student: Student, lists: Lists) -> None:
        """Take the student and the lists, whose tokenizer has the template."""
        self.student, self.lists = student, lists

    def predict(self, pairs: list[tuple[str, str]]) -> NDArray[np.float32]:
        """Score pairs."""
        queries, documents = zip(*pairs, strict=True)
        options = {"truncation": "only_second", "max_length": self.lists.longest}
        return self.scores(self.lists.tokenizer(queries, documents, **options).input_ids)

    @torch.inference_mode()
    def scores(self, ids: list[list[int]]) -> NDArray[np.float32]:
        """Score token ids."""
        result = np.empty(len(ids), np.float32)
        for rows, batch, mask in length_sorted(ids):
            with torch.autocast("cpu", torch.bfloat16):
                result[rows] = self.student(batch, mask)[0].float().numpy()
        return result


def dev_figures(student: Student, lists: Lists) -> dict[str, float]:
    """Return the correlation with the teacher, how often its best passage is found, and nDCG@10.

    The figures `dl21_part` and `dl21_part_bm25` are nDCG@10 of the student and of BM25 on the first 30 topics with 50
    passages each; the lists are the first 60 of dev (nq-qed).
    """
    was = student.training
    student.eval()
    scorer = Scorer(student, lists)
    items = lists.shard("dev")[:DEV_LISTS]
    own = scorer.scores([ids for item in items for ids in item.pairs]).reshape(len(items), -1)
    logits = np.stack([item.logits for item in items])
    within = [np.corrcoef(a, b)[0, 1] for a, b in zip(own, logits, strict=True)]
    folder = DATA / "msmarco/trec-dl21"
    collection = open_collection(str(folder))
    judged, whole = collection.judgements(), Run.read(folder / "runs/bm25.top100.trec")
    topics = sorted(query for query in judged if query in whole)[:TOPICS]
    part = Qrels.from_dict({query: judged[query] for query in topics})
    places = [(query, *whole[query]) for query in topics]
    rows = [(query, *row) for query, *found in places for row in zip(*(x[:DEPTH].tolist() for x in found), strict=True)]
    first = Run.from_columns(*map(list, zip(*rows, strict=True)), name="bm25")
    reranked = rerank(first, collection, scorer, depth=DEPTH).run
    student.train(was)
    return {
        "dev_correlation": round(float(np.corrcoef(own.ravel(), logits.ravel())[0, 1]), 4),
        "dev_within_lists": round(float(np.nanmean(within)), 4),
        "dev_best_found": round(float((own.argmax(1) == logits.argmax(1)).mean()), 4),
        "dl21_part": round(evaluate(part, reranked, ["ndcg@10"]).means["ndcg@10"], 4),
        "dl21_part_bm25": round(evaluate(part, first, ["ndcg@10"]).means["ndcg@10"], 4),
    }
