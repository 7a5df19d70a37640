"""What code reaches in `helpers`, name by name: which modules, what of them, and what it takes that is not there."""

import ast
import functools
import symtable
from typing import NamedTuple

from helpers import fingerprint
from helpers.fingerprint import imports

IMPORTS = (ast.Import, ast.ImportFrom)
HARMLESS = {"dataclass", "contextmanager", "cache", "lru_cache"}  # decorators that register nothing


def reached(source: str) -> dict[str, str]:
    """Every module of `helpers` that `source` loads: dotted name → digest of what of it `source` can reach.

    Names are followed from module to module: a definition to which nothing reached refers does not count, nor does
    what type checkers alone import.  A module that `source` imports and takes no name of counts whole.
    """
    files = _Walk(source).files
    return {name: files[name].digest() for name in sorted(files)}


def missing(source: str) -> list[str]:
    """The dotted names that `source`, or what it reaches, takes from `helpers` and that are not there.

    Raises ValueError where `source`, or a module that it reaches, is no Python.
    """
    return sorted(_Walk(source).missing)


class _Statement(NamedTuple):
    text: str
    makes: set[str]  # what it binds and does nothing else; empty where it does more, and so always counts
    uses: set[str]
    loads: list[str]


class _Code:
    """A file of `helpers`, or the code where a walk starts: its statements, and what its imports mean."""

    def __init__(self, text: str, package: str):
        tree = ast.parse(fingerprint.normal_form(text))
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
                node.body = [ast.Pass()]
        nodes = [node for node in tree.body if not isinstance(node, IMPORTS)]
        loads = [[loaded for _, _, loaded in imports(node, package)] for node in nodes]
        self.body = [
            _Statement(ast.unparse(n), _makes(n), _uses(n), each) for n, each in zip(nodes, loads, strict=True)
        ]
        self.imports = [found for node in tree.body if isinstance(node, IMPORTS) for found in imports(node, package)]
        self.meanings: dict[str, set[str]] = {}
        for bound, meaning, _ in imports(tree, package):
            self.meanings.setdefault(bound, set()).add(meaning)
        symbols = symtable.symtable(ast.unparse(tree), "", "exec").get_symbols()
        self.names = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported() or s.is_namespace()}
        stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
        self.local = stored | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        self.used = {chain.partition(".")[0] for statement in self.body for chain in statement.uses}


_kept = functools.lru_cache(maxsize=100)(_Code)


def _parsed(text: str, package: str, where: str) -> _Code:
    try:
        return _kept(text, package)
    except SyntaxError as fault:
        line = text.splitlines()[(fault.lineno or 1) - 1 :][:1]
        raise ValueError(f"{where} is no Python: {fault.msg} in {''.join(line).strip()!r}") from None


class _Reached:
    """What of a `_Code` a walk has reached: statements by number, and names of its imports."""

    def __init__(self, code: _Code):
        self.code, self.statements = code, set()
        self.imports = {bound for bound, _, _ in code.imports if bound not in code.used}  # imported for their effect

    def digest(self) -> str:
        """Of the statements in their order, and of what is taken from other packages."""
        meanings = self.code.meanings
        others = [f"{name} = {m}" for name in self.imports for m in meanings[name] if not _ours(m)]
        return fingerprint.digest("\n".join([self.code.body[i].text for i in sorted(self.statements)] + sorted(others)))


class _Walk:
    """From `source` to every statement of `helpers` that it can reach: `files`, and names that are `missing`."""

    def __init__(self, source: str):
        self.files: dict[str, _Reached] = {}
        self.missing: set[str] = set()
        self.seen: set[tuple[_Reached, str]] = set()
        root = _Reached(_parsed(source, "", "its code"))
        for statement in root.code.body:
            self.follow(root, statement)
        for bound, _, loaded in root.code.imports:
            self.find(loaded)
            if bound not in root.code.used:
                self.need(loaded)

    def find(self, dotted: str, sure: bool = True) -> tuple[_Reached | None, str]:
        """Load what `dotted` lies in, as Python does, its packages before it: the file, and the name in it or ""."""
        module = dotted
        while _ours(module) and not fingerprint.file_of(module):
            module = module.rpartition(".")[0]
        name = dotted.removeprefix(module).lstrip(".").partition(".")[0]
        if not module or not _ours(module) or dotted == "helpers":
            return None, ""
        file = self.files.get(module) or self.read(module)
        if sure and name and name not in file.code.names and name != "*" and not name.startswith("__"):
            self.missing.add(f"{module}.{name}")
        return file, name

    def read(self, module: str) -> _Reached:
        self.find(module.rpartition(".")[0])
        path = fingerprint.file_of(module)
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        file = self.files[module] = _Reached(_parsed(path.read_text(encoding="utf-8"), package, path.name))
        for _, _, loaded in file.code.imports:
            self.find(loaded)
        self.take(file, "")
        return file

    def need(self, dotted: str, sure: bool = True) -> None:
        """Reach what `dotted` names: a whole module, or whatever binds one name of it."""
        file, name = self.find(dotted, sure)
        if file:
            self.take(file, name or "*")

    def take(self, file: _Reached, name: str) -> None:
        """Reach what binds `name` in `file` and what runs at import; "*": everything."""
        if (file, name) in self.seen:
            return
        self.seen.add((file, name))
        for i, statement in enumerate(file.code.body):
            if i not in file.statements and (name == "*" or not statement.makes or name in statement.makes):
                file.statements.add(i)
                self.follow(file, statement)
        for bound in file.code.meanings if name == "*" else {name} & {*file.code.meanings}:
            self.follow_import(file, bound)

    def follow(self, file: _Reached, statement: _Statement) -> None:
        """Reach what one statement of `file` refers to."""
        for loaded in statement.loads:
            self.find(loaded)
        for chain in statement.uses:
            first, _, rest = chain.partition(".")
            if first in file.code.meanings:
                self.follow_import(file, first, rest)
            else:
                self.take(file, first)

    def follow_import(self, file: _Reached, bound: str, rest: str = "") -> None:
        """Reach what the attributes `rest` of an imported name mean; it may be the name of something local too."""
        file.imports.add(bound)
        for meaning in file.code.meanings[bound]:
            self.need(f"{meaning}.{rest}".rstrip("."), sure=bound not in file.code.local)


class _Uses(ast.NodeVisitor):
    """The names and attribute chains (`a.b.c`) that code reads."""

    def __init__(self):
        self.found: set[str] = set()

    def visit_Attribute(self, node):
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name):
            self.found.add(".".join([node.id, *reversed(parts)]))
        else:
            self.visit(node)

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Load):
            self.found.add(node.id)


def _uses(node: ast.AST) -> set[str]:
    uses = _Uses()
    uses.visit(node)
    return uses.found


def _makes(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        decorators = {ast.unparse(each).partition("(")[0].rpartition(".")[2] for each in node.decorator_list}
        return {node.name} if decorators <= HARMLESS else set()
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    if not isinstance(node, ast.Assign | ast.AnnAssign) or any(isinstance(n, ast.Call) for n in ast.walk(node)):
        return set()
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _ours(dotted: str) -> bool:
    return dotted.partition(".")[0] == "helpers"
