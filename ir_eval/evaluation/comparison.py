"""What a comparison of systems says, and how it was tested."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ir_eval.errors import InputError

TESTS = ("t", "randomization")
CORRECTIONS = ("holm", "bonferroni", "tukey", "none")
MANY_HOLES = 0.05


def check_systems(systems: Collection[str], baselines: Sequence[str]) -> None:
    """Refuse what cannot be compared, before long work.

    Raises:
        InputError: Fewer than two systems; a baseline that is none of them, or no baseline.
    """
    if len(systems) < 2:
        raise InputError(f"{', '.join(systems) or 'no system'} alone; expected at least 2 systems; add a run")
    unknown = [name for name in baselines if name not in systems]
    if unknown or not baselines:
        seen = ", ".join(map(repr, unknown)) or "missing"
        raise InputError(f"baseline {seen}; expected one of {', '.join(systems)}")


@dataclass(frozen=True)
class Method:
    """How differences are tested.

    Attributes:
        tests: Of `TESTS`: the paired t-test, the paired randomisation test.
        correction: Of `CORRECTIONS`. For Holm and Bonferroni a family is what stands in one table: all systems
            against one baseline on one measure by one test. For Tukey it is all pairs of systems on one measure by
            one test: the studentised range for t, the randomised HSD for randomisation (Carterette, TOIS 2012).
        seed: Of all that is drawn at random.
        alpha: A corrected p up to this is significant; the interval's level is 1 - ``alpha``.

    Raises:
        InputError: No test, or one that does not exist; no such correction; ``alpha`` outside 0 to 1.
    """

    tests: tuple[str, ...] = TESTS
    correction: str = "holm"
    seed: int = 0
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Check what was chosen."""
        if not self.tests or not set(self.tests) <= set(TESTS):
            raise InputError(f"tests {', '.join(self.tests) or 'none'}; expected some of {', '.join(TESTS)}")
        if self.correction not in CORRECTIONS:
            raise InputError(f"correction {self.correction!r}; expected one of {', '.join(CORRECTIONS)}")
        if self.seed < 0:
            raise InputError(f"seed {self.seed}; expected at least 0")
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha {self.alpha}; expected a number between 0 and 1, such as 0.05")


@dataclass(frozen=True)
class Difference:
    """One system against one baseline on one measure; what is undefined is None, and why stands with each test.

    Attributes:
        measure: As spelled by `Measure`.
        baseline: The system it is compared with.
        system: The system.
        mean: The system's.
        difference: The system's mean less the baseline's.
        relative: The difference as a share of the baseline's mean; None if that is 0.
        interval: Bootstrap confidence interval of the difference.
        p: Test to its p-value.
        corrected: Test to its p-value within the family; see `Method`.
        significant: By every test that is defined, and by one at least.
        effect_size: Cohen's d of paired samples.
        wins: Queries on which the system is better.
        ties: Queries on which both are equal.
        losses: Queries on which the baseline is better.
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
    """What `compare` found.

    Attributes:
        queries: How many queries were judged.
        means: System to measure to mean.
        baselines: Those that the others are compared with; each is a system, and compared with other baselines.
        method: The tests.
        differences: By measure, then baseline, then system, in the order given.
        holes: System to its hole rates, if known: ``{"holes@10": share of the first 10 that nobody judged}``.
    """

    queries: int
    means: dict[str, dict[str, float]]
    baselines: tuple[str, ...]
    method: Method
    differences: tuple[Difference, ...]
    holes: dict[str, dict[str, float]]

    def against(self, measure: str, baseline: str) -> dict[str, Difference]:
        """Return system to difference, of one measure and one baseline."""
        return {row.system: row for row in self.differences if (row.measure, row.baseline) == (measure, baseline)}

    @property
    def warnings(self) -> list[str]:
        """Say where the judgements favour a baseline: the system's hole rate is at least `MANY_HOLES` above its.

        That is half a document more in the first ten. Judgements are pooled from the systems of their day, and what
        nobody judged counts as not relevant (Thakur et al., BEIR, NeurIPS 2021, on TREC-COVID).
        """
        return [
            f"{system}: {rate:.1%} of its first {name.partition('@')[2]} documents have no judgement, "
            f"{self.holes[baseline][name]:.1%} of {baseline}'s: it may be better than its figures"
            for baseline in self.baselines
            for system, rates in self.holes.items()
            for name, rate in rates.items()
            if rate - self.holes[baseline][name] >= MANY_HOLES
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data that JSON can hold; no NaN."""
        return asdict(self) | {"warnings": self.warnings}
