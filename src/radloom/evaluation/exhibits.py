"""What the page shows besides tables: plots as SVG and sheets of X-rays as PNG."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from radloom.files import write_whole
from radloom.imaging import sheet
from radloom.scores.statistics import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, SOFT, LINE = "#1b1d20", "#5f6670", "#d9dce0"
COLOURS = ("#1f6f8b", "#b4532a", "#7a7f87", "#5b8c5a", "#8a6bb0")
"""Of the systems of a plot, in order."""


@dataclass(frozen=True)
class Exhibit:
    """A picture with its words.

    Attributes:
        task: where it belongs.
        title, caption: plain text.
        mime: `image/svg+xml` or `image/png`.
        data: the picture.
        texts: what stands beside it, by whose words it is.
    """

    task: str
    title: str
    caption: str
    mime: str
    data: bytes
    texts: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Write the picture to a file named after its title."""
        name = "-".join(re.findall(r"\w+", self.title.lower()))
        return write_whole(folder / f"{name}.{'svg' if 'svg' in self.mime else 'png'}", self.data)

    def url(self) -> str:
        """The picture inside a `data:` URL."""
        return f"data:{self.mime};base64,{base64.b64encode(self.data).decode()}"


def picture(
    task: str,
    title: str,
    caption: str,
    images: Sequence[np.ndarray],
    columns: int = 1,
    texts: Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None,
) -> Exhibit:
    """A sheet of X-rays (h, w) in [0, 1] of one size, with a label below each and texts beside it if there are some."""
    pixels = (sheet(images, columns, labels) * 255).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return Exhibit(task, title, caption, "image/png", buffer.getvalue(), texts or {})


def dots(
    task: str, title: str, caption: str, rows: Mapping[str, Mapping[str, Interval]], guide: float | None = None
) -> Exhibit:
    """A line a row, on it a dot with its interval for each system; `guide` is where chance lies."""
    systems = list(dict.fromkeys(system for cells in rows.values() for system in cells))
    figure, axes = _figure(5.6, 0.9 + 0.26 * len(rows))
    for s, system in enumerate(systems):
        shift = (s - (len(systems) - 1) / 2) * 0.22
        found = [(i + shift, cells[system]) for i, cells in enumerate(rows.values()) if system in cells]
        places = [y for y, _ in found]
        axes.hlines(places, [v.low for _, v in found], [v.high for _, v in found], color=COLOURS[s], lw=1.2, alpha=0.6)
        axes.plot([v.value for _, v in found], places, "o", ms=4.5, color=COLOURS[s], label=system, clip_on=False)
    if guide is not None:
        axes.axvline(guide, color=LINE, lw=1, zorder=0)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    if len(systems) > 1:
        figure.legend(loc="upper left", ncols=len(systems), frameon=False, fontsize=9, bbox_to_anchor=(0.01, 1.0))
        figure.subplots_adjust(top=1 - 0.35 / figure.get_figheight())
    return _exhibit(task, title, caption, figure)


def reliability(task: str, title: str, caption: str, chances: np.ndarray, truth: np.ndarray) -> Exhibit:
    """Observed share of positives against predicted probability, in ten equal steps, with the count of each."""
    figure, axes = _figure(3.8, 3.8)
    axes.plot([0, 1], [0, 1], color=LINE, lw=1)
    steps = np.clip((chances * 10).astype(int), 0, 9)
    for step in range(10):
        if n := int(np.sum(steps == step)):
            x, y = chances[steps == step].mean(), truth[steps == step].mean()
            half = 1.96 * np.sqrt(max(y * (1 - y), 1e-9) / n)
            axes.plot([x, x], [max(0, y - half), min(1, y + half)], color=COLOURS[0], lw=1.2, alpha=0.6)
            axes.plot(x, y, "o", ms=4.5, color=COLOURS[0], clip_on=False)
            axes.annotate(f"{n}", (x, y), (5, -9), textcoords="offset points", fontsize=8, color=SOFT)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("share that has it")
    return _exhibit(task, title, caption, figure)


def histogram(task: str, title: str, caption: str, values: Mapping[str, Sequence[float]], label: str) -> Exhibit:
    """Outlined histograms of each system over the same bins."""
    figure, axes = _figure(5.6, 2.4)
    highest = max((max(v) for v in values.values() if len(v)), default=1)
    bins = np.linspace(0, max(1, highest), 31)
    for (system, numbers), colour in zip(values.items(), COLOURS, strict=False):
        axes.hist(numbers, bins=bins, histtype="step", color=colour, lw=1.5, label=system)
    axes.set_xlabel(label)
    axes.set_ylabel("studies")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, fontsize=9)
    return _exhibit(task, title, caption, figure)


def cumulative(task: str, title: str, caption: str, values: Mapping[str, np.ndarray], label: str) -> Exhibit:
    """For each system the share of values that are at most so large, against the value."""
    figure, axes = _figure(5.6, 2.8)
    for (system, numbers), colour in zip(values.items(), COLOURS, strict=False):
        axes.ecdf(numbers, color=colour, lw=1.5, label=f"{system} ({len(numbers)})")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1)
    axes.set_xlabel(label)
    axes.set_ylabel("share of images")
    axes.legend(frameon=False, fontsize=9)
    return _exhibit(task, title, caption, figure)


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=None)
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LINE)
    axes.tick_params(colors=SOFT, labelsize=9, length=0)
    axes.xaxis.label.set_color(SOFT)
    axes.yaxis.label.set_color(SOFT)
    return figure, axes


def _exhibit(task: str, title: str, caption: str, figure: Figure) -> Exhibit:
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "radloom"}):
        figure.savefig(buffer, format="svg", bbox_inches="tight", transparent=True, metadata={"Date": None})
    return Exhibit(task, title, caption, "image/svg+xml", buffer.getvalue())
