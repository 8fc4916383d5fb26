"""What can be set of how models read, draw and complete: the engine, and the settings of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from radloom.diffusion.sampling import MOST_GUIDANCE, STEPS, check_settings
from radloom.errors import RadloomError, did_you_mean, member
from radloom.language.decoding import check_sampling


class Engine(StrEnum):
    """What completes a study."""

    DIFFUSION = "diffusion"
    LANGUAGE = "language"


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn.

    Attributes:
        temperature: 0 takes the likeliest.
        top_p: share of probability that is drawn from.
        guidance: classifier-free guidance; 1 is none.
        max_tokens: longest text.
        candidates: drafts that a model with statements writes of the same statements; of their sentences the report is
            made, see `language.consensus`.
        agree: whether the text of each draft is made to say what was stated and seen, see `reports.repair`, and whether
            questions about the same, and the view, are answered by it, see `reports.rule_answers`.

    Raises:
        RadloomError: a number out of its range.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    guidance: float = 1.0
    max_tokens: int = 160
    candidates: int = 1
    agree: bool = True

    def __post_init__(self) -> None:
        check_sampling(self.temperature, self.top_p)
        if not abs(self.guidance) <= MOST_GUIDANCE:
            raise RadloomError(f"guidance {self.guidance} is out of range; give -{MOST_GUIDANCE} to {MOST_GUIDANCE}.")
        for name in ("max_tokens", "candidates"):
            if getattr(self, name) < 1:
                raise RadloomError(f"{name} {getattr(self, name)} is out of range; give 1 or more.")


@dataclass(frozen=True)
class Denoising:
    """How parts are denoised.

    Attributes:
        guidance: classifier-free guidance; 1 is none.
        guided_below: noise level, of 1000, from which on nothing is guided.
        steps: calls of the denoisers.
        sampler: `"dpm++"` or `"ddim"`.
        candidates: drawings of each view of a study that has a report by then. The one is kept in which the classifier
            sees most nearly what the report says, see `classifier.agreement`.
        beams: of writing a report from its latent.
        together: whether several parts are denoised at once, each told by their environments what the others become,
            as in MedCoDi-M; else they are made one after another, in the order of `completion.IN_TURN`, each also from
            the parts made before it.

    Raises:
        RadloomError: a number out of its range, see also `sampling.check_settings`.
    """

    guidance: float = 6.0
    guided_below: int = 900
    steps: int = 20
    sampler: str = "dpm++"
    candidates: int = 1
    beams: int = 1
    together: bool = False

    def __post_init__(self) -> None:
        check_settings(self.sampler, self.steps, self.guidance)
        for name in ("candidates", "beams"):
            if getattr(self, name) < 1:
                raise RadloomError(f"{name} {getattr(self, name)} is out of range; give 1 or more.")
        if not 0 <= self.guided_below <= STEPS:
            raise RadloomError(f"guided_below {self.guided_below} is out of range; give 0 to {STEPS}.")


DRAWING = {
    Engine.DIFFUSION: ("guidance", "guided_below", "steps", "sampler", "candidates"),
    Engine.LANGUAGE: ("guidance", "temperature", "top_p"),
}
"""What can be set of a drawing by each engine: fields of `Denoising` and of `Sampling`."""


def as_engine(name: Engine | str | None) -> Engine | None:
    """An engine by its name; None lets the request decide.

    Raises:
        RadloomError: an unknown name.
    """
    return None if name is None else member(Engine, name)


def check_drawing(engine: Engine, settings: Sequence[str]) -> None:
    """Refuse settings that do not count when that engine draws.

    Raises:
        RadloomError: one of the other engine, or an unknown one.
    """
    for name in settings:
        if name in DRAWING[engine]:
            continue
        owners = [other for other, names in DRAWING.items() if name in names]
        if owners:
            raise RadloomError(
                f"{name} is a setting of the {owners[0]} engine; leave it out, or name engine {owners[0]}."
            )
        known = sorted({name for names in DRAWING.values() for name in names})
        raise RadloomError(
            f"Unknown setting of drawings {name!r}{did_you_mean(name, known)}; known: {', '.join(known)}."
        )
