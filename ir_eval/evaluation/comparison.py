"""The result of a comparison of systems, and the method of its significance tests."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ir_eval.errors import MAX_SEED, InputError, check_count, shorten, shown

TESTS = ("t", "randomization")  # significance tests
CORRECTIONS = ("holm", "bonferroni", "tukey", "none")  # for multiple tests
_HOLES_MARGIN = 0.05  # a hole rate this far above the baseline's is worth a warning: half a document in the top 10


def check_systems(systems: Collection[str], baselines: Sequence[str]) -> None:
    """Check, before long work, that there are two systems and a baseline, and that each baseline is a system.

    Examples:
        >>> check_systems(["bm25", "reranked"], ["dense"])
        Traceback (most recent call last):
        ir_eval.errors.InputError: baseline 'dense'; expected one of bm25, reranked
    """
    if not isinstance(systems, Collection) or not all(isinstance(name, str) for name in systems):
        raise InputError(f"systems {shown(systems)}; expected a collection of names")
    if isinstance(baselines, str) or not isinstance(baselines, Sequence):
        raise InputError(f"baselines {shown(baselines)}; expected a list of names")
    if len(systems) < 2:
        raise InputError(f"{', '.join(systems) or 'no system'} alone; expected at least 2 systems; add a run")
    unknown = [name for name in baselines if not isinstance(name, str) or name not in systems]
    if unknown or not baselines:
        seen = ", ".join(map(shown, unknown)) or "missing"
        raise InputError(f"baseline {seen}; expected one of {', '.join(map(shorten, systems))}")


@dataclass(frozen=True)
class Method:
    """The method of testing differences for significance.

    Attributes:
        tests: Names from `TESTS`: paired t-test, paired randomisation test.
        correction: Name from `CORRECTIONS`. For Holm and Bonferroni, a family is all systems against one baseline, on
            one measure, by one test. For Tukey, it is all pairs of systems, on one measure, by one test: the
            studentised range for t, the randomised HSD for randomisation (Carterette, TOIS 2012).
        seed: Seed of random draws.
        alpha: Significance level of the corrected p-value; the level of the interval is 1 - ``alpha``.

    Examples:
        >>> Method(tests=("t",), correction="tukey")
        Method(tests=('t',), correction='tukey', seed=0, alpha=0.05)
    """

    tests: tuple[str, ...] = TESTS
    correction: str = "holm"
    seed: int = 0
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Raise InputError for an option that does not exist."""
        if not self.tests or isinstance(self.tests, str) or any(test not in TESTS for test in self.tests):
            seen = "none" if not self.tests else ", ".join(map(shown, self.tests))
            raise InputError(f"tests {shorten(seen)}; expected some of {', '.join(TESTS)}")
        if self.correction not in CORRECTIONS:
            raise InputError(f"correction {shown(self.correction)}; expected one of {', '.join(CORRECTIONS)}")
        check_count("seed", self.seed, least=0, most=MAX_SEED)
        if not isinstance(self.alpha, float) or not 0 < self.alpha < 1:
            raise InputError(f"alpha {shown(self.alpha)}; expected a number between 0 and 1, such as 0.05")


@dataclass(frozen=True)
class Difference:
    """One system compared with one baseline on one measure; an undefined value is None.

    Attributes:
        mean: Mean of the system.
        difference: Mean of the system minus mean of the baseline.
        relative: ``difference`` / mean of the baseline; None if that mean is 0.
        interval: Bootstrap confidence interval of the difference.
        p: P-value by each test.
        corrected: Corrected p-value by each test; see `Method`.
        significant: Whether every test that is defined, and at least one, finds a significant difference.
        effect_size: Cohen's d of paired samples.
        wins: Number of queries on which the system is better.
        ties: Number of queries on which both are equal.
        losses: Number of queries on which the baseline is better.

    Examples:
        >>> from ir_eval import Qrels, Run, compare, evaluate
        >>> runs = Run.read("bm25.trec"), Run.read("reranked.trec")
        >>> systems = {run.name: evaluate(Qrels.read("qrels.txt"), run, ["mrr"]) for run in runs}
        >>> compare(systems, ["bm25"]).differences[0].p["randomization"]
        0.5
    """

    measure: str
    baseline: str
    system: str
    mean: float
    difference: float
    relative: float | None
    interval: tuple[float, float] | None
    p: dict[str, float | None]
    corrected: dict[str, float | None]
    significant: bool
    effect_size: float | None
    wins: int
    ties: int
    losses: int


@dataclass(frozen=True)
class Comparison:
    """The result of `compare`.

    Attributes:
        queries: Number of judged queries.
        means: Mean of each system on each measure.
        baselines: Systems that all others are compared with, other baselines included.
        method: Significance tests.
        differences: Differences by measure, then baseline, then system, in the given order.
        holes: Hole rates of each system, if known: ``{"bm25": {"holes@10": 0.02}}``.
        gaps: A note for each system that does not answer all judged queries.
        notes: Further notes on the systems and the collection.

    Examples:
        >>> found = Comparison(2, {"bm25": {"mrr": 0.25}, "dense": {"mrr": 0.5}}, ("bm25",), Method(), (),
        ...                    holes={"bm25": {"holes@10": 0.0}, "dense": {"holes@10": 0.2}})
        >>> found.warnings
        ["dense: 20.0% of its first 10 documents have no judgement, 0.0% of bm25's: ..."]
    """

    queries: int
    means: dict[str, dict[str, float]]
    baselines: tuple[str, ...]
    method: Method
    differences: tuple[Difference, ...]
    holes: dict[str, dict[str, float]]
    gaps: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def against(self, measure: str, baseline: str) -> dict[str, Difference]:
        """Return the difference of each system from one baseline on one measure."""
        return {row.system: row for row in self.differences if (row.measure, row.baseline) == (measure, baseline)}

    @property
    def warnings(self) -> list[str]:
        """One line for each system whose hole rate is at least 0.05 above a baseline's.

        Judgements are pooled from earlier systems, and unjudged documents count as not relevant, which puts a new
        system at a disadvantage (Thakur et al., BEIR, NeurIPS 2021).
        """
        return [
            f"{system}: {rate:.1%} of its first {name.partition('@')[2]} documents have no judgement, "
            f"{self.holes[baseline][name]:.1%} of {baseline}'s: its true scores may be higher"
            for baseline in self.baselines
            for system, rates in self.holes.items()
            for name, rate in rates.items()
            if rate - self.holes[baseline][name] >= _HOLES_MARGIN
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return all fields and the warnings as data for JSON, without NaN."""
        return asdict(self) | {"warnings": self.warnings}
