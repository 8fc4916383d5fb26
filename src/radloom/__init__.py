"""radloom weaves chest X-rays and radiology reports both ways.

    import radloom

    model = radloom.load("nano")
    model.report("chest.png").findings

Nothing is read, seeded or downloaded at import; heavy packages load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radloom.api import evaluate as evaluate
    from radloom.api import fill as fill
    from radloom.api import predict as predict
    from radloom.api import prepare as prepare
    from radloom.api import train as train
    from radloom.errors import RadloomError as RadloomError
    from radloom.imaging import read_image as read_image
    from radloom.models import Model as Model
    from radloom.models import load as load
    from radloom.study import OBSERVATIONS as OBSERVATIONS
    from radloom.study import Report as Report
    from radloom.study import Study as Study

__version__ = "0.1.0"

_HOMES = {
    "load": "models",
    "Model": "models",
    "read_image": "imaging",
    "RadloomError": "errors",
    "OBSERVATIONS": "study",
    "Report": "study",
    "Study": "study",
    "prepare": "api",
    "predict": "api",
    "fill": "api",
    "evaluate": "api",
    "train": "api",
}
__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"radloom.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'radloom' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
