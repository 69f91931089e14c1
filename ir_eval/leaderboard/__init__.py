"""Published figures, pinned with their sources in one TOML file a leaderboard, and run again to be compared.

`read_leaderboard` reads a file, `reproduce` runs its rows; `write_submission` writes what MS MARCO's leaderboard takes.
"""

from ir_eval.leaderboard.leaderboard_file import packaged, read_leaderboard
from ir_eval.leaderboard.msmarco_submission import Submission, write_submission
from ir_eval.leaderboard.reproduce import Outcome, reproduce
from ir_eval.leaderboard.rows import Leaderboard, Row

__all__ = [
    "Leaderboard",
    "Outcome",
    "Row",
    "Submission",
    "packaged",
    "read_leaderboard",
    "reproduce",
    "write_submission",
]
