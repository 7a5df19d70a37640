"""Long steps of a notebook, kept on disk: `Run.stage` in two halves, the key and the store."""

import dis
import hashlib
import inspect
import json
import os
import shutil
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from helpers import fingerprint


def code_key(function: Callable, stage: str) -> dict:
    """All code and plain values that `function` reaches through its notebook's globals, as JSON-ready text.

    Raises TypeError where it reaches an object that has no such text (a tensor, say): that belongs in `inputs`.
    """
    found: dict[str, str] = {}
    _reach(function, function.__name__, stage, found)
    return dict(sorted(found.items()))


def _reach(value, name: str, stage: str, found: dict[str, str]) -> None:
    if name in found:
        return
    module = getattr(value, "__module__", None) or ""
    if isinstance(value, ModuleType):
        if value.__name__.startswith("helpers"):
            found[name] = json.dumps(fingerprint.helpers_reached(f"import {value.__name__}"))
    elif isinstance(value, type | FunctionType) and module.startswith("helpers"):
        found[name] = json.dumps(fingerprint.helpers_reached(f"import {module}"))
    elif isinstance(value, FunctionType) and not _library(value):
        found[name] = _source(value)
        captured = inspect.getclosurevars(value).nonlocals
        for i, default in enumerate(value.__defaults__ or ()):
            captured[f"{name}'s default {i}"] = default
        for inner, reached in captured.items():
            _reach(reached, inner, stage, found)
        for inner in _globals_read(value.__code__):
            if inner in value.__globals__:
                _reach(value.__globals__[inner], inner, stage, found)
    elif isinstance(value, type) and module == "__main__":
        found[name] = _source(value)
    elif callable(value) or isinstance(value, torch.dtype):
        found[name] = repr(getattr(value, "__qualname__", value))  # a library's: the versions are in the key
    else:
        found[name] = _plain(value, name, stage)


def _plain(value, name: str, stage: str) -> str:
    try:
        return json.dumps(value, sort_keys=True)
    except TypeError:
        pass
    if isinstance(value, torch.device):
        return str(value)
    raise TypeError(f"stage {stage!r} reads {name!r}, a {type(value).__name__}: pass it through inputs")


def _library(function: FunctionType) -> bool:
    path = Path(function.__code__.co_filename)
    return "site-packages" in path.parts or str(path).startswith(str(Path(os.__file__).parent))


def _source(value) -> str:
    text = textwrap.dedent(inspect.getsource(value))
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
    elif isinstance(value, np.ndarray):
        head, data = f"array {value.dtype} {value.shape}", np.ascontiguousarray(value)
    elif isinstance(value, dict):
        return json.dumps({str(k): input_key(v) for k, v in value.items()}, sort_keys=True)
    elif isinstance(value, list | tuple):
        return json.dumps([input_key(v) for v in value])
    else:
        try:
            return json.dumps(value)
        except TypeError:
            raise TypeError(f"an input of a stage cannot be a {type(value).__name__}") from None
    return hashlib.sha256(head.encode() + memoryview(data).cast("B")).hexdigest()


def keep(folder: Path, result, note: dict) -> None:
    """Write `result` (nested dicts, lists, numbers, strings, tensors, arrays) and `note` to `folder`, whole or not.

    Raises TypeError for any other member, OSError where the disk refuses.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = _pack(result, tensors)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=folder.name + ".", dir=folder.parent))
    try:
        save_file(tensors, partial / "tensors.safetensors")
        (partial / "result.json").write_text(json.dumps({"note": note, "tree": tree}))
        if not folder.exists():
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def recall(folder: Path):
    """(result, note) as `keep` wrote them, or None where there is nothing, or nothing readable."""
    try:
        stored = json.loads((folder / "result.json").read_text())
        return _unpack(stored["tree"], load_file(folder / "tensors.safetensors")), stored["note"]
    except FileNotFoundError:
        return None
    except Exception:  # a damaged copy counts as none: the step runs again
        shutil.rmtree(folder, ignore_errors=True)
        return None


def _pack(value, tensors: dict[str, torch.Tensor]):
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, torch.Tensor | np.ndarray):
        name = f"t{len(tensors)}"
        kind = "tensor" if isinstance(value, torch.Tensor) else "array"
        tensors[name] = torch.as_tensor(value).detach().cpu().clone().contiguous()
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
