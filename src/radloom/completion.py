"""The one verb: given a study with parts missing, make the parts that are wanted. Two engines serve it.

`diffusion` mixes what is given to a prompt of the aligned space and denoises the wanted parts, one after another, each
from what is given and the parts before it, or all together; of nothing it makes a whole study. `language` writes the
report of the views, or draws from a report; from views to views it goes by way of a report. By default each does what
it does best: the report of given views is written by the language model, all else is denoised where the model has that
engine. So is what `Model.image` draws from text.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from radloom.diffusion.alignment import mixed, regions
from radloom.errors import RadloomError, did_you_mean, member
from radloom.study import Part, Report, Study, View

if TYPE_CHECKING:
    from radloom.language.decoding import Progress
    from radloom.models import Model


class Engine(StrEnum):
    """What completes a study."""

    DIFFUSION = "diffusion"
    LANGUAGE = "language"


DRAWING = {
    Engine.DIFFUSION: ("guidance", "guided_below", "steps", "sampler"),
    Engine.LANGUAGE: ("guidance", "temperature", "top_p"),
}
"""What can be set of a drawing by each engine: fields of `Denoising` and of `models.Sampling`."""


IN_TURN = (Part.REPORT, Part.FRONTAL, Part.LATERAL)
"""The order in which diffusion makes parts one after another."""


class ReportWarning(UserWarning):
    """A report of which not everything is read."""


@dataclass(frozen=True)
class Denoising:
    """How parts are denoised.

    Attributes:
        guidance: classifier-free guidance; 1 is none.
        guided_below: noise level, of 1000, from which on nothing is guided.
        steps: calls of the denoisers.
        sampler: `"dpm++"` or `"ddim"`.
        beams: of writing a report from its latent.
        together: whether several parts are denoised at once, each seeing the noisy others through their environments,
            as in MedCoDi-M; else they are made one after another, in the order of `IN_TURN`, each also from the parts
            made before it.
    """

    guidance: float = 6.0
    guided_below: int = 900
    steps: int = 20
    sampler: str = "dpm++"
    beams: int = 1
    together: bool = False


def as_parts(names: Sequence[str]) -> list[Part]:
    """The parts that are wanted, by their names, each once, in the order of `Part`.

    Raises:
        RadloomError: an unknown name, or none.
    """
    if not names:
        raise RadloomError("Nothing is wanted; name frontal, lateral or report.")
    named = {member(Part, name) for name in names}
    return [part for part in Part if part in named]


def parse_want(text: str) -> list[Part]:
    """`lateral,report` -> those parts; see `as_parts`."""
    return as_parts([name.strip() for name in text.split(",") if name.strip()])


def parse_weights(text: str) -> dict[Part, float]:
    """`frontal=1,report=0.5` -> weights by part.

    Raises:
        RadloomError: an unknown part, or a weight that is no number.
    """
    weights = {}
    for item in filter(None, map(str.strip, text.split(","))):
        name, _, value = item.partition("=")
        try:
            weight = float(value)
        except ValueError:
            raise RadloomError(f"weights {item!r}: write PART=WEIGHT, for example frontal=1,report=0.5.") from None
        weights[member(Part, name.strip())] = weight
    return weights


def as_engine(name: Engine | str | None) -> Engine | None:
    """An engine by its name; None lets the request decide.

    Raises:
        RadloomError: an unknown name.
    """
    return None if name is None else member(Engine, name)


def given(study: Study) -> list[Part]:
    """The parts that a study has."""
    return [part for part in Part if getattr(study, part.value) is not None]


def check(studies: Sequence[Study], plan: Mapping[Part, Engine], weights: Mapping[Part, float]) -> None:
    """Refuse what no engine can do.

    Args:
        studies: with the parts that are given.
        plan: the wanted parts, and what makes each.
        weights: of given parts.

    Raises:
        RadloomError: a part both given and wanted, nothing given to the language model, or weights
            that weigh nothing; the text says which.
    """
    for study in studies:
        parts = given(study)
        if both := [part for part in plan if part in parts]:
            raise RadloomError(f"The {both[0]} is both given and wanted; leave it out of one.")
        if not parts and Engine.LANGUAGE in plan.values():
            raise RadloomError("Nothing is given; give a frontal view, a lateral view or a report.")
        for part, weight in weights.items():
            if not 0 <= weight < float("inf"):
                raise RadloomError(f"The weight of {part} is {weight}; give a number of 0 or more.")
            if part not in parts:
                raise RadloomError(f"A weight is given for the {part}, which is not given itself; leave it out.")
        if parts and not any(weights.get(part, 1.0) for part in parts):
            raise RadloomError("All that is given has the weight 0; give one part more.")


def planned(model: Model, studies: Sequence[Study], want: Sequence[Part], engine: Engine | None) -> dict[Part, Engine]:
    """What makes each wanted part: the engine named, else what the module's text says.

    Args:
        model: whose engines.
        studies: with the parts that are given; one without a view is read by no language model.
        want: the parts.
        engine: for all of them, if one is named.

    Raises:
        RadloomError: diffusion, of a model that has none.
    """
    if engine is Engine.DIFFUSION and not model.has_diffusion:
        raise RadloomError("This model has no any-to-any part; train one with the recipe any-to-any/nano.")
    plan = dict.fromkeys(want, engine or (Engine.DIFFUSION if model.has_diffusion else Engine.LANGUAGE))
    seen = all(study.frontal is not None or study.lateral is not None for study in studies)
    if engine is None and seen and Part.REPORT in plan:
        plan[Part.REPORT] = Engine.LANGUAGE
    return plan


def check_denoising(plan: Mapping[Part, Engine], settings: Sequence[str]) -> None:
    """Refuse settings of diffusion where it makes nothing.

    Args:
        plan: the wanted parts, and what makes each.
        settings: names of fields of `Denoising` that are set.

    Raises:
        RadloomError: one is given.
    """
    if settings and Engine.DIFFUSION not in plan.values():
        raise RadloomError(
            f"{settings[0]} is a setting of the diffusion engine, and the language model makes all that is wanted; "
            "leave it out, or name engine diffusion."
        )


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


def too_long(model: Model, report: Report | None) -> list[str]:
    """A sentence on a report that is longer than what diffusion reads of one; none on any other."""
    room, tokens = model.any_to_any.room, len(model.any_to_any.tokenizer.encode(report or Report()))
    return [f"The text is {tokens} tokens long; diffusion reads the first {room}. Shorten it."] * (tokens > room)


def warn_of_long(model: Model, studies: Sequence[Study]) -> None:
    """Warn, with a `ReportWarning`, of given reports that diffusion does not read to their end."""
    for remark in {remark for study in studies for remark in too_long(model, study.report)}:
        warnings.warn(remark, ReportWarning, stacklevel=3)


def remarks(model: Model, study: Study) -> list[str]:
    """Sentences on views of a study that look like the other view."""
    views = {view: image for view in View if (image := study.view(view)) is not None}
    seen = {view: model.view(image) for view, image in views.items()}
    return [f"The {view} image looks like a {look} view." for view, look in seen.items() if look != view]


def by_language(
    model: Model,
    studies: Sequence[Study],
    want: Sequence[Part],
    seeds: Sequence[int],
    progress: Progress | None = None,
) -> list[Study]:
    """Completed by the language model."""
    unread = [i for i, study in enumerate(studies) if study.report is None]
    asked, sown = [studies[i] for i in unread], [seeds[i] for i in unread]
    written = model.reports(asked, seeds=sown, progress=progress) if unread else []
    reports = dict(zip(unread, written, strict=True))
    views = [View(part) for part in want if part is not Part.REPORT]
    texts = [reports.get(i, study.report) or Report() for i, study in enumerate(studies)]
    drawn = {
        view: model.images(texts, [view] * len(studies), seeds=seeds, engine=Engine.LANGUAGE, progress=progress)
        for view in views
    }
    made: list[dict[str, object]] = [{view.value: drawn[view][i] for view in views} for i in range(len(studies))]
    if Part.REPORT in want:
        made = [{**parts, "report": text} for parts, text in zip(made, texts, strict=True)]
    return _filled(model, studies, made)


def by_diffusion(
    model: Model,
    studies: Sequence[Study],
    want: Sequence[Part],
    seeds: Sequence[int],
    how: Denoising,
    weights: Mapping[Part, float],
    progress: Progress | None = None,
) -> list[Study]:
    """Completed by any-to-any diffusion; weights are of the parts given, 1 where none is named."""
    turns = [list(want)] if how.together else [[part] for part in IN_TURN if part in want]
    whole = list(studies)
    for number, parts in enumerate(turns):
        told = _nth(progress, number, len(turns)) if progress else None
        whole = _denoised(model, whole, parts, seeds, how, weights, told)
    return whole


def _nth(progress: Progress, number: int, turns: int) -> Progress:
    """What is told of one of several turns that take as many steps each, as part of all."""
    return lambda done, steps: progress(number * steps + done, turns * steps)


@torch.no_grad()
def _denoised(
    model: Model,
    studies: Sequence[Study],
    parts: Sequence[Part],
    seeds: Sequence[int],
    how: Denoising,
    weights: Mapping[Part, float],
    progress: Progress | None,
) -> list[Study]:
    """The studies with those parts too, denoised together."""
    any_to_any = model.any_to_any
    prompts, told = _prompts(model, studies, weights)
    latents = any_to_any.make(
        prompts,
        told,
        parts,
        seeds=seeds,
        guidance=how.guidance,
        guided_below=how.guided_below,
        sampler=how.sampler,
        steps=how.steps,
        progress=progress,
    )
    made: list[dict[str, object]] = [{} for _ in studies]
    for part in parts:
        values: Sequence[object]
        if part is Part.REPORT:
            values = any_to_any.write(latents[part], how.beams)
        else:
            values = model.decode(model.codec.quantiser(latents[part]).codes)
        for own, value in zip(made, values, strict=True):
            own[part.value] = value
    return _filled(model, studies, made)


def _prompts(model: Model, studies: Sequence[Study], weights: Mapping[Part, float]) -> tuple[Tensor, Tensor]:
    """The mixed prompt vector of each study, and whether it has any."""
    vectors: dict[Part, dict[int, Tensor]] = {}
    for part in Part:
        has = [i for i, study in enumerate(studies) if part in given(study)]
        if not has:
            continue
        if part is Part.REPORT:
            found = model.any_to_any.report_vectors([studies[i].report or Report() for i in has])
        else:
            pixels = model.pixels([image for i in has if (image := studies[i].view(part.value)) is not None])
            view = torch.full((len(has),), list(View).index(View(part.value)))
            found = model.any_to_any.image_vectors(regions(model.classifier, pixels), view)
        vectors[part] = dict(zip(has, found, strict=True))
    width = model.any_to_any.config.alignment.width
    prompts = torch.zeros(len(studies), width, device=model.device)
    told = torch.zeros(len(studies), dtype=torch.bool, device=model.device)
    for i in range(len(studies)):
        parts = [part for part in vectors if i in vectors[part] and weights.get(part, 1.0)]
        if parts:
            told[i] = True
            prompts[i] = mixed([vectors[p][i][None] for p in parts], [weights.get(p, 1.0) for p in parts])[0]
    return prompts, told


def _filled(model: Model, studies: Sequence[Study], made: Sequence[Mapping[str, object]]) -> list[Study]:
    source = f"radloom {model.config.recipe}"
    return [replace(study, source=source, **parts) for study, parts in zip(studies, made, strict=True)]  # type: ignore[arg-type]
