"""Folders of pictures, decoded once: a safetensors file under the root, which later loads map into memory."""

import hashlib
import inspect
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import PIL
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from helpers.datasets import store
from helpers.fingerprint import digest, normal_form


def pictures(kept: Path, paths: Sequence[Path], decode: Callable, shape: tuple, remedy: str) -> tuple[Tensor, dict]:
    """(n, *shape) uint8, the pictures of `paths` in their order, and the SHA-256 of its "content" and of the "files".

    kept: the file that is mapped if it was made by this code from files of these names, sizes and times, and still has
    its content; else it is written anew, whole or not at all, and where that cannot be, memory alone holds the result.
    decode(path, picture, shape): PIL's picture as a uint8 array of `shape`.  remedy: what a user can do about a file.
    Raises BrokenData for what is no whole picture, and what `decode` raises.
    """
    states = [(path.parent.name, path.name, (s := path.stat()).st_size, s.st_mtime_ns) for path in paths]
    made_from = digest(repr([PIL.__version__, shape, normal_form(inspect.getsource(decode)), states]))
    try:
        with safe_open(kept, framework="pt") as file:
            note, images = file.metadata() or {}, file.get_tensor("images")
        if note.get("made_from") == made_from and note.get("content") == hashlib.sha256(images.numpy()).hexdigest():
            return images, note
    except (OSError, SafetensorError):
        pass  # there is none, or none that can be read
    images, files = torch.empty(len(paths), *shape, dtype=torch.uint8), hashlib.sha256()
    for row, path in zip(images, paths, strict=True):
        row.copy_(torch.from_numpy(_decoded(path, decode, shape, files, remedy)))
    note = {"made_from": made_from, "files": files.hexdigest(), "content": hashlib.sha256(images.numpy()).hexdigest()}
    _keep(kept, images, note)
    return images, note


def _decoded(path: Path, decode: Callable, shape: tuple, files, remedy: str):
    try:
        files.update(hashlib.sha256(content := path.read_bytes()).digest())
        with Image.open(BytesIO(content)) as picture:
            picture.load()
            return decode(path, picture, shape)
    except (store.StoreError, MemoryError):
        raise
    except PermissionError as error:
        raise store.broken(path, f"cannot be read ({error.strerror})", store.MEND) from error
    except Exception as error:  # damage shows itself as an error of any kind, from zlib's to SyntaxError
        raise store.broken(path, f"is no whole picture ({error})", remedy) from error


def _keep(kept: Path, images: Tensor, note: dict[str, str]) -> None:
    try:
        kept.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".decoding-", dir=kept.parent) as scratch:
            save_file({"images": images}, fresh := Path(scratch) / kept.name, note)
            fresh.chmod(0o644)
            os.replace(fresh, kept)
    except (OSError, SafetensorError) as error:
        print(f"the decoded pictures are not kept as {kept} ({error}); they are decoded at each start", file=sys.stderr)
