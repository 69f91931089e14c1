"""The progress bar of long work."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def progress_bar() -> Progress:
    """Return a bar that shows on a terminal, on standard error, and nowhere else."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def announce(line: str) -> None:
    """Say on standard error what is about to take long or much."""
    Console(stderr=True).print(line, markup=False, highlight=False, soft_wrap=True)
