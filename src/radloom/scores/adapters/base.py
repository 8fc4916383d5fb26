"""What all adapters share: whether package and weights are there, how they are run, and the check of what they give."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from radloom.errors import RadloomError
from radloom.scores.adapters.foreign import foreign
from radloom.study import OBSERVATIONS, Mention

if TYPE_CHECKING:
    import torch

MODEL = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
TOKENIZER = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spm.model")
"""Files of a hub repository of which one is enough."""

_ROUNDING = 1e-6  # what mapping [-1, 1] to [0, 1] may leave over


class UnavailableError(RadloomError):
    """An adapter whose package or weights are not on this machine; the text is one line: why, and what to install."""


@dataclass(frozen=True)
class Status:
    """Whether an adapter can be used.

    Attributes:
        name: of the adapter.
        available: its package and weights are on this machine.
        detail: version of the package and name of the weights; or why not, and what to install.
    """

    name: str
    available: bool
    detail: str


class Adapter(ABC):
    """A learned metric of the field, run by its own package.

    Attributes:
        name: what the metric is called; goes into the names of scores.
        weights: which weights it runs with; belongs into the names of scores too.
        package: the module to import.
        distribution: what carries it on PyPI.
        install: the command that installs it.
    """

    name: ClassVar[str]
    weights: ClassVar[str]
    package: ClassVar[str]
    distribution: ClassVar[str]
    install: ClassVar[str]

    @classmethod
    def load(cls) -> Self:
        """Ready to score, on the accelerator if there is one. Nothing is downloaded.

        Raises:
            UnavailableError: the package, what it needs, or the weights are not on this machine.
            RadloomError: the package breaks while it loads.
        """
        if lack := cls.lack():
            raise UnavailableError(lack)
        try:
            with running(cls.name):
                return cls()
        except RadloomError as error:
            if isinstance(error.__cause__, ImportError | OSError):
                raise UnavailableError(cls._does_not_load(error.__cause__)) from error
            raise

    @classmethod
    def status(cls) -> Status:
        """Whether it can be used; looks for files and loads neither the package nor its weights."""
        lack = cls.lack()
        return Status(cls.name, not lack, lack or f"{cls.distribution} {_version(cls.distribution)}, {cls.weights}")

    @classmethod
    def lack(cls) -> str:
        """Why it cannot be used, and what to install; `""` when it can."""
        if importlib.util.find_spec(cls.package) is None:
            return f"{cls.name} needs the package {cls.distribution}; run: {cls.install}"
        try:
            missing = cls.missing()
        except (ImportError, OSError, ValueError, KeyError) as error:  # also of a config that cannot be read
            return cls._does_not_load(error)
        return f"{cls.name} is without its weights; {', and '.join(missing)}" if missing else ""

    @classmethod
    @abstractmethod
    def missing(cls) -> list[str]:
        """How to get each thing that its weights lack; called when the package is there."""

    @abstractmethod
    def __init__(self) -> None:
        """Make the package's model; use `load`."""

    @classmethod
    def _does_not_load(cls, error: BaseException) -> str:
        return f"{cls.name} does not load ({_line(error)}); run: {cls.install}"

    def _checked(self, what: str, values: Any, *shape: int | None) -> np.ndarray:
        """As float64, finite and of that shape; None stands for any size above 0.

        Raises:
            RadloomError: they are not.
        """
        try:
            array = np.asarray(values, np.float64)
        except (TypeError, ValueError) as error:
            raise RadloomError(f"Adapter {self.name} gave {what} that are not numbers: {_line(error)}.") from error
        sizes = zip(array.shape, shape, strict=False)
        if array.ndim != len(shape) or not all(size == wanted if wanted else size for size, wanted in sizes):
            wanted_shape = ", ".join("any" if size is None else str(size) for size in shape)
            raise RadloomError(f"Adapter {self.name} gave {what} of shape {array.shape}, not ({wanted_shape}).")
        if not np.isfinite(array).all():
            raise RadloomError(f"Adapter {self.name} gave {what} that hold NaN or infinity.")
        return array


class TextAdapter(Adapter):
    """A metric of a written report against a reference."""

    def score(self, references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, np.ndarray]:
        """Measure -> one value a pair, (n,).

        Args:
            references, hypotheses: n of each, in the same order; white space around them is cut off.

        Raises:
            RadloomError: no pairs, sides of different length, or a package that breaks or gives no n finite values.
        """
        if len(references) != len(hypotheses) or not len(hypotheses):
            raise RadloomError(
                f"{len(references)} references for {len(hypotheses)} hypotheses; give one reference for each."
            )
        with running(self.name):
            scores = self._score([t.strip() for t in references], [t.strip() for t in hypotheses])
        return {measure: self._checked(measure, values, len(hypotheses)) for measure, values in scores.items()}

    @abstractmethod
    def _score(self, references: list[str], hypotheses: list[str]) -> Mapping[str, Any]:
        """Measure -> n values."""


