"""Tests of ir_eval.leaderboard."""
