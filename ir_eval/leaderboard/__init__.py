"""Leaderboards: published figures with their sources, one TOML file each, and the runs that reproduce them."""

from ir_eval.leaderboard.leaderboard_file import Leaderboard, LeaderboardRow, leaderboard_names, read_leaderboard
from ir_eval.leaderboard.msmarco_submission import Submission, write_submission
from ir_eval.leaderboard.reproduce import RowOutcome, reproduce

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
