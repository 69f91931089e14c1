"""Files: text that is written whole or not at all, and a digest of any."""

import hashlib
import tempfile
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file that appears under its name only once it is whole.

    Args:
        path: The file; its folder is made.
        text: What to write, in UTF-8, with the line ends it has.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        fresh = Path(folder, path.name)
        fresh.write_text(text, encoding="utf-8", newline="\n")
        fresh.replace(path)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex.

    Args:
        path: The file.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
