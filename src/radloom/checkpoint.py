"""Checkpoints: a folder with `config.json`, `model.safetensors`, `transform.json` where images go in, and a card.

No pickle anywhere. Loading is strict: missing and unexpected keys are named. Writing is atomic: the folder appears
whole or not at all. Weights may be stored in half the bits (`bfloat16`) or a quarter (`int8`: matrices and kernels as
whole numbers, each row of outputs with a scale of its own beside it); they are read back as float32.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radloom.errors import CheckpointError
from radloom.files import whole_folder

if TYPE_CHECKING:
    import torch

FORMAT = 1
"""Version of the checkpoint layout, written to every `config.json`."""

SCALE = ".int8-scale"
"""What follows the name of a matrix in the name of its scales."""

LARGE = 4096
"""Weights that a matrix needs to be stored as int8; smaller ones cost nothing."""


def save(
    folder: Path | str,
    kind: str,
    config: Mapping[str, Any],
    state: Mapping[str, torch.Tensor],
    *,
    transform: Mapping[str, Any] | None = None,
    dtype: str = "bfloat16",
    card: str | None = None,
    beside: Mapping[str, str] | None = None,
) -> Path:
    """Write a checkpoint folder, replacing one that is there.

    Args:
        folder: where; its parent is made.
        kind: the class that reads it back, e.g. `"codec"`.
        config: plain data that builds the network.
        state: parameters and buffers by name; floating tensors are stored as `dtype`, others as they are. With int8,
            those that are no large matrix are stored as bfloat16.
        transform: the image transform, if the model sees images.
        dtype: `"float32"`, `"bfloat16"`, `"float16"` or `"int8"`.
        card: text of the model card `README.md`.
        beside: further text files, by their names.
    """
    from safetensors.torch import save_file

    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        tensors |= _stored(name, tensor.detach().cpu(), dtype)
    with whole_folder(folder) as new:
        save_file(tensors, str(new / "model.safetensors"), metadata={"format": "pt"})
        _write_json(new / "config.json", {"kind": kind, "format": FORMAT, "config": dict(config)})
        if transform is not None:
            _write_json(new / "transform.json", dict(transform))
        for name, text in {**(beside or {}), **({} if card is None else {"README.md": card})}.items():
            (new / name).write_text(text, encoding="utf-8")
    return Path(folder)


def read_kind(folder: Path | str) -> str:
    """The kind of a checkpoint.

    Raises:
        CheckpointError: no checkpoint there.
    """
    return str(_read_json(Path(folder) / "config.json", Path(folder)).get("kind"))


def read_config(folder: Path | str, kind: str) -> dict[str, Any]:
    """The configuration of a checkpoint of that kind.

    Raises:
        CheckpointError: no checkpoint there, or one of another kind or format.
    """
    folder = Path(folder)
    head = _read_json(folder / "config.json", folder)
    if head.get("kind") != kind:
        raise CheckpointError(f"{folder} holds a {head.get('kind')!r} checkpoint; a {kind!r} is needed.")
    if head.get("format") != FORMAT:
        raise CheckpointError(
            f"{folder} has checkpoint format {head.get('format')}; this radloom reads format {FORMAT}. "
            "Train or convert it with a matching version."
        )
    config = head.get("config")
    if not isinstance(config, dict):
        raise CheckpointError(f"{folder / 'config.json'} holds no configuration; restore it from a whole copy.")
    return config


def read_transform(folder: Path | str) -> dict[str, Any]:
    """The plain data of the image transform stored with a checkpoint."""
    folder = Path(folder)
    return _read_json(folder / "transform.json", folder)


def load_state(module: torch.nn.Module, folder: Path | str) -> None:
    """Load `model.safetensors` of `folder` into `module` as float32, strictly.

    Raises:
        CheckpointError: weights missing or unreadable, or keys or shapes that do not match; they are named.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(folder) / "model.safetensors"
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; copy the whole checkpoint folder.")
    try:
        state = load_file(str(path))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); copy or download it again.") from None
    state = _read_back(state)
    own = module.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if missing or extra:
        parts = [f"missing: {', '.join(missing[:3])}" + (" ..." if len(missing) > 3 else "")] if missing else []
        parts += [f"unexpected: {', '.join(extra[:3])}" + (" ..." if len(extra) > 3 else "")] if extra else []
        raise CheckpointError(
            f"{path} does not fit {type(module).__name__}: {len(missing)} missing and {len(extra)} unexpected keys "
            f"({'; '.join(parts)}). Use the checkpoint that belongs to this configuration."
        )
    for name, tensor in state.items():
        if tensor.shape != own[name].shape:
            raise CheckpointError(
                f"{path}: {name} has shape {tuple(tensor.shape)}, the configuration asks for {tuple(own[name].shape)}."
            )
    module.load_state_dict(state, strict=True)


def _stored(name: str, tensor: torch.Tensor, dtype: str) -> dict[str, torch.Tensor]:
    """What is written of a tensor, by its names in the file."""
    import torch

    if not tensor.is_floating_point():
        return {name: tensor.contiguous().clone()}
    if dtype != "int8" or tensor.ndim < 2 or tensor.numel() < LARGE:
        stored = torch.bfloat16 if dtype == "int8" else getattr(torch, dtype)
        return {name: tensor.to(stored).contiguous().clone()}
    rows = tensor.float().flatten(1)
    scale = rows.abs().amax(1).clamp(min=1e-12) / 127
    whole = (rows / scale[:, None]).round().to(torch.int8).view(tensor.shape)
    return {name: whole.contiguous(), name + SCALE: scale}


def _read_back(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The inverse of `_stored` for all tensors of a file, floating ones as float32; int8 without scales is left out."""
    import torch

    found = {}
    for name, tensor in state.items():
        if name.endswith(SCALE):
            continue
        if tensor.dtype != torch.int8:
            found[name] = tensor.float() if tensor.is_floating_point() else tensor
        elif name + SCALE in state:
            found[name] = tensor.float() * state[name + SCALE].view(-1, *[1] * (tensor.ndim - 1))
    return found


def fingerprint(folder: Path | str) -> str:
    """16 hex digits that change when the weights, the configuration, the transform or `radloom.json` change.

    Raises:
        CheckpointError: no weights there.
    """
    if not (Path(folder) / "model.safetensors").is_file():
        raise CheckpointError(
            f"{folder} is not a checkpoint: model.safetensors is missing. Name a folder made by radloom."
        )
    digest = hashlib.sha256()
    for name in ("config.json", "transform.json", "radloom.json", "model.safetensors"):
        path = Path(folder) / name
        if path.is_file():
            digest.update(name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _read_json(path: Path, folder: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CheckpointError(f"{folder} is not a checkpoint: {path.name} is missing. Name a folder made by radloom.")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON ({error}); restore it from a whole copy.") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} does not hold a JSON object; restore it from a whole copy.")
    return value
