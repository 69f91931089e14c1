"""``python -m tests.faults fuzz`` and ``python -m tests.faults faults``."""

import argparse
import sys
from pathlib import Path

from tests.faults.examination import FUZZ, INPUTS, KINDS, Outcome, examine, fuzz_outcome, publish
from tests.faults.fuzzer import fuzz
from tests.faults.targets import TARGETS

SHOWN = 20  # faults of each kind


def main() -> int:
    """Run the examination; the exit code is 1 if there is a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--publish", action="store_true", help="write docs/reliability.json and docs/reliability.md")
    commands = parser.add_subparsers(required=True, dest="command")
    fuzzing = commands.add_parser("fuzz", help="give random inputs to every reader")
    fuzzing.add_argument("--inputs", type=int, default=INPUTS, help="number of inputs (default: %(default)s)")
    fuzzing.add_argument("--seconds", type=float, default=3600, help="stop after this time (default: %(default)s)")
    fuzzing.add_argument("--state", type=Path, help="go on after the inputs in this file, and write it")
    fuzzing.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS), help="readers (default: all)")
    others = commands.add_parser("faults", help="broken inputs, kills, full disks, several processes and threads")
    others.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS), help="kinds (default: all)")
    others.add_argument("--thin", type=int, default=1, help="one in so many broken inputs (default: %(default)s)")
    arguments = parser.parse_args()
    found = _fuzz(arguments) if arguments.command == "fuzz" else examine(arguments.only, thin=arguments.thin)
    if arguments.publish:
        publish(found)
    for name, one in found.items():
        sys.stdout.write(f"{name}: {one.tried:,} tried, {len(one.faults):,} failed\n")
        sys.stdout.writelines(f"  {fault[:600]}\n" for fault in one.faults[:SHOWN])
    return int(any(one.faults for one in found.values()))


def _fuzz(arguments: argparse.Namespace) -> dict[str, Outcome]:
    targets = [TARGETS[name] for name in arguments.only]
    return {
        FUZZ: fuzz_outcome(fuzz(targets, inputs=arguments.inputs, seconds=arguments.seconds, state=arguments.state))
    }


if __name__ == "__main__":
    sys.exit(main())
