"""The documentation of Python's standard library, read from its source files without importing any of them."""

import ast
import os
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from ir_eval.errors import InputError

# Tests, bundled third parties and programs: not the library's documentation.
SKIPPED = frozenset(
    ["__pycache__", "dist-packages", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages"]
    + ["test", "tests", "turtledemo"]
)
TOPICS = "pydoc_data/topics.py"  # the language reference as plain text: what help("assert") shows
Defined = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
RULES = re.compile(r"[*=~^-]{3,}")  # underlined headings


def read_sources() -> dict[str, bytes]:
    """Read the library's source files.

    Returns:
        Path relative to the library's folder to content, sorted by path.

    Raises:
        InputError: The interpreter was installed without its sources.
    """
    library = Path(sysconfig.get_path("stdlib"))
    paths = []
    for folder, subfolders, names in os.walk(library):
        subfolders[:] = (name for name in subfolders if name not in SKIPPED)
        paths += [Path(folder, name) for name in names if name.endswith(".py")]
    sources = {path.relative_to(library).as_posix(): path.read_bytes() for path in sorted(paths)}
    if not sources:
        raise InputError(
            f"{library}: no Python sources; expected the standard library's .py files; "
            "use an interpreter that has them, or name another collection"
        )
    if (library / TOPICS).is_file():
        sources[TOPICS] = (library / TOPICS).read_bytes()
    return sources


def read_entries(sources: dict[str, bytes]) -> dict[str, str]:
    """Collect what is documented.

    Args:
        sources: As ``read_sources`` returns them.

    Returns:
        Qualified name (``json.dumps``, ``reference.assert``) to documentation, paragraphs apart by a blank line.
    """
    entries: dict[str, str] = {}
    for path, source in sources.items():
        tree = ast.parse(source)
        if path == TOPICS:
            found: Iterator[tuple[str, str]] = _reference(tree)
        else:
            module = ".".join(Path(path).with_suffix("").parts).removesuffix(".__init__")
            found = _documented(tree, module)
        for name, text in found:
            entries.setdefault(name, RULES.sub("", text))
    return entries


def _documented(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    """Yield what the node and its definitions say; those inside a function cannot be reached by name."""
    if isinstance(node, ast.Module | Defined):
        if text := ast.get_docstring(node):
            yield name, text
    if isinstance(node, ast.Module | ast.ClassDef | ast.If | ast.Try | ast.ExceptHandler):
        for child in ast.iter_child_nodes(node):
            yield from _documented(child, f"{name}.{child.name}" if isinstance(child, Defined) else name)


def _reference(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            topics: dict[str, str] = ast.literal_eval(node.value)
            yield from ((f"reference.{name}", text) for name, text in sorted(topics.items()))
