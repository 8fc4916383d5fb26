"""What files say of how they came about: which model made them, from what, with which seed and settings.

Of a text that was drawn there is a checksum alone, so that no file carries what somebody typed of a patient.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from radloom import __version__
from radloom.reports.report_text import report_to_text
from radloom.study import Part, Report, Study, View

if TYPE_CHECKING:
    from radloom.models import Model

SYNTHETIC = "Synthetic"
"""The first word of the comment in the PNG file of a drawing."""


@dataclass(frozen=True)
class Maker:
    """The software that made something.

    Attributes:
        recipe: what trained the model.
        fingerprint: of the model's weights, `""` where there is none.
        seed: of sampling.
        engine: of the model that drew, `""` for what only one of them does.
        settings: of drawing, by name.
        version: of radloom.
    """

    recipe: str
    fingerprint: str
    seed: int
    engine: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: str = __version__

    @classmethod
    def of(cls, model: Model, seed: int, engine: str = "", **settings: Any) -> Maker:
        """A loaded model that samples with that seed, by that engine."""
        return cls(model.config.recipe, model.fingerprint, seed, engine, settings)

    @property
    def uid(self) -> str:
        """DICOM UID of this version with these weights, whatever the seed."""
        name = f"radloom {self.version} {self.recipe} {self.fingerprint}"
        return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}"

    def __str__(self) -> str:
        engine = f", {self.engine} engine" if self.engine else ""
        settings = "".join(f", {name} {value}" for name, value in self.settings.items())
        return f"radloom {self.version}, model {self.recipe} {self.fingerprint}{engine}, seed {self.seed}{settings}"


@dataclass(frozen=True)
class Origin:
    """What a drawing was made from.

    Attributes:
        parts: of a study.
        report: the text, where a report is one of them.
    """

    parts: Sequence[Part]
    report: Report = field(default_factory=Report)

    @classmethod
    def of(cls, study: Study) -> Origin:
        """The parts that are there."""
        return cls(study.parts, study.report or Report())

    def __str__(self) -> str:
        words = {Part.REPORT: f"a text with SHA-256 {text_hash(self.report)[:16]}"}
        words |= {view.part: f"a {view} X-ray" for view in View}
        return " and ".join(words[part] for part in self.parts) or "nothing"


def text_hash(report: Report) -> str:
    """SHA-256 of a text as `FINDINGS: ...` and `IMPRESSION: ...`, in UTF-8, in 64 hex digits."""
    return hashlib.sha256(report_to_text(report).encode()).hexdigest()


def marks(view: View, maker: Maker, origin: Origin) -> dict[str, str]:
    """What the PNG file of a drawing says of itself, for `write_png`: in words, and all of it as JSON for programs."""
    record = {
        "synthetic": True,
        "view": view,
        "made_from": [*origin.parts],
        "text_sha256": text_hash(origin.report) if Part.REPORT in origin.parts else None,
        "version": maker.version,
        "recipe": maker.recipe,
        "model": maker.fingerprint,
        "engine": maker.engine or None,
        "seed": maker.seed,
        "settings": {**maker.settings},
    }
    return {
        "Comment": f"{SYNTHETIC} {view} chest X-ray, not acquired from a patient. For research only.",
        "Description": f"Made from {origin}.",
        "Software": str(maker),
        "radloom": json.dumps(record, default=lambda number: number.item(), allow_nan=False),
    }
