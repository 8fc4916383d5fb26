"""Report files of the Indiana University / Open-i chest X-ray collection (Demner-Fushman et al. 2016).

One XML file a study: the sections of its report, the MeSH terms that two coders gave it, terms found by a program,
and the ids of its images.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from radloom.errors import ReportError
from radloom.study import Report


@dataclass(frozen=True)
class OpenIRecord:
    """One study as Open-i publishes it.

    Attributes:
        uid: number of the study, without the `CXR` before it.
        indication, comparison, findings, impression: the sections as published, `""` where one is missing.
        mesh: the coders' terms, head first, then qualifiers: `"Opacity/lung/base/left"`; `("normal",)` for a study
            without any finding.
        mesh_automatic: terms found in the text by a program, without qualifiers.
        images: ids of the images, without a file suffix.
        captions: what the collection says of each image, in the same order.
    """

    uid: str
    indication: str = ""
    comparison: str = ""
    findings: str = ""
    impression: str = ""
    mesh: tuple[str, ...] = ()
    mesh_automatic: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()

    @property
    def report(self) -> Report:
        """The sections that radloom reads and writes."""
        return Report(findings=self.findings, impression=self.impression, indication=self.indication)


def read_openi(path: Path | str) -> OpenIRecord:
    """Read one report file.

    Raises:
        ReportError: the file is missing, is no XML, or is not a report of this collection.
    """
    path = Path(path)
    try:
        root = ET.fromstring(path.read_bytes())
    except OSError as error:
        raise ReportError(f"{path} cannot be read ({error.strerror}); check the path.") from None
    except (ET.ParseError, UnicodeDecodeError, ValueError, LookupError) as error:
        raise ReportError(f"{path} is not readable XML ({error}); download it again.") from None
    uid = root.find("uId")
    number = (uid.get("id") or "").removeprefix("CXR") if uid is not None else ""
    if root.tag != "eCitation" or not number:
        raise ReportError(
            f"{path} is not an Open-i report: no <eCitation> with a <uId>. Name a file of that collection."
        )
    sections: dict[str, str] = {}
    for part in root.iter("AbstractText"):
        label = (part.get("Label") or "").lower()
        sections[label] = " ".join(f"{sections.get(label, '')} {_text(part)}".split())
    images = [image for image in root.iter("parentImage") if image.get("id")]
    return OpenIRecord(
        uid=number,
        indication=sections.get("indication", ""),
        comparison=sections.get("comparison", ""),
        findings=sections.get("findings", ""),
        impression=sections.get("impression", ""),
        mesh=_terms(root, "major"),
        mesh_automatic=_terms(root, "automatic"),
        images=tuple(str(image.get("id")) for image in images),
        captions=tuple(_text(image.find("caption")) for image in images),
    )


def _terms(root: ET.Element, tag: str) -> tuple[str, ...]:
    return tuple(term for element in root.iterfind(f"MeSH/{tag}") if (term := _text(element)))


def _text(element: ET.Element | None) -> str:
    return " ".join("".join(element.itertext()).split()) if element is not None else ""
