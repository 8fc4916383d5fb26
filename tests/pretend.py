"""A pretended accelerator: on a machine without one, code fails where it would fail with a model on a GPU.

Within `pretending()` all is computed on the CPU, but what is put on the pretended device says that it is there, and so
does what is computed from it. What a GPU refuses is refused: tensors of two devices in one operation (but for CPU ones
without dimensions), a look by numpy, a generator of another device, float64 on MPS. Not seen: backward passes with
their hooks, other threads, what C++ does within one call, which kernels a device lacks, autocast, memory and speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

CPU, BASE = torch.device("cpu"), torch._C.TensorBase
MIXES: Any = (Tensor.copy_, BASE.data.__set__, torch._has_compatible_shallow_copy_type)  # type: ignore[attr-defined]
INDEXES = (Tensor.__getitem__, Tensor.__setitem__, Tensor.index_put, Tensor.index_put_)  # a GPU's by a CPU's, too


class Pretending(TorchFunctionMode):
    """Notes the device at a tensor's storage, which its views share."""

    device: torch.device

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if func == BASE.device.__get__:  # type: ignore[attr-defined]
            return self.of(args[0])
        if func in (Tensor.to, Tensor.cpu, Tensor.cuda) or (func is torch.as_tensor and isinstance(args[0], Tensor)):
            return self.moved(func, *args, **kwargs)
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        there = any(self.of(x) == self.device for x in given) and func not in (torch.tensor, torch.as_tensor)
        if there and func in (Tensor.numpy, Tensor.__array__):
            raise TypeError(f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() first.")
        free = tree_leaves(args[1]) if there and func in INDEXES and self.of(args[0]) == self.device else []
        bound = [x for x in given if self.of(x) == CPU and not any(x is i for i in free)]
        if there and func not in MIXES and any(x.ndim or (x is args[0] and name.endswith("_")) for x in bound):
            raise RuntimeError(f"{name} of tensors on two devices: {[(str(self.of(x)), *x.shape) for x in given]}")
        place = torch.device(kwargs.get("device") or (self.device if there else CPU))
        if (generator := kwargs.get("generator")) and generator.device.type != place.type:
            raise RuntimeError(f"{name}: expected a generator on {place}, but found one on {generator.device}")
        if place.type != self.device.type:
            return func(*args, **kwargs)
        kwargs |= {"device": CPU} if "device" in kwargs else {}
        return self.put(func(*args, **kwargs), {x.untyped_storage()._cdata for x in given if self.of(x) == CPU})

    def of(self, tensor: Tensor) -> torch.device:
        return getattr(tensor.untyped_storage(), "pretended", BASE.device.__get__(tensor))  # type: ignore[attr-defined]

    def put(self, made: Any, kept: Any = ()) -> Any:
        for tensor in (x for x in tree_leaves(made) if isinstance(x, Tensor)):
            if self.device.type == "mps" and tensor.dtype is torch.float64:
                raise TypeError("Cannot convert a MPS Tensor to float64, which MPS does not support")
            if tensor.untyped_storage()._cdata not in kept:  # those of CPU tensors: it is a view
                tensor.untyped_storage().pretended = self.device  # type: ignore[attr-defined]
        return made

    def moved(self, func: Any, tensor: Tensor, *args: Any, copy: bool = False, **kwargs: Any) -> Tensor:
        likes = [(self.of(x), x.dtype) for x in (*args, *kwargs.values()) if isinstance(x, Tensor)]
        own = {Tensor.cpu: [(CPU,)], Tensor.cuda: [(self.device,)]}.get(func, likes)
        place, dtype, *_ = torch._C._nn._parse_to(*own[0]) if own else torch._C._nn._parse_to(*args, **kwargs)
        here, place = self.of(tensor), place or self.of(tensor)
        there = place.type == self.device.type
        made = tensor.to(CPU if there else place, dtype or tensor.dtype, copy=copy or place.type != here.type)
        return self.put(made) if there else made


@contextmanager
def pretending(device: str = "cuda:0") -> Iterator[torch.device]:
    """Within, this machine has that accelerator, and Accelerate takes it."""
    mode = Pretending()
    mode.device = torch.device(device)
    with mode, patch("accelerate.Accelerator.device", mode.device), patch("torch.Event"):
        yield mode.device
