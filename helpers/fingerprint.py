"""Fingerprints of Python code that do not change with comments, layout, docstrings or the Python version."""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def digest(text: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of `text`."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def normal_form(source: str) -> str:
    """`source` through `ast.unparse`, without docstrings.  Raises SyntaxError for what is no Python."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                if isinstance(first.value.value, str):
                    node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def imports(tree: ast.AST, package: str = "") -> Iterator[tuple[str, str, str]]:
    """Every import in `tree`: the name bound, what it means and what is loaded, dotted.

    package: the dotted package that relative imports start from; "" where there are none.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                yield alias.asname or top, alias.name if alias.asname else top, alias.name
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            for alias in node.names:
                dotted = ".".join(filter(None, [*parents, node.module, alias.name]))
                yield alias.asname or alias.name, dotted, dotted


def file_of(name: str) -> Path | None:
    """The file of a module of `helpers`; None where the name is none, but a function or class."""
    path = PACKAGE.joinpath(*name.split(".")[1:])
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None
