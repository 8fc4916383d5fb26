"""The field's learned metrics, each run by its own package where package and weights are on the machine.

Importing this imports none of those packages, looking for weights opens no connection, and an adapter that breaks is
an error, never a blank.
"""

from __future__ import annotations

from radloom.scores.adapters.base import (
    Adapter,
    ImageAdapter,
    LabelAdapter,
    Status,
    TextAdapter,
    UnavailableError,
)
from radloom.scores.adapters.bertscore import BertScore
from radloom.scores.adapters.biovil import BioVilT
from radloom.scores.adapters.chexbert import CheXbert
from radloom.scores.adapters.green import Green
from radloom.scores.adapters.inception import Inception
from radloom.scores.adapters.rad_dino import RadDino
from radloom.scores.adapters.radgraph import RadGraph
from radloom.scores.adapters.ratescore import RateScore
from radloom.scores.adapters.xrayvision import XRayVision

__all__ = [
    "IMAGES",
    "TEXT",
    "Adapter",
    "BertScore",
    "BioVilT",
    "CheXbert",
    "Green",
    "ImageAdapter",
    "Inception",
    "LabelAdapter",
    "RadDino",
    "RadGraph",
    "RateScore",
    "Status",
    "TextAdapter",
    "UnavailableError",
    "XRayVision",
    "statuses",
]

TEXT: tuple[type[TextAdapter] | type[LabelAdapter], ...] = (CheXbert, RadGraph, RateScore, Green, BertScore)

IMAGES: tuple[type[ImageAdapter], ...] = (XRayVision, RadDino, BioVilT, Inception)


def statuses() -> list[Status]:
    """Which adapters can be used on this machine, and what the others need; loads none of them."""
    return [adapter.status() for adapter in (*TEXT, *IMAGES)]
