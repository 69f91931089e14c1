"""Make the training lists: a query, one passage of its relevant document, and seven passages that BM25 finds.

    python lists.py OUT --shards 60

`GEMMA_ST_DATA` names the folder that holds beir/, msmarco/ and text/. OUT gets one BEIR folder per pool of passages,
`lists/00000.jsonl`, … (1,000 lists each, every shard with the same mixture of sets) and `lists/dev.jsonl` (150 lists of
queries that are in no other shard). A list is `{"set", "query", "documents"}`; the first document is the relevant one,
then come four of BM25's ranks 1–20, two of ranks 21–200 and one random passage of the same pool.

Passages are cut at sentence boundaries to the length of MS MARCO's (a quarter of them stays whole). No text of a test
set takes part, nor a passage that shares twelve words in a row with one of TREC-DL: see `forbidden` and `shingles`.
"""

import argparse
import json
import os
import re
from collections import defaultdict
from pathlib import Path
from random import Random

from ir_eval import BM25, open_collection

DATA = Path(os.environ.get("GEMMA_ST_DATA", "../shared/data"))
# set → (pool of passages, lists in each shard, lists in dev)
SETS = {
    "nq-qed": ("wikipedia", 250, 100),
    "squad": ("wikipedia", 400, 50),
    "squadshifts-amazon": ("amazon", 50, 0),
    "squadshifts-reddit": ("reddit", 50, 0),
    "medquad": ("medquad", 70, 0),
    "acl-titles": ("acl-titles", 80, 0),
    "documentation": ("documentation", 100, 0),
}
TESTS = ["msmarco/trec-dl19", "msmarco/trec-dl21", "msmarco/dev-small", "beir/vaswani", "beir/cranfield", "beir/cisi"]
TESTS += ["beir/cacm", "beir/nq-qed:dev", "beir/squad:dev"]
SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z0-9\"'(])")
STOP = set("a an the is are was were do does did of in on at to for by with and or what which who how when".split())
LONGEST = 200  # words of a passage
ROW = 12  # words in a row
NEAR, FAR, ANY = 4, 2, 1  # negatives of BM25's first 20, of its ranks 21 to 200, and random ones


def words(text: str) -> str:
    """Return a text's words without case and punctuation."""
    return " ".join(re.findall("[a-z0-9]+", text.lower()))


def records(path: Path) -> list[dict[str, str]]:
    """Read a JSONL file."""
    return [json.loads(line) for line in path.open(encoding="utf-8")]


def forbidden() -> set[str]:
    """Return the words of every query and passage of the test sets.

    Of a set with a training split, only the test split's queries and relevant passages count.
    """
    found = set()
    for test in TESTS:
        name, _, split = test.partition(":")
        folder = DATA / name
        for path in (folder / "queries.tsv", folder / "passages.tsv"):
            if path.exists():
                found |= {words(line.partition("\t")[2]) for line in path.open(encoding="utf-8", newline="\n")}
        judged = {part for q, d in qrels(folder, split) for part in (q, d)} if split else None
        for path in (folder / "queries.jsonl", folder / "corpus.jsonl"):
            for row in records(path) if path.exists() else ():
                if judged is None or row["_id"] in judged:
                    found |= {words(row["text"]), words(f"{row.get('title', '')} {row['text']}")}
    return found - {""}


def shingles(text: str) -> set[int]:
    """Return a hash of each twelve words in a row of a text."""
    row = words(text).split()
    return {hash(tuple(row[i : i + ROW])) for i in range(len(row) - ROW + 1)}


def judged_shingles() -> set[int]:
    """Return the twelve words in a row of all passages of TREC-DL."""
    paths = [DATA / test / "passages.tsv" for test in TESTS if (DATA / test / "passages.tsv").exists()]
    lines = (line for path in paths for line in path.open(encoding="utf-8", newline="\n"))
    return {number for line in lines for number in shingles(line.partition("\t")[2])}


def qrels(folder: Path, split: str) -> list[tuple[str, str]]:
    """Return the (query, document) pairs of a split."""
    rows = (line.split("\t") for line in (folder / "qrels" / f"{split}.tsv").read_text().splitlines()[1:])
    return [(query, document) for query, document, _ in rows]


def chunks(text: str, random: Random) -> list[str]:
    """Cut a text at sentence boundaries into passages of 30 to 90 words; leave a quarter of all texts whole."""
    if random.random() < 0.25:
        return [" ".join(text.split()[:LONGEST])]
    passages, passage, aim = [], [], random.randint(30, 90)
    for sentence in SENTENCE.split(" ".join(text.split())):
        passage += sentence.split()
        if len(passage) >= aim:
            passages.append(" ".join(passage[:LONGEST]))
            passage, aim = [], random.randint(30, 90)
    if len(passage) >= 20 or not passages:
        passages.append(" ".join(passage[:LONGEST]))
    return passages


