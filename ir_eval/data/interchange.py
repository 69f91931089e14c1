"""Conversion of runs and qrels to and from pandas, Arrow, ranx and ir_measures.

The columns are named ``query_id``, ``doc_id``, and ``score`` or ``relevance``. PyTerrier's names ``qid``, ``docno`` and
``label`` are read, too. Scores are written as float32.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from ir_eval.data.columns import flatten
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.errors import InputError

if TYPE_CHECKING:
    import ir_measures
    import pandas as pd
    import pyarrow as pa
    import ranx

    RunData: TypeAlias = pd.DataFrame | pa.Table | ranx.Run | Iterable[ir_measures.ScoredDoc]
    QrelsData: TypeAlias = pd.DataFrame | pa.Table | ranx.Qrels | Iterable[ir_measures.Qrel]

# Accepted names of each column; the first is written.
_QUERY, _DOC, _SCORE, _RELEVANCE = ("query_id", "qid"), ("doc_id", "docno"), ("score",), ("relevance", "label")


def to_pandas(table: Run | Qrels) -> "pd.DataFrame":
    """Return a DataFrame with one row per document, in canonical order. (N, 3).

    Examples:
        >>> list(to_pandas(Run.read("bm25.trec")))
        ['query_id', 'doc_id', 'score']
    """
    import pandas as pd

    return pd.DataFrame(_columns(table))


def to_arrow(table: Run | Qrels) -> "pa.Table":
    """Return an Arrow table with one row per document, in canonical order. (N, 3).

    Examples:
        >>> from pyarrow import parquet
        >>> parquet.write_table(to_arrow(Run.read("bm25.trec")), "bm25.parquet")
    """
    import pyarrow as pa

    return pa.table(_columns(table))


def to_ranx(table: Run | Qrels) -> "ranx.Run | ranx.Qrels":
    """Return a run or qrels of ranx. ranx does not define the order of ties, so its figures may differ.

    Examples:
        >>> to_ranx(Run.read("bm25.trec")).name
        'bm25'
    """
    import ranx

    return ranx.Run(table.to_dict(), name=table.name) if isinstance(table, Run) else ranx.Qrels(table.to_dict())


def to_ir_measures(table: Run | Qrels) -> "Iterator[ir_measures.ScoredDoc | ir_measures.Qrel]":
    """Yield one record per document, in canonical order. In ir_measures, the provider of a measure orders ties.

    Examples:
        >>> next(to_ir_measures(Run.read("bm25.trec")))
        ScoredDoc(query_id='q1', doc_id='d2', score=2.0)
    """
    import ir_measures

    record = ir_measures.ScoredDoc if isinstance(table, Run) else ir_measures.Qrel
    query_ids, doc_ids, numbers = _columns(table).values()
    return (record(*row) for row in zip(query_ids, doc_ids, numbers.tolist(), strict=True))


def run_from(data: "RunData", *, name: str | None = None) -> Run:
    """Make a run from the data of another library.

    Args:
        data: A DataFrame or an Arrow table with the columns query_id or qid, doc_id or docno, and score; a run of ranx;
            or records with the attributes query_id, doc_id and score.
        name: Name of the system (default: the name of ranx's run, else ``run``).

    Examples:
        >>> import pandas as pd
        >>> run_from(pd.DataFrame({"qid": ["q1"], "docno": ["d1"], "score": [2.0]})).to_dict()
        {'q1': {'d1': 2.0}}
    """
    return Run.from_columns(*_read(data, _SCORE), name=name or getattr(data, "name", None) or "run")


def qrels_from(data: "QrelsData") -> Qrels:
    """Make qrels from the data of another library: as for `run_from`, with relevance or label in place of score.

    Examples:
        >>> import ir_measures
        >>> qrels_from([ir_measures.Qrel("q1", "d1", 2)]).to_dict()
        {'q1': {'d1': 2}}
    """
    return Qrels.from_columns(*_read(data, _RELEVANCE))


def _columns(table: Run | Qrels) -> dict[str, Any]:
    number = _SCORE if isinstance(table, Run) else _RELEVANCE
    query_ids = table.query_ids[table.codes].tolist()
    return {_QUERY[0]: query_ids, _DOC[0]: table.doc_ids.tolist(), number[0]: table.values}


def _read(data: "RunData | QrelsData", number: tuple[str, ...]) -> tuple[list[Any], list[Any], Any]:
    """Return the columns query, document and number of any supported data."""
    if hasattr(data, "to_dict") and not hasattr(data, "columns"):  # ranx
        return flatten(data.to_dict())
    if not hasattr(data, "columns"):
        try:
            rows = [(record.query_id, record.doc_id, getattr(record, number[0])) for record in data]
        except (AttributeError, TypeError) as error:
            accepted = f"a table, or records with query_id, doc_id and {number[0]}"
            raise InputError(f"data of type {type(data).__name__} ({error}); expected {accepted}") from None
        return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
    frame: Any = data.to_pandas() if hasattr(data, "to_pandas") else data  # Arrow
    query, doc, value = (_find_column(list(frame.columns), accepted) for accepted in (_QUERY, _DOC, number))
    return frame[query].tolist(), frame[doc].tolist(), frame[value].to_numpy()


def _find_column(names: list[str], accepted: tuple[str, ...]) -> str:
    for name in accepted:
        if name in names:
            return name
    raise InputError(f"columns {', '.join(map(str, names))}; expected one named {' or '.join(accepted)}")
