"""Reading the documentation of Python's standard library from its source files, without importing them."""

import ast
import os
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from ir_eval.errors import InputError

# Folders of tests, third-party packages and programs
_SKIPPED_FOLDERS = frozenset(
    ["__pycache__", "dist-packages", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages"]
    + ["test", "tests", "turtledemo"]
)
_LANGUAGE_REFERENCE = "pydoc_data/topics.py"  # the texts of help("assert") and the like
_Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_UNDERLINE = re.compile(r"[*=~^-]{3,}")  # below a heading


def read_sources() -> dict[str, bytes]:
    """Return the content of the standard library's source files by path relative to its folder, sorted.

    Raises:
        InputError: The interpreter was installed without source files.

    Examples:
        >>> "json/__init__.py" in read_sources()
        True
    """
    library = Path(sysconfig.get_path("stdlib"))
    paths = []
    for folder, subfolders, names in os.walk(library):
        subfolders[:] = (name for name in subfolders if name not in _SKIPPED_FOLDERS)
        paths += [Path(folder, name) for name in names if name.endswith(".py")]
    sources = {path.relative_to(library).as_posix(): path.read_bytes() for path in sorted(paths)}
    if not sources:
        raise InputError(
            f"{library}: no Python sources; expected the standard library's .py files; "
            "use an interpreter that has them, or name another collection"
        )
    if (library / _LANGUAGE_REFERENCE).is_file():
        sources[_LANGUAGE_REFERENCE] = (library / _LANGUAGE_REFERENCE).read_bytes()
    return sources


def read_entries(sources: dict[str, bytes]) -> dict[str, str]:
    r"""Return the documentation in source files by qualified name: ``json.dumps``, ``reference.assert``.

    Examples:
        >>> read_entries({"pets.py": b"class Fish:\n    'Grows.'"})
        {'pets.Fish': 'Grows.'}
    """
    entries: dict[str, str] = {}
    for path, source in sources.items():
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise InputError(
                f"{path}:{getattr(error, 'lineno', None) or 1}: not readable as Python ({error}); expected the library "
                "as it was installed; reinstall Python, or name another collection"
            ) from error
        if path == _LANGUAGE_REFERENCE:
            found: Iterator[tuple[str, str]] = _reference(tree)
        else:
            module = ".".join(Path(path).with_suffix("").parts).removesuffix(".__init__")
            found = _documented(tree, module)
        for name, text in found:
            entries.setdefault(name, _UNDERLINE.sub("", text))
    return entries


def _documented(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    """Yield the docstrings of a node and of the definitions in it, except those inside functions."""
    if isinstance(node, ast.Module | _Definition):
        if text := ast.get_docstring(node):
            yield name, text
    if isinstance(node, ast.Module | ast.ClassDef | ast.If | ast.Try | ast.ExceptHandler):
        for child in ast.iter_child_nodes(node):
            yield from _documented(child, f"{name}.{child.name}" if isinstance(child, _Definition) else name)


def _reference(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            topics: dict[str, str] = ast.literal_eval(node.value)
            yield from ((f"reference.{name}", text) for name, text in sorted(topics.items()))
