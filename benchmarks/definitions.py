"""What a notebook defines, without running it: for tests and benchmarks of the code as the page has it."""

import ast
import contextlib
import types
from itertools import takewhile

from helpers.press.sources import Repository


def definitions(slug: str, before: str = "", **values) -> types.ModuleType:
    """A module with the imports, functions, classes and literal assignments of the notebook `slug`, in their order.

    before: the id of a cell at which to stop; else all cells are taken.
    values: what the functions read besides (a data set, a parameter set otherwise); they replace what the notebook
    assigns.  Nothing else runs: no data is loaded, nothing is trained; functions whose defaults need a run are left
    out.  Raises Refused where there is no such notebook.
    """
    repository = Repository.here()
    module = types.ModuleType(repository.find(slug))
    space = vars(module)
    for cell in takewhile(lambda cell: cell.id != before, repository.source(module.__name__).notebook.cells):
        if cell.cell_type == "code":
            for node in filter(_defines, ast.parse(cell.source).body):
                with contextlib.suppress(NameError):  # a default or a decorator that only a run can know
                    exec(compile(ast.Module([node], []), f"{module.__name__}:{cell.id}", "exec"), space)
            space |= values
    return module


def _defines(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef):
        return True
    if not isinstance(node, ast.Assign):
        return False
    try:
        ast.literal_eval(node.value)
    except ValueError:
        return isinstance(node.value, ast.Lambda)
    return True
