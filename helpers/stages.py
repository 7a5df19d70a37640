"""Long steps of a notebook, kept on disk: `Run.stage` in two halves, the key and the store."""

import dis
import hashlib
import inspect
import json
import os
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from helpers import fingerprint


def code_key(function: Callable, stage: str) -> dict[str, str]:
    """All code and plain values that `function` reaches through its notebook's globals, as JSON-ready text.

    Decorated functions, closures, defaults and classes of the notebook count.  Raises TypeError where it reaches an
    object that has no such text (a tensor or a network, say): that belongs in `inputs`.
    """
    walk = _Walk(stage)
    walk.reach(function, f"{getattr(function, '__name__', type(function).__name__)}()")
    return dict(sorted(walk.found.items()))


class _Walk:
    """From one function to everything that it reaches: `found` maps a dotted name to text."""

    def __init__(self, stage: str):
        self.stage = stage
        self.found: dict[str, str] = {}
        self.seen: dict[int, str] = {}

    def reach(self, value, name: str) -> None:
        if name in self.found:
            return
        if isinstance(value, type | FunctionType):
            if id(value) in self.seen:  # under another name, or a recursion
                self.found[name] = f"as {self.seen[id(value)]}"
                return
            self.seen[id(value)] = name
        self.found[name] = self._text(value, name)

    def _text(self, value, name: str) -> str:
        module = getattr(value, "__module__", None) or ""
        if isinstance(value, ModuleType):
            return json.dumps([value.__name__, fingerprint.helpers_reached(f"import {value.__name__}")])
        if not hasattr(value, "__qualname__"):
            return self._plain(value, name)
        if module.split(".")[0] == "helpers":
            return json.dumps(fingerprint.helpers_reached(f"import {module}"))
        for part in ("__wrapped__", "__func__", "__self__"):  # of a decorated function, of a bound method
            if hasattr(value, part):
                self.reach(getattr(value, part), f"{name}.{part}")
        if isinstance(value, FunctionType) and not _library(value.__code__.co_filename):
            return self._function(value, name)
        if isinstance(value, type) and not _library(_file(value)):
            return self._class(value, name)
        return value.__qualname__  # a library's: the versions are in the key

    def _function(self, value: FunctionType, name: str) -> str:
        cells = (cell.cell_contents for cell in value.__closure__ or ())
        inner = dict(zip(value.__code__.co_freevars, cells, strict=True))
        inner |= {f"default {i}": default for i, default in enumerate(value.__defaults__ or ())}
        for key, member in (inner | (value.__kwdefaults__ or {})).items():
            self.reach(member, f"{name}.{key}")
        space = value.__globals__
        home = "" if space["__name__"] == "__main__" else space["__name__"] + "."
        for key in sorted(_globals_read(value.__code__) & set(space)):
            self.reach(space[key], home + key)
        return _source(value)

    def _class(self, value: type, name: str) -> str:
        # Member by member: in a notebook `inspect` finds no source of a class.
        for i, base in enumerate(value.__bases__):
            self.reach(base, f"{name}.base {i}")
        for key, member in vars(value).items():
            parts = [getattr(member, part, None) for part in ("fget", "fset", "fdel", "func")]
            for i, part in enumerate([part for part in parts if part] or [member]):
                function = getattr(part, "__func__", part)
                made = isinstance(function, FunctionType)
                if made and inspect.unwrap(function).__code__.co_filename == "<string>":
                    continue  # a dataclass's, made from the annotations
                if made or not key.startswith("__"):
                    self.reach(function, f"{name}.{key}" + f" {i}" * (i > 0))
        return repr(inspect.get_annotations(value))

    def _plain(self, value, name: str) -> str:
        if isinstance(value, torch.dtype | torch.device | np.dtype):
            return str(value)
        try:
            return json.dumps(value, sort_keys=True)
        except TypeError:
            what = f"stage {self.stage!r} reads {name!r}, a {type(value).__name__}"
        raise TypeError(f"{what}: pass it through inputs, or make it inside the function")


def _library(path: str) -> bool:
    inside = {"site-packages", "dist-packages"} & set(Path(path).parts)
    return bool(inside) or path.startswith(str(Path(os.__file__).parent))


