"""Signs as the clinical network sees them: a linear reader of its pooled features, and one of sides beside it.

The classifier's features know more than the 14 observations that they were trained for: whether the lungs are
hyperinflated, whether there was a sternotomy, on which side something is. `fitting.py` and `side_fitting.py` fit them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from radloom import checkpoint
from radloom.classifier.evidence import NEVER
from radloom.classifier.network import FEATURES
from radloom.classifier.sides import SideReader
from radloom.errors import CheckpointError
from radloom.study import SIDED, SIGNS

KIND = "signs"


class SignReader(nn.Module):
    """Pooled features (..., 1280) of the classifier -> log-odds (..., signs) in `SIGNS`' order.

    Attributes:
        head: the linear layer.
        thresholds: (2, signs) log-odds from which on a sign is called: of one X-ray, and on the mean over several, as
            means lie closer together.
        sides: reads the sides of findings.
    """

    thresholds: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(FEATURES, len(SIGNS))
        self.register_buffer("thresholds", torch.full((2, len(SIGNS)), NEVER))
        self.sides = SideReader()

    def forward(self, features: Tensor) -> Tensor:
        return self.head(features).float()

    def verdicts(self, values: np.ndarray, images: np.ndarray) -> list[dict[str, bool]]:
        """Which signs are there; those that are never called are left out.

        Args:
            values: (n, signs) mean log-odds over the X-rays of each study.
            images: (n,) how many X-rays these are.
        """
        thresholds = self.thresholds.cpu().numpy()[(images > 1).astype(int)]
        rows = zip(values >= thresholds, thresholds < NEVER, strict=True)
        return [{sign: bool(there) for sign, there, read in zip(SIGNS, *row, strict=True) if read} for row in rows]


def save_signs(reader: SignReader, folder: Path, classifier: str) -> Path:
    """Write a reader as a checkpoint folder, with the fingerprint of its classifier."""
    config = {"signs": list(SIGNS), "sided": list(SIDED), "classifier": classifier}
    return checkpoint.save(folder, KIND, config, reader.state_dict(), dtype="float32")


def load_signs(folder: Path | str, classifier: str | None = None) -> SignReader:
    """Read a reader back.

    Args:
        folder: the checkpoint.
        classifier: fingerprint of the classifier that it will be used with, if it should be checked.

    Raises:
        CheckpointError: no reader there, one of other signs or sides, or of another classifier.
    """
    config = checkpoint.read_config(folder, KIND)
    if config.get("signs") != list(SIGNS) or config.get("sided") != list(SIDED):
        raise CheckpointError(f"{folder} reads other signs or sides than this radloom; train its stage again.")
    if classifier is not None and config.get("classifier") != classifier:
        raise CheckpointError(
            f"{folder} reads features of classifier {config.get('classifier')}, not of {classifier}. "
            "Use the classifier that belongs to it."
        )
    with torch.device("meta"):
        reader = SignReader()
    reader = reader.to_empty(device="cpu")
    checkpoint.load_state(reader, folder)
    return reader.eval()
