"""Leaderboards: published figures with their sources, one TOML file each, and the runs that reproduce them."""

from ir_eval.leaderboard.leaderboard_file import (
    Leaderboard as Leaderboard,
    LeaderboardRow as LeaderboardRow,
    leaderboard_names as leaderboard_names,
    read_leaderboard as read_leaderboard,
)
from ir_eval.leaderboard.msmarco_submission import Submission as Submission, write_submission as write_submission
from ir_eval.leaderboard.reproduce import RowOutcome as RowOutcome, reproduce as reproduce
