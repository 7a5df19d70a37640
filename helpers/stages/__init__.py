"""Long steps of a notebook, kept on disk: where one lies, keeping it, recalling it."""

import hashlib
import json
import os
import platform
import re
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from helpers.datasets import store
from helpers.stages.code import code_key
from helpers.stages.keys import input_key

FILES = ("result.json", "tensors.safetensors")
SUMS = "SHA256SUMS"  # as `sha256sum -c` reads it
HOST = re.sub(r"\W", "", platform.node())[:40]


def folder_of(slug: str, name: str, inputs: dict, function: Callable, also: dict) -> Path:
    """Where the result of function(**inputs) belongs: a name for whatever decides it.

    also: more of that, JSON-ready.  Raises TypeError for an input or a global that has no text.
    """
    key = {"name": name, "inputs": [[k, input_key(v)] for k, v in inputs.items()], "also": also}
    key["code"] = code_key(function, name, inputs)
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    readable = re.sub(r"[^\w ().,'+-]", "_", name).encode()[:100].decode(errors="ignore")
    return store.root() / "stages" / slug / f"{readable}-{digest}"


def keep(folder: Path, result, note: dict) -> None:
    """Write `result` (nested dicts, lists, numbers, strings, tensors, arrays) and `note` to `folder`, whole or not.

    What killed processes left beside it is cleared.  Raises TypeError for any other member, OSError where the disk
    refuses.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = _pack(result, tensors)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _clear(folder.parent)
    partial = folder.with_name(f"{folder.name}.{HOST}.{os.getpid()}.{uuid.uuid4().hex[:8]}.partial")
    partial.mkdir()
    try:
        text, numbers = (partial / name for name in FILES)
        text.write_text(json.dumps({"note": note, "tree": tree}))
        try:
            save_file(tensors, numbers)
        except SafetensorError as error:  # its word for a full disk
            raise OSError(str(error)) from error
        shutil.copymode(text, numbers)  # safetensors lets nobody else read
        (partial / SUMS).write_text("".join(f"{store.checksum(path)}  {path.name}\n" for path in (text, numbers)))
        try:
            partial.rename(folder)
        except OSError:
            if not folder.exists():  # else another process was first
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _clear(parent: Path) -> None:
    """Remove what processes of this computer that are no more left half written."""
    for path in parent.glob(f"*.{HOST}.*.partial"):
        pid = path.name.split(".")[-3]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


def recall(folder: Path):
    """(result, note) as `keep` wrote them, or None where there is nothing, or nothing that can be read now.

    A copy that is not byte for byte what was written is removed; one that memory or rights do not let in stays.
    """
    try:
        if not folder.is_dir():
            return None
        if not _whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
            return None
        stored = json.loads((folder / FILES[0]).read_text())
        return _unpack(stored["tree"], load_file(folder / FILES[1])), stored["note"]
    except (OSError, MemoryError, RuntimeError, SafetensorError):
        return None


def _whole(folder: Path) -> bool:
    try:
        sums = "".join(f"{store.checksum(folder / name)}  {name}\n" for name in FILES)
        return (folder / SUMS).read_bytes() == sums.encode()
    except (FileNotFoundError, IsADirectoryError):
        return False


def as_kept(result):
    """`result` as `recall` gives it back: copies on the CPU, lists for tuples.  Raises TypeError as `keep` does."""
    tensors: dict[str, torch.Tensor] = {}
    return _unpack(_pack(result, tensors), tensors)


def _pack(value, tensors: dict[str, torch.Tensor]):
    if isinstance(value, np.generic):
        value = value.item()
    if type(value) in (np.ndarray, np.memmap) or isinstance(value, torch.Tensor) and value.layout is torch.strided:
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
    kind = f"{value.layout} tensor" if isinstance(value, torch.Tensor) else type(value).__name__
    raise TypeError(f"a stage's result cannot hold a {kind}: return numbers, strings, lists, dicts, tensors or arrays")


def _unpack(value, tensors: dict[str, torch.Tensor]):
    if isinstance(value, list):
        return [_unpack(member, tensors) for member in value]
    if not isinstance(value, dict):
        return value
    if value["kept"] == "dict":
        return {key: _unpack(member, tensors) for key, member in value["items"].items()}
    tensor = tensors[value["name"]]
    return tensor if value["kept"] == "tensor" else tensor.numpy()
