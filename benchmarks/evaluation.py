"""Time the evaluation of a run file of 6,980 queries × 1,000 documents: ir_eval against ranx and ir_measures.

    python benchmarks/evaluation.py [DATA]

DATA (default: $GEMMA_ST_DATA or ../shared/data) holds ``msmarco/dev-small``. Each contender reads the same files in the
same process and computes the same five measures; the values must be equal. The output is the time of each in seconds,
the CPU time (which other programs on the machine affect less), and the CPU time as a multiple of ir_eval's. ranx is
timed after its compilation.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np

from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.evaluation.evaluate import evaluate

MEASURES = ["ndcg@10", "map", "mrr@10", "recall@1000", "precision@10"]
DEPTH = 1000


def write_run(qrels: Qrels, path: Path) -> None:
    """Write a run without ties that holds each relevant document with probability 0.8."""
    random = np.random.default_rng(0)
    queries, docs, scores = [], [], []
    for query_id in qrels:
        relevant = [doc_id for doc_id in qrels[query_id] if random.random() < 0.8]
        others = random.choice(8_841_823, DEPTH - len(relevant), replace=False).astype(str).tolist()
        found = list(dict.fromkeys(relevant + others))
        queries += [query_id] * len(found)
        docs += found
        scores += random.permutation(len(found)).tolist()
    Run.from_columns(queries, docs, np.array(scores, dtype=np.float32)).write(path)


def with_ir_eval(qrels: Path, run: Path) -> list[float]:
    """Return the five means of ir_eval."""
    return list(evaluate(Qrels.read(qrels), Run.read(run), MEASURES).means.values())


def with_ranx(qrels: Path, run: Path) -> list[float]:
    """Return the five means of ranx."""
    import ranx

    judgements, ranking = ranx.Qrels.from_file(str(qrels), kind="trec"), ranx.Run.from_file(str(run), kind="trec")
    return list(ranx.evaluate(judgements, ranking, MEASURES, make_comparable=True).values())


def with_ir_measures(qrels: Path, run: Path) -> list[float]:
    """Return the five means of ir_measures."""
    import ir_measures
    from ir_measures import AP, RR, P, R, nDCG

    names = [nDCG @ 10, AP, RR @ 10, R @ 1000, P @ 10]
    judgements, ranking = ir_measures.read_trec_qrels(str(qrels)), ir_measures.read_trec_run(str(run))
    means = ir_measures.calc_aggregate(names, judgements, ranking)
    return [means[name] for name in names]


def timed(contender: Callable[[Path, Path], list[float]], qrels: Path, run: Path) -> tuple[float, float, list[float]]:
    """Return the seconds, the CPU seconds and the means."""
    start, cpu = perf_counter(), process_time()
    means = contender(qrels, run)
    return perf_counter() - start, process_time() - cpu, means


def main() -> None:
    """Write the run, warm each contender up, time each contender, and compare the means."""
    data = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("GEMMA_ST_DATA", "../shared/data"))
    qrels = data / "msmarco/dev-small/qrels.txt"
    with TemporaryDirectory() as folder:
        run, small = Path(folder, "run.trec"), Path(folder, "small.trec")
        write_run(Qrels.read(qrels), run)
        Run.read(run).top(1).write(small)
        contenders = (with_ir_eval, with_ranx, with_ir_measures)
        for contender in contenders:
            contender(qrels, small)
        results = {contender.__name__: timed(contender, qrels, run) for contender in contenders}
    _, own, expected = results["with_ir_eval"]
    for name, (seconds, cpu, means) in results.items():
        np.testing.assert_allclose(means, expected, atol=1e-9)
        print(f"{name.removeprefix('with_'):12} {seconds:7.1f} s {cpu:7.1f} s CPU   {cpu / own:5.1f} ×")
    print("values equal to 1e-9:", ", ".join(f"{m} {v:.4f}" for m, v in zip(MEASURES, expected, strict=True)))


if __name__ == "__main__":
    main()
