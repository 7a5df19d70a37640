"""What a stage computes with besides code, as text: inputs, settings, versions.  Other text means: run again."""

import dataclasses
import decimal
import functools
import hashlib
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable
from importlib import metadata
from operator import attrgetter

import numpy as np
import torch
from threadpoolctl import threadpool_info
from torch import Tensor
from torch.nn import Parameter

SCALARS = (bool, int, float, str, type(None))
NAMED = (torch.dtype, torch.device, torch.layout, torch.memory_format, np.dtype)
LAYOUTS = (torch.strided, torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)
ARRAYS = (np.ndarray, np.memmap, np.matrix, np.ma.MaskedArray)
SETTINGS = (  # under torch; functions are called
    *("get_default_dtype", "get_default_device", "get_num_threads", "is_grad_enabled", "is_inference_mode_enabled"),
    *("get_float32_matmul_precision", "are_deterministic_algorithms_enabled", "is_autocast_cache_enabled"),
    *("is_deterministic_algorithms_warn_only_enabled", "utils.deterministic.fill_uninitialized_memory"),
    *("backends.fp32_precision", "backends.cudnn.enabled", "backends.cudnn.benchmark", "backends.cudnn.deterministic"),
    *("backends.cudnn.fp32_precision", "backends.cudnn.conv.fp32_precision", "backends.cuda.matmul.fp32_precision"),
    *("backends.cuda.matmul.allow_fp16_reduced_precision_reduction", "backends.mkldnn.enabled"),
    *("backends.cuda.matmul.allow_bf16_reduced_precision_reduction", "backends.mkldnn.deterministic"),
    *("backends.mkldnn.fp32_precision", "backends.mkldnn.matmul.fp32_precision"),
    *("backends.opt_einsum.enabled", "backends.opt_einsum.strategy"),
)


def plain(value, other: Callable[[object], str] | None = None) -> str:
    """Text that differs wherever a type, an order or a content does; other(x), or TypeError, for what is not plain.

    Plain: numbers, strings, None, dtypes, devices, NumPy scalars, and lists, tuples and dicts of those.
    """
    kind = type(value)
    if kind in SCALARS:
        return f"{kind.__name__} {hex(value) if kind is int else repr(value)}"
    if kind in (list, tuple, torch.Size):
        return f"{kind.__name__}[{', '.join(plain(member, other) for member in value)}]"
    if kind in (dict, OrderedDict, Counter):
        return f"{kind.__name__}{{{', '.join(f'{plain(k, other)}: {plain(v, other)}' for k, v in value.items())}}}"
    if isinstance(value, NAMED):
        return f"{kind.__name__} {value!r}"
    if isinstance(value, np.generic) and not value.dtype.hasobject:
        return f"{kind.__name__} {value.dtype!r} {value.tobytes().hex()}"
    if other is None:
        raise TypeError(kind.__name__)
    return other(value)


def input_key(value) -> str:
    """Text for one input: a plain value, array, tensor or data set, or lists and dicts of them.  Else TypeError."""
    try:
        return plain(value, large)
    except RecursionError:
        raise TypeError("an input of a stage cannot be a list or dict that contains itself") from None


def large(value) -> str:
    """The text of an array, a tensor or a data set, from its content as it is now.  Else TypeError."""
    kind = type(value)
    if hasattr(value, "fingerprint"):  # which says what was loaded, not what was changed since
        fields = [field.name for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else vars(value)
        return f"{kind.__module__}.{kind.__qualname__} {plain({name: getattr(value, name) for name in fields}, large)}"
    if kind in (Tensor, Parameter) and value.layout in LAYOUTS and not value.is_quantized and not value.is_meta:
        head = f"{kind.__name__} {value.dtype} {value.layout} {value.device.type} {tuple(value.shape)}"
        return f"{head} {value.requires_grad} {_content(value.detach())}"
    if kind in ARRAYS and not value.dtype.hasobject:
        head = f"{kind.__name__} {value.dtype!r} {value.shape}"
        if kind is np.ma.MaskedArray:
            head += f" {_sha256(np.ma.getmaskarray(value))} {value.hardmask} {value.fill_value!r}"
        return f"{head} {_sha256(np.asarray(value))}"
    remedy = "pass numbers, strings, lists, dicts, arrays, tensors or data sets"
    raise TypeError(f"an input of a stage cannot be a {kind.__name__}: {remedy}")


def _content(value: Tensor) -> str:
    if value.layout is not torch.strided:
        value = value.to_sparse_coo()
        return f"{_content(value._indices())} {_content(value._values())} {value.is_coalesced()}"
    value = value.resolve_conj().resolve_neg().cpu().contiguous()
    return _sha256(value.view(-1).view(torch.uint8).numpy())


def _sha256(value: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(value).reshape(-1).view(np.uint8)).hexdigest()


def settings() -> str:
    """The settings of torch, NumPy and the processor that change what the same code computes, as they are now."""
    found = {name: _setting(name) for name in SETTINGS}
    accelerator = torch.accelerator.current_accelerator()
    for kind in ("cpu", accelerator.type) if accelerator else ("cpu",):
        found[f"autocast {kind}"] = f"{torch.is_autocast_enabled(kind)} {torch.get_autocast_dtype(kind)}"
    found["denormal"] = str(sys.float_info.min / 2)  # 0.0 where the processor flushes them
    found["blas"] = str(sorted({each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}))
    return str(sorted(found.items()) + [np.geterr(), decimal.getcontext().prec])


def _setting(name: str) -> str:
    try:
        value = attrgetter(name)(torch)
        return str(value() if callable(value) else value)
    except (AttributeError, RuntimeError) as error:  # not in this version, or set in two ways at once
        return type(error).__name__


def versions(modules: set[str]) -> str:
    """The versions of the libraries that these top-level modules come from; the standard library is left out."""
    return str({name: _version(name) for name in sorted(modules - sys.stdlib_module_names)})


@functools.cache
def _version(module: str) -> str:
    try:
        return metadata.version(module)
    except metadata.PackageNotFoundError:  # its distribution has another name: PIL, sklearn
        return str([metadata.version(name) for name in sorted(metadata.packages_distributions().get(module, []))])
