"""Leaderboards: published figures with their sources, one TOML file each, and the runs that reproduce them.

`read_leaderboard` reads a file, `reproduce` runs its rows and compares the figures, and `write_submission` writes the
files that the MS MARCO passage leaderboard accepts.
"""

from ir_eval.leaderboard.leaderboard_file import leaderboard_names, read_leaderboard
from ir_eval.leaderboard.msmarco_submission import Submission, write_submission
from ir_eval.leaderboard.reproduce import RowOutcome, reproduce
from ir_eval.leaderboard.rows import Leaderboard, LeaderboardRow

__all__ = [
    "Leaderboard",
    "LeaderboardRow",
    "RowOutcome",
    "Submission",
    "leaderboard_names",
    "read_leaderboard",
    "reproduce",
    "write_submission",
]
