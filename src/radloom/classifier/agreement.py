"""How well what the classifier sees in X-rays agrees with what a report says of them."""

from __future__ import annotations

import numpy as np

from radloom.classifier.evidence import CHANNELS, SIDED
from radloom.reports.labeller import label
from radloom.reports.questions import sides
from radloom.study import Mention, Report, slug

_CERTAIN = (Mention.POSITIVE, Mention.NEGATIVE)
_LEFT = {"left": 1.0, "right": -1.0}


def agreement(values: np.ndarray, report: Report) -> np.ndarray:
    """How probable the classifier finds what a report says, for several X-rays.

    Args:
        values: (n, channels) evidence, see `evidence.evidence`.
        report: what they should show. What it says is uncertain does not count.

    Returns:
        (n,) mean log-probability over the observations that it affirms or denies, and over the sides that it names of
        those whose side is known; zeros of a report that says none of that.
    """
    text = f"{report.findings} {report.impression}"
    signs = {slug(o): 1.0 if m is Mention.POSITIVE else -1.0 for o, m in label(report).items() if m in _CERTAIN}
    signs |= {f"{slug(o)}-side": _LEFT[side] for o, side in sides(text).items() if o in SIDED and side in _LEFT}
    if not signs:
        return np.zeros(len(values))
    towards = np.stack([sign * values[:, CHANNELS.index(name)] for name, sign in signs.items()], 1)
    found: np.ndarray = -np.logaddexp(0.0, -towards).mean(1)
    return found