def _file(value: type) -> str:
    if value.__module__ == "__main__":
        return ""
    return getattr(sys.modules.get(value.__module__), "__file__", None) or os.__file__  # else built in


def _source(value: FunctionType) -> str:
    text = textwrap.dedent(inspect.getsource(value.__code__))  # of the code: `value` would be unwrapped
    try:
        return fingerprint.normal_form(text)
    except SyntaxError:  # a lambda inside a longer statement
        return text


def _globals_read(code: CodeType) -> set[str]:
    names = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _globals_read(constant)
    return names


def input_key(value) -> str:
    """A digest of one input: number, string, None, list, dict, array, tensor or data set.  Else TypeError."""
    if hasattr(value, "fingerprint"):
        return f"data:{value.name}:{value.origin}:{value.fingerprint}"
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().contiguous()
        head, data = f"tensor {value.dtype} {tuple(value.shape)}", value.view(-1).view(torch.uint8).numpy()
    elif isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        head, data = f"array {value.dtype} {value.shape}", np.ascontiguousarray(value).reshape(-1).view(np.uint8)
    elif isinstance(value, dict):
        return json.dumps({str(k): input_key(v) for k, v in value.items()}, sort_keys=True)
    elif isinstance(value, list | tuple):
        return json.dumps([input_key(v) for v in value])
    else:
        try:
            return json.dumps(value)
        except TypeError:
            raise TypeError(f"an input of a stage cannot be a {type(value).__name__}") from None
    digest = hashlib.sha256(head.encode())
    digest.update(data)
    return digest.hexdigest()


def keep(folder: Path, result, note: dict) -> None:
    """Write `result` (nested dicts, lists, numbers, strings, tensors, arrays) and `note` to `folder`, whole or not.

    Raises TypeError for any other member, OSError where the disk refuses.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = _pack(result, tensors)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=folder.name + ".", dir=folder.parent))
    try:
        try:
            save_file(tensors, partial / "tensors.safetensors")
        except SafetensorError as error:  # its word for a full disk
            raise OSError(str(error)) from error
        (partial / "result.json").write_text(json.dumps({"note": note, "tree": tree}))
        if not folder.exists():
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def recall(folder: Path):
    """(result, note) as `keep` wrote them, or None where there is nothing, or nothing readable."""
    if not folder.exists():
        return None
    try:
        stored = json.loads((folder / "result.json").read_text())
        return _unpack(stored["tree"], load_file(folder / "tensors.safetensors")), stored["note"]
    except Exception:  # a damaged copy counts as none: the step runs again
        shutil.rmtree(folder, ignore_errors=True)
        return None


def as_kept(result):
    """`result` as `recall` gives it back: copies on the CPU, lists for tuples.  Raises TypeError as `keep` does."""
    tensors: dict[str, torch.Tensor] = {}
    return _unpack(_pack(result, tensors), tensors)


def _pack(value, tensors: dict[str, torch.Tensor]):
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, torch.Tensor | np.ndarray):
        name = f"t{len(tensors)}"
        kind = "tensor" if isinstance(value, torch.Tensor) else "array"
        if isinstance(value, np.ndarray):  # torch takes neither negative strides nor foreign byte orders
            value = torch.from_numpy(value.astype(value.dtype.newbyteorder("="), order="C"))
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"kept": kind, "name": name}
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a stage's result has dict keys that are no strings")
        return {"kept": "dict", "items": {key: _pack(member, tensors) for key, member in value.items()}}
    if isinstance(value, list | tuple):
        return [_pack(member, tensors) for member in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a stage's result cannot hold a {type(value).__name__}")


def _unpack(value, tensors: dict[str, torch.Tensor]):
    if isinstance(value, list):
        return [_unpack(member, tensors) for member in value]
    if not isinstance(value, dict):
        return value
    if value["kept"] == "dict":
        return {key: _unpack(member, tensors) for key, member in value["items"].items()}
    tensor = tensors[value["name"]]
    return tensor if value["kept"] == "tensor" else tensor.numpy()
