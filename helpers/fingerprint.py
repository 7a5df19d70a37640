"""Fingerprints of Python code that do not change with comments, layout, docstrings or the Python version."""

import ast
import hashlib
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


def imports(source: str, package: str = "") -> set[str]:
    """The dotted names that `source` imports: modules, and what is taken from them.

    package: the dotted package that relative imports start from; "" where there are none.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return names


def imported(source: str, package: str = "") -> set[str]:
    """Of `imports` those under `helpers`."""
    return {name for name in imports(source, package) if name.startswith("helpers.")}


def helpers_reached(source: str) -> dict[str, str]:
    """Every module of `helpers` that `source` imports, directly or through another: dotted name → digest."""
    found: dict[str, str] = {}
    waiting = imported(source)
    while waiting:
        name = waiting.pop()
        path = file_of(name)
        if path is None or name in found:
            continue
        text = path.read_text(encoding="utf-8")
        found[name] = digest(normal_form(text))
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        waiting |= imported(text, package)
        if "." in name.removeprefix("helpers."):
            waiting.add(name.rpartition(".")[0])
    return dict(sorted(found.items()))


def file_of(name: str) -> Path | None:
    """The file of a module of `helpers`; None where the name is none, but a function or class."""
    path = PACKAGE.joinpath(*name.split(".")[1:])
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None
