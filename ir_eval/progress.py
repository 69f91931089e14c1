"""Progress bars and announcements of long work, on standard error."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def progress_bar() -> Progress:
    """Return a progress bar that is shown if standard error is a terminal.

    Examples:
        >>> with progress_bar() as bar:
        ...     sum(bar.track([1, 2, 3], description="adding"))
        6
    """
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def announce(line: str) -> None:
    """Write a line on standard error before work that takes long or downloads much.

    Examples:
        >>> announce("indexing 8.8 million passages: about 20 minutes")
    """
    Console(stderr=True).print(line, markup=False, highlight=False, soft_wrap=True)