def rephrase(query: str, random: Random) -> str:
    """Write a query as people type it: half of them in lower case without a question mark, a tenth as keywords."""
    draw = random.random()
    if draw < 0.5:
        query = query.lower().rstrip(" ?.")
    if draw < 0.1:
        query = " ".join(word for word in query.split() if word not in STOP) or query
    return query


def write_pools(out: Path) -> None:
    """Write one BEIR folder per pool: passages `SET/DOCUMENT/NUMBER`, queries `SET/QUERY` of the training splits."""
    tests, rows = forbidden(), judged_shingles()
    pools = defaultdict(lambda: ([], [], []))
    for name, (pool, _, _) in SETS.items():
        folder, random = (out if name == "documentation" else DATA / "beir") / name, Random(name)
        passages, queries, judged = pools[pool]
        count = {}
        for row in records(folder / "corpus.jsonl"):
            if {words(row["text"]), words(f"{row.get('title', '')} {row['text']}")} & tests:
                continue
            kept = [text for text in chunks(row["text"], random) if words(text) not in tests]
            kept = [text for text in kept if rows.isdisjoint(shingles(text))]
            if pool == "wikipedia" and row["title"] and random.random() < 0.3:
                kept = [f"{row['title']}. {text}" for text in kept]
            count[row["_id"]] = len(kept)
            passages += [{"_id": f"{name}/{row['_id']}/{i}", "text": text} for i, text in enumerate(kept)]
        relevant = dict(qrels(folder, "train"))
        for row in records(folder / "queries.jsonl"):
            if row["_id"] in relevant and words(row["text"]) not in tests and count.get(relevant[row["_id"]]):
                queries.append({"_id": f"{name}/{row['_id']}", "text": rephrase(row["text"], random)})
                judged.append(f"{name}/{row['_id']}\t{name}/{relevant[row['_id']]}/0\t1")
    for pool, (passages, queries, judged) in pools.items():
        (out / pool / "qrels").mkdir(parents=True, exist_ok=True)
        for file, rows in (("corpus", passages), ("queries", queries)):
            (out / pool / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (out / pool / "qrels/train.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]) + "\n")


def draw(ranked: list[str], relevant: str, everything: list[str], random: Random) -> list[str]:
    """Draw the passages of one list, the relevant document's best one first."""
    own = [passage for passage in ranked if passage.startswith(relevant)]
    first = own[0] if own else f"{relevant}0"
    near = [passage for passage in ranked[:20] if passage != first]
    far = [passage for passage in ranked[20:] if passage != first]
    drawn = random.sample(near, min(NEAR, len(near))) + random.sample(far, min(FAR, len(far)))
    while len(drawn) < NEAR + FAR + ANY:
        drawn += [passage for passage in random.sample(everything, 1) if passage not in (*drawn, first)]
    return [first, *drawn]


def main(out: Path, shards: int) -> None:
    """Write the pools, search each of them, and write the shards."""
    write_pools(out)
    lists: dict[str, list[dict[str, object]]] = {}
    for pool in dict.fromkeys(pool for pool, _, _ in SETS.values()):
        collection = open_collection(str(out / pool), split="train")
        relevant = {q: d.rpartition("/")[0] + "/" for q, d in qrels(out / pool, "train")}
        texts = {row["_id"]: row["text"] for row in records(out / pool / "corpus.jsonl")}
        everything = list(texts)
        for name, (_, share, dev) in ((n, s) for n, s in SETS.items() if s[0] == pool):
            random, need = Random(name), shards * share + dev
            ids = [query for query in relevant if query.startswith(f"{name}/")]
            random.shuffle(ids)
            ids = ids[:need]
            run = BM25(collection).search({query: collection.topics[query] for query in ids}, k=200)
            # a set with too few queries begins again with other negatives, but never with a query of dev
            order = ids + [query for _ in range(need // max(1, len(ids) - dev)) for query in ids[dev:]]
            lists[name] = []
            for query in order[:need]:
                ranked = run[query][0].tolist() if query in run else []
                documents = [texts[passage] for passage in draw(ranked, relevant[query], everything, random)]
                lists[name].append({"set": name, "query": collection.topics[query], "documents": documents})
            print(f"{name}: {len(ids)} queries, {len(lists[name])} lists", flush=True)
    (out / "lists").mkdir(exist_ok=True)
    parts = {"dev": [row for name, (_, _, dev) in SETS.items() for row in lists[name][:dev]]}
    for shard in range(shards):
        rows = []
        for name, (_, share, dev) in SETS.items():
            rows += lists[name][dev + shard * share : dev + (shard + 1) * share]
        Random(shard).shuffle(rows)
        parts[f"{shard:05}"] = rows
    for part, rows in parts.items():
        (out / "lists" / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--shards", type=int, default=60)
    main(**vars(parser.parse_args()))
