"""Runs and judgements for other libraries, and theirs for us: pandas, Arrow, ranx, ir_measures.

Columns have the names that the field uses: ``query_id``, ``doc_id``, and ``score`` or ``relevance``; PyTerrier's
``qid``, ``docno`` and ``label`` are read, too. A score goes out as the float32 that it is.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.data.table import flatten
from ir_eval.errors import InputError

if TYPE_CHECKING:
    import ir_measures
    import pandas as pd
    import pyarrow as pa
    import ranx

    RunData: TypeAlias = pd.DataFrame | pa.Table | ranx.Run | Iterable[ir_measures.ScoredDoc]
    QrelsData: TypeAlias = pd.DataFrame | pa.Table | ranx.Qrels | Iterable[ir_measures.Qrel]

_QUERY, _DOC, _SCORE, _RELEVANCE = ("query_id", "qid"), ("doc_id", "docno"), ("score",), ("relevance", "label")


def to_pandas(table: Run | Qrels) -> "pd.DataFrame":
    """Return a row for each document, in canonical order, with the columns query_id, doc_id and the number. (N, 3)."""
    import pandas as pd

    return pd.DataFrame(_columns(table))


def to_arrow(table: Run | Qrels) -> "pa.Table":
    """Return what `to_pandas` does as an Arrow table, which ``pyarrow.parquet`` writes. (N, 3)."""
    import pyarrow as pa

    return pa.table(_columns(table))


def to_ranx(table: Run | Qrels) -> "ranx.Run | ranx.Qrels":
    """Return a run or judgements of ranx. It orders ties as its sorting leaves them, so its figures may differ."""
    import ranx

    return ranx.Run(table.to_dict(), name=table.name) if isinstance(table, Run) else ranx.Qrels(table.to_dict())


def to_ir_measures(table: Run | Qrels) -> "Iterator[ir_measures.ScoredDoc | ir_measures.Qrel]":
    """Return a record for each document, in canonical order. ir_measures orders ties by the measure's provider."""
    import ir_measures

    record = ir_measures.ScoredDoc if isinstance(table, Run) else ir_measures.Qrel
    rows = zip(table.codes.tolist(), table.doc_ids.tolist(), table.values.tolist(), strict=True)
    query_ids = list(table)
    return (record(query_ids[query], doc_id, number) for query, doc_id, number in rows)


def run_from(data: "RunData", *, name: str | None = None) -> Run:
    """Make a run of what another library has.

    Args:
        data: A DataFrame or an Arrow table with the columns query_id or qid, doc_id or docno, and score; a run of ranx;
            records with the attributes query_id, doc_id and score.
        name: Of the system; if not given, that of ranx's run, else ``run``.

    Raises:
        InputError: A column is missing; and as `Run.from_columns`.
    """
    return Run.from_columns(*_read(data, _SCORE), name=name or getattr(data, "name", None) or "run")


def qrels_from(data: "QrelsData") -> Qrels:
    """Make judgements of what another library has.

    Args:
        data: As for `run_from`, with relevance or label, an integer, in place of score.

    Raises:
        InputError: A column is missing; and as `Qrels.from_columns`.
    """
    return Qrels.from_columns(*_read(data, _RELEVANCE))


def _columns(table: Run | Qrels) -> dict[str, Any]:
    number = _SCORE if isinstance(table, Run) else _RELEVANCE
    query_ids = table.query_ids[table.codes].tolist()
    return {_QUERY[0]: query_ids, _DOC[0]: table.doc_ids.tolist(), number[0]: table.values}


def _read(data: "RunData | QrelsData", number: tuple[str, ...]) -> tuple[list[Any], list[Any], Any]:
    """Return the columns query, document and number of any of the kinds."""
    if hasattr(data, "to_dict") and not hasattr(data, "columns"):  # ranx
        return flatten(data.to_dict())
    if not hasattr(data, "columns"):
        rows = [(record.query_id, record.doc_id, getattr(record, number[0])) for record in data]
        return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
    frame: Any = data
    names = list(getattr(frame, "column_names", frame.columns))
    query, doc, value = (_name(names, spellings) for spellings in (_QUERY, _DOC, number))
    as_list = "to_pylist" if hasattr(frame, "column_names") else "tolist"
    return getattr(frame[query], as_list)(), getattr(frame[doc], as_list)(), frame[value].to_numpy()


def _name(names: list[str], spellings: tuple[str, ...]) -> str:
    for name in spellings:
        if name in names:
            return name
    raise InputError(f"columns {', '.join(map(str, names))}; expected one named {' or '.join(spellings)}")