class LabelAdapter(Adapter):
    """A labeller of reports; scores follow from its labels of both sides."""

    def label(self, texts: Sequence[str]) -> list[list[Mention | None]]:
        """What each text says of each observation, in the order of `OBSERVATIONS`; None where it says nothing.

        Raises:
            RadloomError: a package that breaks or gives other labels.
        """
        different = [text for text in dict.fromkeys(text.strip() for text in texts) if text not in self._known]
        with running(self.name):
            rows = self._label(different)
        if len(rows) != len(different) or any(len(row) != len(OBSERVATIONS) for row in rows):
            raise RadloomError(
                f"Adapter {self.name} gave {len(rows)} rows of labels, not {len(different)} of {len(OBSERVATIONS)}."
            )
        if strange := {label for row in rows for label in row} - {*Mention, None}:
            raise RadloomError(f"Adapter {self.name} gave labels that mean nothing: {sorted(map(repr, strange))}.")
        self._known.update(zip(different, rows, strict=True))
        return [self._known[text.strip()] for text in texts]

    @cached_property
    def _known(self) -> dict[str, list[Mention | None]]:
        """Labels of the texts seen so far: references come again with every system."""
        return {}

    @abstractmethod
    def _label(self, texts: list[str]) -> list[list[Mention | None]]:
        """A row of 14 for each text."""


class ImageAdapter(Adapter):
    """A network that turns X-rays into features.

    Attributes:
        batch: images at a time.
    """

    batch: ClassVar[int] = 16

    def features(self, pixels: np.ndarray | torch.Tensor) -> np.ndarray:
        """Features of each image, (n, d).

        Args:
            pixels: (n, 1, h, w), floating, in [0, 1], bones bright.

        Raises:
            RadloomError: other pixels, or a package that breaks or gives no n rows of finite values.
        """
        return self._by_image("features", pixels, self._features)

    @abstractmethod
    def _features(self, pixels: torch.Tensor) -> torch.Tensor:
        """(b, 1, h, w) float32 in [0, 1] -> (b, d)."""

    def _by_image(
        self,
        what: str,
        pixels: np.ndarray | torch.Tensor,
        network: Callable[[torch.Tensor], torch.Tensor],
        width: int | None = None,
    ) -> np.ndarray:
        """What a network gives of each image, checked: (n, width)."""
        import torch

        images = _images(pixels)
        with running(self.name), torch.no_grad():
            parts = [network(part.to(device())).float().cpu() for part in images.split(self.batch)]
            rows = torch.cat(parts).numpy()
        return self._checked(what, rows, len(images), width)


def device() -> str:
    """Where adapters run: `"cuda"` if it is there, else `"cpu"`; the packages know no other."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def no_file(path: Path, source: str) -> list[str]:
    """How to get that file; empty when it is there."""
    return [] if path.is_file() else [f"put {path.name} of {source} into {path.parent}"]


def not_cached(repository: str, *needed: str | tuple[str, ...], revision: str = "main") -> list[str]:
    """How to get a repository of the Hugging Face hub into the cache; empty when it is there.

    Args:
        needed: files; of a tuple, one is enough.
        revision: branch or tag.
    """
    names = [(name,) if isinstance(name, str) else name for name in needed]
    if all(any(cached(repository, name, revision) for name in options) for options in names):
        return []
    return [f"run: hf download {repository}" + (f" --revision {revision}" if revision != "main" else "")]


def cached(repository: str, name: str, revision: str = "main") -> Path | None:
    """A file of a repository in the hub's cache on this machine."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(repository, name, revision=revision)
    return Path(path) if isinstance(path, str) else None


def uint8(pixels: torch.Tensor) -> torch.Tensor:
    """[0, 1] -> 0 to 255."""
    import torch

    return (pixels * 255).round().clamp(0, 255).to(torch.uint8)


@contextmanager
def running(name: str) -> Iterator[None]:
    """Around code of an adapter's package: `foreign`, and what it raises is a RadloomError that names the adapter."""
    try:
        with foreign():
            yield
    except RadloomError:
        raise
    except Exception as error:
        raise RadloomError(f"Adapter {name} broke: {_line(error)}; mend its package or leave it out.") from error


def _images(pixels: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Checked, as float32 on the processor."""
    import torch

    images = torch.as_tensor(pixels).detach().cpu()
    if not images.is_floating_point() or images.ndim != 4 or images.shape[1] != 1 or not images.numel():
        raise RadloomError(
            f"Images are {images.dtype} of shape {tuple(images.shape)}; give floating (n, 1, height, width)."
        )
    low, high = images.min().item(), images.max().item()
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # also catches NaN
        raise RadloomError(f"Pixels lie in [{low:.3g}, {high:.3g}]; bring them to [0, 1] before scoring.")
    return images.float().clamp(0, 1)


def _line(error: BaseException) -> str:
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "of unknown version"
