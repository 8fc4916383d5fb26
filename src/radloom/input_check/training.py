"""Training of the input check from X-rays of prepared corpora and a folder of pictures of anything else.

    python -m radloom.input_check.training MANIFEST... --others DIR -o input-check.safetensors

A turned or inverted X-ray is made from an upright one. A tenth of the patients, and of the pictures, is kept apart to
set the threshold. Of the corpora, only studies of the split `train` are taken.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from radloom.corpora.draft import IMAGE_SUFFIXES
from radloom.corpora.manifest import Manifest
from radloom.corpora.splits import hash_split
from radloom.errors import ManifestError
from radloom.imaging import ImageWarning, Transform, read_image
from radloom.input_check.network import LOOKS, SIDE, InputCheck, Look

KEPT = 128
"""Pixels in each direction of what is kept in memory; the rest is for cropping."""

FALSE_ALARMS = 0.002
"""Share of the held-out chest X-rays, as they are, that the threshold may doubt."""

_TURNS = {Look.UPSIDE_DOWN: 2, Look.TURNED_RIGHT: 3, Look.TURNED_LEFT: 1}  # quarters, counterclockwise


def turned(pixels: Tensor, look: Look) -> Tensor:
    """An upright X-ray (..., H, W) in [-1, 1] so that it looks as said."""
    return -pixels if look is Look.INVERTED else torch.rot90(pixels, _TURNS.get(look, 0), (-2, -1))


def vary(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Pictures (b, 1, H, W) in [-1, 1] as (b, 1, 64, 64), each with another crop, border, exposure and noise.

    How sharp they are is drawn once for all of them.
    """

    def drawn(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (len(pixels), 1, 1, 1)).astype(np.float32))

    angle, zoom, stretch = drawn(-0.2, 0.2), drawn(-0.35, 0.15).exp(), drawn(-0.12, 0.12).exp()
    cos, sin, dx, dy = angle.cos() * zoom, angle.sin() * zoom, drawn(-0.12, 0.12), drawn(-0.12, 0.12)
    theta = torch.stack([cos * stretch, -sin, dx, sin, cos / stretch, dy], -1).view(-1, 2, 3)
    size = int(rng.choice([24, 32, 48, 64, 64, 96]))
    border = torch.from_numpy(rng.choice([-1.0, -1.0, -0.9, 0.0, 1.0], (len(pixels), 1, 1, 1)).astype(np.float32))
    grid = F.affine_grid(theta, [len(pixels), 1, size, size], align_corners=False)
    moved = F.grid_sample(pixels - border, grid, align_corners=False) + border
    small = F.interpolate(moved, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
    unit = ((small + 1) / 2).clamp(0, 1) ** drawn(-0.6, 0.6).exp()
    low, high = drawn(0, 0.2), drawn(0.7, 1.0)
    noise = torch.from_numpy(rng.normal(size=unit.shape).astype(np.float32)) * drawn(0, 0.06)
    return (low + (high - low) * unit + noise).clamp(0, 1) * 2 - 1


def invented(rng: np.random.Generator) -> Tensor:
    """A picture (1, 128, 128) in [-1, 1] of nothing: noise of some grain, a ramp, stripes, a board or blobs."""
    kind, side = rng.integers(5), KEPT
    y, x = np.mgrid[0:side, 0:side] / side
    if kind == 0:
        grain = int(rng.choice([2, 4, 8, 16, 32, 128]))
        coarse = torch.from_numpy(rng.uniform(-1, 1, (1, 1, grain, grain)).astype(np.float32))
        return F.interpolate(coarse, (side, side), mode="bicubic", align_corners=False)[0].clamp(-1, 1)
    slope = x * rng.uniform(-1, 1) + y * rng.uniform(-1, 1)
    if kind == 1:
        values = slope
    elif kind == 2:
        values = np.sin(slope * rng.uniform(5, 80))
    elif kind == 3:
        count = rng.integers(2, 20)
        values = (np.floor(x * count) + np.floor(y * count)) % 2
    else:
        values = sum(
            rng.uniform(-1, 1) * np.exp(-(((x - a) ** 2 + (y - b) ** 2) / rng.uniform(0.005, 0.1)))
            for a, b in rng.uniform(0, 1, (rng.integers(1, 8), 2))
        )
    span = values.max() - values.min() or 1.0
    return torch.from_numpy(((values - values.min()) / span * 2 - 1).astype(np.float32))[None]


def train_check(
    chests: Sequence[Tensor], others: Sequence[Tensor], *, steps: int = 2000, batch: int = 64, seed: int = 0
) -> InputCheck:
    """A network that has seen so many batches; half are upright chest X-rays.

    Args:
        chests, others: pictures (1, 128, 128) in [-1, 1].
        steps: of AdamW, with one cycle of the learning rate.
        batch: pictures a step.
        seed: of everything drawn.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = InputCheck()
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    shares = [0.4, 0.1, 0.08, 0.08, 0.08, 0.26]
    for step in range(steps):
        wanted = rng.choice(len(LOOKS), batch, p=shares)
        pictures = []
        for look in (LOOKS[i] for i in wanted):
            if look is not Look.OTHER:
                picture = turned(chests[int(rng.integers(len(chests)))], look)
            elif rng.random() < 0.15:
                picture = invented(rng)
            else:
                picture = torch.rot90(others[int(rng.integers(len(others)))], int(rng.integers(4)), (-2, -1))
                picture = picture if rng.random() < 0.7 else -picture
            pictures.append(picture)
        logits = network(vary(torch.stack(pictures), rng))
        loss = F.cross_entropy(logits, torch.from_numpy(wanted), label_smoothing=0.02)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
        if step % 100 == 99:
            print(f"{step + 1}/{steps}  loss {loss.item():.3f}", flush=True)
    return network.eval()


@torch.no_grad()
def probabilities(network: InputCheck, pictures: Sequence[Tensor], look: Look = Look.CHEST) -> Tensor:
    """Probability (n,) that pictures (1, 128, 128), brought to look as said, are upright chest X-rays."""
    small = F.interpolate(torch.stack(list(pictures)), (SIDE, SIDE), mode="bilinear", antialias=True)
    return network(turned(small, look)).softmax(1)[:, 0]


def _read(path: Path) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImageWarning)  # of colours and of nothing in it
        return Transform(KEPT, "squash")(read_image(path))


def _chests(manifest: Manifest, kept: bool) -> list[Tensor]:
    rows = [row for row in manifest.rows if row.split == "train" and (hash_split(row.patient) == "train") != kept]
    return [_read(manifest.path(image)) for row in rows for image in row.images]


def main() -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(description="Train the input check.")
    parser.add_argument("manifests", nargs="+", type=Path, help="prepared corpora of chest X-rays")
    parser.add_argument("--others", type=Path, required=True, help="folder of pictures of anything else")
    parser.add_argument("-o", dest="out", type=Path, required=True, help="the weights' file")
    parser.add_argument("--steps", type=int, default=2000)
    arguments = parser.parse_args()
    manifests = [Manifest.read(path) for path in arguments.manifests]
    files = sorted(path for path in arguments.others.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise ManifestError(f"{arguments.others} holds no pictures; name a folder of PNG or JPEG files.")
    chests = [[picture for each in manifests for picture in _chests(each, kept)] for kept in (False, True)]
    others = [[_read(f) for f in files if (hash_split(f.name) == "train") != kept] for kept in (False, True)]
    network = train_check(chests[0], others[0], steps=arguments.steps)
    network.threshold = min(0.5, float(probabilities(network, chests[1]).quantile(FALSE_ALARMS)))
    network.save(arguments.out)
    print(f"threshold {network.threshold:.3f}, of {len(chests[1])} chest X-rays kept apart")
    for look in LOOKS[1:-1]:
        found = probabilities(network, chests[1], look) < network.threshold
        print(f"{look}: {found.float().mean():.3f} of them doubted")
    found = probabilities(network, others[1]) < network.threshold
    print(f"{Look.OTHER}: {found.float().mean():.3f} of {len(others[1])}")


if __name__ == "__main__":
    main()
