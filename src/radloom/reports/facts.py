"""What is known of each observation and sign: how reports say it, how questions name it, what it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from radloom.study import Side


@dataclass(frozen=True)
class Facts:
    """Of one observation.

    Attributes:
        there, absent: a sentence that says it is there, and one that says it is not, as radiologists write them.
        a, of, the: how a question names it: with an article, after `free of`, and as something known.
        one_side, both_sides: a sentence that says it is there, on a side that is put in, or on both; of what is sided.
        located: whether it has a place and a side in reports.
        degree: what is asked of how much of it is there; None of what has no degree.
    """

    there: str
    absent: str
    a: str
    of: str
    the: str
    one_side: str = ""
    both_sides: str = ""
    located: bool = False
    degree: Literal["severity", "size"] | None = None

    def said(self, side: Side | None = None) -> str:
        """The sentence that says it is there, on a side if one is given and it has any."""
        if side is None or not self.one_side:
            return self.there
        return self.both_sides if side is Side.BOTH else self.one_side.format(side)


OBSERVED: dict[str, Facts] = {
    "Enlarged Cardiomediastinum": Facts(
        there="The mediastinum is widened.",
        absent="The mediastinum is unremarkable.",
        a="a widened mediastinum",
        of="mediastinal widening",
        the="the mediastinum",
    ),
    "Cardiomegaly": Facts(
        there="The heart is enlarged.",
        absent="The heart is normal in size.",
        a="cardiomegaly",
        of="cardiomegaly",
        the="the cardiomegaly",
        degree="severity",
    ),
    "Lung Opacity": Facts(
        there="There are opacities in the lungs.",
        absent="There is no focal airspace disease.",
        a="a lung opacity",
        of="lung opacities",
        the="the opacity",
        one_side="There are opacities in the {} lung.",
        both_sides="There are opacities in both lungs.",
        located=True,
    ),
    "Lung Lesion": Facts(
        there="There are calcified granulomas or nodules.",
        absent="There are no nodules or masses.",
        a="a lung nodule or granuloma",
        of="lung nodules and granulomas",
        the="the lesion",
        located=True,
    ),
    "Edema": Facts(
        there="There is pulmonary edema.",
        absent="There is no pulmonary edema.",
        a="pulmonary edema",
        of="pulmonary edema",
        the="the pulmonary edema",
        degree="severity",
    ),
    "Consolidation": Facts(
        there="There is a consolidation.",
        absent="There is no focal consolidation.",
        a="consolidation",
        of="consolidation",
        the="the consolidation",
        one_side="There is a consolidation in the {} lung.",
        both_sides="There are consolidations in both lungs.",
        located=True,
    ),
    "Pneumonia": Facts(
        there="There is pneumonia.",
        absent="There is no pneumonia.",
        a="pneumonia",
        of="pneumonia",
        the="the pneumonia",
        one_side="There is pneumonia in the {} lung.",
        both_sides="There is pneumonia in both lungs.",
        located=True,
    ),
    "Atelectasis": Facts(
        there="There is atelectasis.",
        absent="There is no atelectasis.",
        a="atelectasis",
        of="atelectasis",
        the="the atelectasis",
        one_side="There is atelectasis in the {} lung.",
        both_sides="There is atelectasis in both lungs.",
        located=True,
        degree="severity",
    ),
    "Pneumothorax": Facts(
        there="There is a pneumothorax.",
        absent="There is no pneumothorax.",
        a="a pneumothorax",
        of="pneumothorax",
        the="the pneumothorax",
        one_side="There is a {} pneumothorax.",
        both_sides="There are bilateral pneumothoraces.",
        located=True,
        degree="size",
    ),
    "Pleural Effusion": Facts(
        there="There is a pleural effusion.",
        absent="There is no pleural effusion.",
        a="a pleural effusion",
        of="pleural effusion",
        the="the pleural effusion",
        one_side="There is a {} pleural effusion.",
        both_sides="There are bilateral pleural effusions.",
        located=True,
        degree="size",
    ),
    "Pleural Other": Facts(
        there="There is pleural thickening.",
        absent="There is no pleural thickening.",
        a="pleural thickening or fibrosis",
        of="pleural thickening and fibrosis",
        the="the pleural change",
        one_side="There is {} pleural thickening.",
        both_sides="There is bilateral pleural thickening.",
        located=True,
    ),
    "Fracture": Facts(
        there="There is a fracture.",
        absent="There is no fracture.",
        a="a fracture",
        of="fractures",
        the="the fracture",
        located=True,
    ),
    "Support Devices": Facts(
        there="Support devices or surgical hardware are present.",
        absent="There are no lines or tubes.",
        a="a support device",
        of="support devices",
        the="the device",
    ),
}
"""All observations but `No Finding`, in their order."""

SAID_SIGNS = {
    "Hyperinflation": "The lungs are hyperexpanded.",
    "Low Lung Volumes": "Low lung volumes.",
    "Tortuous Aorta": "The thoracic aorta is tortuous.",
    "Aortic Calcification": "The aorta is calcified.",
    "Degenerative Spine": "Degenerative changes of the spine.",
    "Scoliosis": "There is scoliosis.",
    "Hiatal Hernia": "There is a hiatal hernia.",
    "Elevated Hemidiaphragm": "There is elevation of a hemidiaphragm.",
    "Sternotomy": "Sternotomy wires are present.",
    "Pacemaker": "A pacemaker or defibrillator is present.",
    "Central Venous Catheter": "A central venous catheter is present.",
}
"""Sign -> a sentence that says it is there, as reports do."""

OF_LUNGS = frozenset({"Hyperinflation", "Low Lung Volumes"})
"""Signs of the lungs, with which reports begin; no X-ray has both."""

LUNGS = frozenset({"Lung Opacity", "Lung Lesion", "Edema", "Consolidation", "Pneumonia", "Atelectasis"})
"""Observations with which the lungs are not clear."""

ACUTE = frozenset({"Edema", "Consolidation", "Pneumonia", "Pneumothorax", "Pleural Effusion"})
"""Observations beside which radiologists do not write that nothing acute is there.

Of Indiana's training impressions with one of these, 0 to 6 in 100 say "no acute ..."; of those with atelectasis,
opacities or a large heart about 20, with granulomas or fractures 50.
"""
