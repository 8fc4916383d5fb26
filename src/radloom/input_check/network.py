"""The network that tells upright chest X-rays from turned and inverted ones, and from pictures of anything else.

It belongs to the package, not to a model: whatever was trained, the question is the same. It sees 64 x 64 pixels, so it
knows photographs, screens and slices of a head, and hardly other radiographs of the trunk. `training` makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from radloom.errors import CheckpointError
from radloom.imaging.transform import Transform

SIDE = 64
"""Pixels that the network sees in each direction."""


LARGE = 512
"""Pixels in a direction; of twice as many or more, some are left out before the picture is made small."""


class Look(StrEnum):
    """What a picture looks like; the outputs of the network, in this order."""

    CHEST = "a chest X-ray"
    INVERTED = "inverted, with dark bones"
    UPSIDE_DOWN = "upside down"
    TURNED_RIGHT = "turned by 90 degrees clockwise"
    TURNED_LEFT = "turned by 90 degrees counterclockwise"
    OTHER = "something else"


LOOKS = tuple(Look)


class InputCheck(nn.Module):
    """Convolutions of stride 2, one mean over what is left: pixels (b, 1, 64, 64) in [-1, 1] -> logits (b, 6).

    Attributes:
        threshold: least probability of a chest X-ray at which nothing is said.
    """

    def __init__(self, channels: Sequence[int] = (16, 32, 64, 64), threshold: float = 0.5) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inward, outward in zip((1, *channels[:-1]), channels, strict=True):
            layers += [nn.Conv2d(inward, outward, 3, 2, 1, bias=False), nn.BatchNorm2d(outward), nn.ReLU()]
            layers += [nn.Conv2d(outward, outward, 3, 1, 1, bias=False), nn.BatchNorm2d(outward), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(channels[-1], len(LOOKS))
        self.threshold = threshold

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.body(pixels).mean((2, 3)))

    @torch.no_grad()
    def look(self, images: Sequence[np.ndarray]) -> list[Look]:
        """What pictures (H, W) in [0, 1] look like: a chest X-ray unless that is less likely than the threshold."""
        shrink = Transform(SIDE, "squash")
        thinned = [image[:: max(1, len(image) // LARGE), :: max(1, image.shape[1] // LARGE)] for image in images]
        probabilities = self(torch.stack([shrink(image) for image in thinned])).softmax(1)
        others = probabilities[:, 1:].argmax(1) + 1
        fine = probabilities[:, 0] >= self.threshold
        return [Look.CHEST if ok else LOOKS[other] for ok, other in zip(fine, others.tolist(), strict=True)]

    def save(self, path: Path | str) -> None:
        """Write weights and threshold as one safetensors file."""
        state = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(state, path, {"threshold": repr(self.threshold)})

    @classmethod
    def load(cls, path: Path | str) -> InputCheck:
        """Read what `save` wrote, ready to look.

        Raises:
            CheckpointError: missing or damaged.
        """
        try:
            with safe_open(path, "pt") as file:
                made = cls(threshold=float(file.metadata()["threshold"]))
                made.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, RuntimeError, ValueError, TypeError) as error:
            raise CheckpointError(f"{path} is not the file of an input check; install radloom again.") from error
        return made.eval()


@cache
def shipped_check() -> InputCheck:
    """The network that is shipped."""
    return InputCheck.load(Path(__file__).parents[1] / "weights" / "input-check.safetensors")


def doubt(image: np.ndarray, name: str = "The image") -> str:
    """A sentence on a picture (H, W) in [0, 1] that does not look like an upright chest X-ray; `""` on one that does.

    Args:
        image: the picture.
        name: of it, for the sentence.
    """
    look = shipped_check().look([image])[0]
    if look is Look.CHEST:
        return ""
    if look is Look.OTHER:
        return f"{name} does not look like a chest X-ray; if it is none, what is made of it means nothing."
    return f"{name} looks {look}; if it is, set it right first: it is read as it stands."
