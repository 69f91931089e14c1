"""The examination: every kind of fault, how many were tried, how many failed; in JSON and in docs/reliability.md."""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from gemma_st.files import write_whole
from gemma_st.provenance import commit
from tests.faults import interruptions, models, systematic, threads
from tests.faults.fuzzer import ROOT, Tally

Kind = Callable[[Path, int], Iterator[tuple[str, str]]]
KINDS: dict[str, Kind] = {
    "run files": systematic.bad_runs,
    "qrels files": systematic.bad_qrels,
    "collections": systematic.bad_collections,
    "TOML files": systematic.bad_tomls,
    "GLUE files and training lists": systematic.bad_lists,
    "results and records in JSON": systematic.bad_records,
    "names and submissions": systematic.bad_names,
    "Python values": systematic.bad_values,
    "model directories": models.tries,
    "kills": interruptions.kills,
    "full disks": interruptions.full_disks,
    "read-only folders": interruptions.read_only,
    "two processes at once": interruptions.together,
    "threads": threads.tries,
}
FUZZ, INPUTS = "fuzz", 1_000_000
PAGE, RECORD = ROOT / "docs/reliability.md", ROOT / "docs/reliability.json"
BEGIN, END = "<!-- the table: written by make faults and make fuzz -->", "<!-- the end of the table -->"


@dataclass(frozen=True)
class Outcome:
    """The outcome of one kind of fault.

    Attributes:
        tried: Number of tries.
        faults: Name and fault of each try that failed, the smallest input first.
        command: Command that repeats it.
        date: Day.
        commit: Commit of the code.
    """

    tried: int
    faults: Sequence[str]
    command: str
    date: str
    commit: str


def examine(names: Sequence[str], *, thin: int) -> dict[str, Outcome]:
    """Try the kinds of these names, one in ``thin`` of their broken inputs."""
    found = {}
    for name in names:
        with tempfile.TemporaryDirectory() as root:
            tries = [_told(name, *one) for one in KINDS[name](Path(root), thin)]
        faults = [f"{what}: {fault}" for what, fault in tries if fault]
        sys.stderr.write(f"{name}: {len(tries):,} tried, {len(faults):,} failed\n")
        command = "make faults" if thin == 1 else f"python -m tests.faults faults --thin {thin}"
        found[name] = outcome(len(tries), faults, command)
    return found


def _told(kind: str, what: str, fault: str) -> tuple[str, str]:
    """Print a try that failed, at once."""
    if fault:
        sys.stderr.write(f"{kind}: FAILED {what[:300]}: {fault[:300]}\n")
    return what, fault


def fuzz_outcome(tallies: dict[str, Tally]) -> Outcome:
    """Return the outcome of a fuzz run."""
    faults = [f"{name}: {data}: {fault}" for name, tally in tallies.items() for fault, data in tally.faults.items()]
    tried = sum(tally.tried for tally in tallies.values())
    return outcome(tried, faults, "make fuzz" if tried >= INPUTS else f"python -m tests.faults fuzz --inputs {tried}")


def outcome(tried: int, faults: list[str], command: str) -> Outcome:
    """Return an outcome of this day and this commit."""
    return Outcome(tried, sorted(faults, key=len), command, f"{datetime.now(UTC):%Y-%m-%d}", commit() or "unknown")


def publish(found: dict[str, Outcome], page: Path = PAGE, record: Path = RECORD) -> None:
    """Replace the outcomes of these kinds in the record, and the table in the page."""
    kept = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    kept |= {name: asdict(one) for name, one in found.items()}
    ordered = {name: kept[name] for name in (*KINDS, FUZZ) if name in kept}
    write_whole(record, json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    write_whole(page, f"{before}{BEGIN}\n\n{table(ordered)}\n\n{END}{rest.partition(END)[2]}")


def table(outcomes: dict[str, dict[str, object]]) -> str:
    """Return the Markdown table of a record."""
    rows = ["| kind | tried | failed | command | date | commit |", "|---|--:|--:|---|---|---|"]
    for name, one in outcomes.items():
        faults = one["faults"]
        number = len(faults) if isinstance(faults, list) else 0
        rows.append(
            f"| {name} | {one['tried']:,} | {number} | `{one['command']}` | {one['date']} | {str(one['commit'])[:7]} |"
        )
    return "\n".join(rows)
