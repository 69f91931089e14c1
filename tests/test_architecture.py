"""The structure of docs/architecture.md: sizes, imports and file names, read from the code."""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for package in ("gemma_st", "ir_eval") for path in (ROOT / package).rglob("*.py"))
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# One name, one meaning: the settings of a folder, the error of a package, the commit that code is at.
SAME_MEANING = {"__init__.py", "config.py", "errors.py", "provenance.py"}
# Methods that take every argument of the sentence-transformers method they override, by position and by name.
STOCK_SIGNATURES = {
    "gemma_st/cross_encoder.py __init__",
    "gemma_st/cross_encoder.py predict",
    "gemma_st/cross_encoder.py rank",
    "gemma_st/sentence_transformer.py __init__",
}


@cache
def tree(path: Path) -> ast.Module:
    """Parse a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function of a file."""
    yield from (node for node in ast.walk(tree(path)) if isinstance(node, FUNCTIONS))


def folder(module: str) -> str:
    """Return the folder that a module belongs to; a module at the top of a package stands for itself."""
    path = ROOT / module.replace(".", "/")
    if path.is_dir():
        return module
    package = module.rpartition(".")[0]
    return module if "." not in package else package


def imported(path: Path) -> Iterator[str]:
    """Yield the modules of this project that a file imports."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ("gemma_st", "ir_eval"):
            for name in node.names:
                inner = ROOT / node.module.replace(".", "/") / name.name
                is_module = inner.is_dir() or inner.with_suffix(".py").is_file()
                yield f"{node.module}.{name.name}" if is_module else node.module


def test_the_library_stays_small() -> None:
    """Half of the files are under 95 lines, none is above 300, 95 % of the functions are within 30."""
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    lengths = [length(node) for path in FILES for node in functions(path)]
    assert median(sizes.values()) <= 95
    assert not {path: size for path, size in sizes.items() if size > 300}
    assert quantiles(lengths, n=20)[-1] <= 30


def test_no_function_takes_more_than_eight_arguments() -> None:
    """Except the methods that repeat the signature of the stock class which they override."""
    wide = set()
    for path in FILES:
        for node in functions(path):
            names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            if len([name for name in names if name not in ("self", "cls")]) > 8:
                wide.add(f"{path.relative_to(ROOT)} {node.name}")
    assert wide == STOCK_SIGNATURES


def test_folders_import_each_other_in_one_direction() -> None:
    """No folder can be reached from a folder that it imports."""
    edges: dict[str, set[str]] = defaultdict(set)
    for path in FILES:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        own = folder(module)
        if own in ("gemma_st", "ir_eval"):  # the public names, imported when they are used
            continue
        edges[own] |= {folder(other) for other in imported(path)} - {own}
    state: dict[str, int] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            pytest.fail(" -> ".join([*trail[trail.index(name) :], name]))
        if state.setdefault(name, 0) == 0:
            for other in sorted(edges[name]):
                visit(other, (*trail, name))
            state[name] = 1

    for name in sorted(edges):
        visit(name, ())


def test_gemma_st_never_imports_ir_eval() -> None:
    """gemma_st is usable without ir_eval."""
    assert not [
        other
        for path in FILES
        if path.is_relative_to(ROOT / "gemma_st")
        for other in imported(path)
        if other.startswith("ir_eval")
    ]


def test_no_two_files_share_a_name() -> None:
    """Files of SAME_MEANING and the command-line folders are exceptions."""
    names = Counter(path.name for path in FILES if path.parent.name != "cli")
    assert not {name: count for name, count in names.items() if count > 1 and name not in SAME_MEANING}


def test_the_library_neither_prints_nor_asserts() -> None:
    """Commands write to a stream, and wrong input raises an exception of this project."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Assert)
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print")
    ]
    assert not found
