"""The one verb: given a study with parts missing, make the parts that are wanted. Two engines serve it.

`diffusion` mixes what is given to a prompt of the aligned space and denoises the wanted parts, one after another, each
from what is given and the parts before it, or all together; of nothing it makes a whole study. `language` writes the
report of the views, or draws from a report; from views to views it goes by way of a report. By default each does what
it does best: the report of given views is written by the language model, all else is denoised where the model has that
engine. So is what `Model.image` draws from text.

A request becomes a `Plan` by `planned`, which refuses all that can be refused before anything is made, and `complete`
carries a plan out.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from radloom.classifier.agreement import agreement
from radloom.classifier.evidence import evidence
from radloom.config import changed
from radloom.diffusion.alignment import mixed
from radloom.errors import RadloomError, ReportError, member
from radloom.imaging.files import as_image
from radloom.input_check import doubt
from radloom.progress import Progress, share
from radloom.provenance import Maker
from radloom.reports.labeller import as_text, pieces, sentence_evidence
from radloom.reports.prompts import as_prompt
from radloom.reports.repair import proofread, unbroken, without_repeats
from radloom.seeds import as_seeds
from radloom.settings import Denoising, Engine, as_engine
from radloom.study import VIEWS, Image, Part, Report, Study, View

if TYPE_CHECKING:
    from radloom.models import Model


_SEEDS_APART = 1_000_003
"""Between the seeds of candidates, so that a seed and those after it share none; torch tells seeds apart by 32 bits."""

IN_TURN = (Part.REPORT, Part.FRONTAL, Part.LATERAL)
"""The order in which diffusion makes parts one after another."""


class ReportWarning(UserWarning):
    """A report of which not everything is read."""


class Asked(NamedTuple):
    """Which parts of a study are given, and which are wanted."""

    given: frozenset[Part]
    want: tuple[Part, ...]

    @classmethod
    def of(cls, given: Collection[Part], want: Sequence[str]) -> Asked:
        """By names, see `as_parts`."""
        return cls(frozenset(given), tuple(as_parts(want)))


@dataclass(frozen=True)
class Plan:
    """How studies with the same parts wanted are completed.

    Attributes:
        makers: each wanted part, in the order of `Part`, and what makes it.
        weights: of given parts, for diffusion; 1 where none is named.
        denoising: how diffusion makes what it makes; one candidate where there is no report to choose by.
    """

    makers: Mapping[Part, Engine]
    weights: Mapping[Part, float]
    denoising: Denoising

    @property
    def denoises(self) -> bool:
        """Whether diffusion makes anything."""
        return Engine.DIFFUSION in self.makers.values()

    def parts(self, engine: Engine) -> list[Part]:
        """What that engine makes."""
        return [part for part, maker in self.makers.items() if maker is engine]

    def maker(self, model: Model, part: Part, seed: int) -> Maker:
        """What the file of a made part says of its making."""
        if self.makers[part] is Engine.LANGUAGE:
            drawing = model.drawing_settings(Engine.LANGUAGE) if part in VIEWS else {"engine": Engine.LANGUAGE}
            return Maker.of(model, seed, **drawing)
        settings = {f.name: getattr(self.denoising, f.name) for f in fields(self.denoising) if f.name != "beams"}
        if self.weights:
            settings["weights"] = ",".join(f"{given}={weight:g}" for given, weight in self.weights.items())
        return Maker.of(model, seed, Engine.DIFFUSION, **settings)

    def turns(self) -> list[list[Part]]:
        """What diffusion makes, by turns."""
        denoised = self.parts(Engine.DIFFUSION)
        if self.denoising.together and denoised:
            return [denoised]
        return [[part] for part in IN_TURN if part in denoised]


# -- what is asked for -----------------------------------------------------------------------------------------------


def as_parts(names: Sequence[str] | str) -> list[Part]:
    """The parts that are wanted, by their names, each once, in the order of `Part`.

    Args:
        names: a list of them, or a text with commas between them.

    Raises:
        RadloomError: an unknown name, or none.
    """
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    if not names:
        raise RadloomError("Nothing is wanted; name frontal, lateral or report.")
    named = {member(Part, name) for name in names}
    return [part for part in Part if part in named]


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


def available(model: Model, engine: Engine | None) -> Engine:
    """The engine, if the model has it; where none is named, diffusion if the model has that.

    Raises:
        RadloomError: diffusion, of a model that has none.
    """
    if engine is Engine.DIFFUSION and not model.has_diffusion:
        raise RadloomError("This model has no any-to-any part; train one with the recipe any-to-any/nano.")
    return engine or (Engine.DIFFUSION if model.has_diffusion else Engine.LANGUAGE)


def planned(
    model: Model,
    asked: Iterable[Asked],
    engine: Engine | str | Mapping[Part, Engine | str] | None = None,
    weights: Mapping[Part, float] | Mapping[str, float] | None = None,
    **denoising: Any,
) -> dict[Asked, Plan]:
    """The plans of one request, which may be of studies with different parts given.

    Args:
        model: whose engines.
        asked: what is wanted from what.
        engine: for all parts, or for some of them; for the others see the text of this module.
        weights: of given parts.
        denoising: fields of `Denoising` to change; None is none.

    Raises:
        RadloomError: a part both given and wanted, an engine that the model does not have, nothing given to the
            language model, weights that weigh nothing, an unknown setting or a wrong value, or settings of diffusion
            where it makes nothing; the text says which.
    """
    how = changed(model.config.complete, denoising)
    weighed = {member(Part, part): weight for part, weight in (weights or {}).items()}
    plans = {each: Plan(_makers(model, each, engine, how.together), weighed, how) for each in asked}
    settings = [name for name, value in denoising.items() if value is not None and value is not False]
    if (settings or weighed) and not any(plan.denoises for plan in plans.values()):
        raise RadloomError(
            f"{[*settings, 'weights'][0]} counts for the diffusion engine alone, and the language model makes all that "
            "is wanted; leave it out, or name engine diffusion."
        )
    choosing = [each for each, plan in plans.items() if _chooses(each, plan)]
    if (denoising.get("candidates") or 1) > 1 and not choosing:
        raise RadloomError(
            "There is no report before the views to choose candidates by; give one, want one as well (not together "
            "with the views), or leave candidates out."
        )
    for each, plan in plans.items():
        _check(each, plan)
    alone = replace(how, candidates=1)
    return {each: plan if each in choosing else replace(plan, denoising=alone) for each, plan in plans.items()}


def _chooses(asked: Asked, plan: Plan) -> bool:
    """Whether diffusion makes a view when a report is there to choose it by."""
    written = Part.REPORT in asked.want and not plan.denoising.together
    return (Part.REPORT in asked.given or written) and any(part in VIEWS for part in plan.parts(Engine.DIFFUSION))


def _makers(
    model: Model, asked: Asked, engine: Engine | str | Mapping[Part, Engine | str] | None, together: bool
) -> dict[Part, Engine]:
    """What makes each wanted part."""
    by_name = engine if isinstance(engine, Mapping) else dict.fromkeys(asked.want, engine)
    named = {member(Part, part): as_engine(name) for part, name in by_name.items()}
    if unwanted := [part for part in named if part not in asked.want]:
        raise RadloomError(f"An engine is named for the {unwanted[0]}, which is not wanted; leave it out.")
    makers = {part: available(model, named.get(part)) for part in asked.want}
    read = Part.REPORT in makers and named.get(Part.REPORT) is None and not together
    if read and asked.given.intersection(VIEWS):
        makers[Part.REPORT] = Engine.LANGUAGE
    return makers


def _check(asked: Asked, plan: Plan) -> None:
    """Refuse what no engine can do."""
    if both := [part for part in asked.want if part in asked.given]:
        raise RadloomError(f"The {both[0]} is both given and wanted; leave it out of one.")
    if not asked.given and plan.parts(Engine.LANGUAGE):
        raise RadloomError("Nothing is given; give a frontal view, a lateral view or a report.")
    for part, weight in plan.weights.items():
        if not 0 <= weight < float("inf"):
            raise RadloomError(f"The weight of {part} is {weight}; give a number of 0 or more.")
        if part not in asked.given:
            raise RadloomError(f"A weight is given for the {part}, which is not given itself; leave it out.")
    if asked.given and not any(plan.weights.get(part, 1.0) for part in asked.given):
        raise RadloomError("All that is given has the weight 0; give one part more.")


# -- what is told of it ----------------------------------------------------------------------------------------------


def unread(model: Model, report: Report | None) -> list[str]:
    """Sentences on what diffusion reads of a report: not all where it is long, hardly a word of another language."""
    if not report:
        return []
    room, tokens = model.any_to_any.room, len(model.any_to_any.tokenizer.encode(report))
    said = [f"The text is {tokens} tokens long; diffusion reads the first {room}. Shorten it."] * (tokens > room)
    text = as_text(report)
    words = len(text.split())
    if words > 1 and tokens > _HEADINGS + _PIECES * words and not any(map(sentence_evidence, pieces(text))):
        said.append("Hardly a word of the text is one that reports use; write what is to be seen in English.")
    return said


_HEADINGS, _PIECES = 4, 2.2
"""Tokens of headings, and of a word, above which the tokenizer knows hardly a word of a text."""


def remarks(model: Model, study: Study) -> list[str]:
    """Sentences on views of a study that look like the other view, or not like an upright chest X-ray."""
    said = []
    for view in View:
        image = study.view(view)
        if image is None:
            continue
        if remark := doubt(as_image(image), f"The {view} image"):
            said.append(remark)
        if (look := model.view(image)) != view:
            said.append(f"The {view} image looks like a {look} view.")
    return said


# -- how it is made --------------------------------------------------------------------------------------------------


def complete(
    model: Model, plan: Plan, studies: Sequence[Study], *, seeds: Sequence[int], progress: Progress | None = None
) -> list[Study]:
    """Completed studies, one for each and its seed.

    Of a given report that is longer than diffusion reads, a `ReportWarning` tells.

    Args:
        model: what completes.
        plan: of `planned`, for what these studies have.
        studies: with the parts that are given.
        seeds: of sampling.
        progress: told of each step.

    Raises:
        ReportError: the language model wrote nothing that could be drawn from.
        RadloomError: another number of seeds than of studies, or one that is too large.
    """
    seeds = as_seeds(seeds, len(studies))
    if plan.denoises:
        _warn_of_long(model, studies)
    whole, turns, written = list(studies), plan.turns(), plan.parts(Engine.LANGUAGE)
    pieces = bool(written) + len(turns)
    if written:
        whole = _by_language(model, whole, written, seeds, share(progress, 0, pieces))
    for nth, parts in enumerate(turns, pieces - len(turns)):
        whole = _by_diffusion(model, whole, parts, seeds, plan, share(progress, nth, pieces))
    return whole


def _warn_of_long(model: Model, studies: Sequence[Study]) -> None:
    for remark in {remark for study in studies for remark in unread(model, study.report)}:
        warnings.warn(remark, ReportWarning, stacklevel=4)


def _by_language(
    model: Model, studies: Sequence[Study], want: Sequence[Part], seeds: Sequence[int], progress: Progress | None
) -> list[Study]:
    """With those parts too, by the language model."""
    unread = [i for i, study in enumerate(studies) if not study.report]
    views = [part.view for part in want if part in VIEWS]
    pieces = bool(unread) + len(views)
    reports = [study.report or Report() for study in studies]
    if unread:
        asked, sown, told = [studies[i] for i in unread], [seeds[i] for i in unread], share(progress, 0, pieces)
        for i, report in zip(unread, model.reports(asked, seeds=sown, progress=told), strict=True):
            reports[i] = report
    if views and (empty := [seed for seed, report in zip(seeds, reports, strict=True) if not report]):
        raise ReportError(f"With the seed {empty[0]} the language model wrote no report to draw from; try another.")
    made: list[dict[str, Any]] = [{} for _ in studies]
    for nth, view in enumerate(views, pieces - len(views)):
        told = share(progress, nth, pieces)
        drawn = model.images(reports, [view] * len(studies), seeds=seeds, engine=Engine.LANGUAGE, progress=told)
        for own, image in zip(made, drawn, strict=True):
            own[view.value] = image
    if Part.REPORT in want:
        made = [{**own, "report": report} for own, report in zip(made, reports, strict=True)]
    return _filled(model, studies, made)


@torch.no_grad()
def _by_diffusion(
    model: Model,
    studies: Sequence[Study],
    parts: Sequence[Part],
    seeds: Sequence[int],
    plan: Plan,
    progress: Progress | None,
) -> list[Study]:
    """With those parts too, denoised together."""
    any_to_any, how = model.any_to_any, plan.denoising
    several = how.candidates if any(part in VIEWS for part in parts) else 1
    prompts, told = _prompts(model, studies, plan.weights)
    latents = any_to_any.make(
        prompts.repeat_interleave(several, 0),
        told.repeat_interleave(several),
        parts,
        seeds=[seed + nth * _SEEDS_APART for seed in seeds for nth in range(several)],
        guidance=how.guidance,
        guided_below=how.guided_below,
        sampler=how.sampler,
        steps=how.steps,
        progress=progress,
    )
    made: list[dict[str, Any]] = [{} for _ in range(len(studies) * several)]
    for part in parts:
        values: Sequence[Any]
        if part is Part.REPORT:
            written = any_to_any.write(latents[part], how.beams)
            values = [proofread(unbroken(without_repeats(report))) or report for report in written]
        else:
            values = model.decode(model.codec.quantiser(latents[part]).codes)
        for own, value in zip(made, values, strict=True):
            own[part.value] = value
    groups = [made[i : i + several] for i in range(0, len(made), several)]
    best = [_most_fitting(model, group, study.report) for group, study in zip(groups, studies, strict=True)]
    return _filled(model, studies, best)


def _most_fitting(model: Model, candidates: Sequence[dict[str, Any]], report: Report | None) -> dict[str, Any]:
    """The parts whose views agree best with a report, the first of equals."""
    if report is None or len(candidates) == 1:
        return candidates[0]
    fits = np.zeros(len(candidates))
    for view in View:
        if view.value in candidates[0]:
            fits += fitting(model, [parts[view.value] for parts in candidates], report, view)
    return candidates[int(fits.argmax())]


def fitting(model: Model, images: Sequence[Image], report: Report, view: View) -> np.ndarray:
    """How well each image (n,) of a view shows what a report says, as the classifier sees it; the higher the better."""
    return agreement(evidence(model.classifier, model.pixels(images)).cpu().numpy(), report, view)


def _prompts(model: Model, studies: Sequence[Study], weights: Mapping[Part, float]) -> tuple[Tensor, Tensor]:
    """The mixed prompt vector of each study, and whether it has any."""
    vectors: dict[Part, dict[int, Tensor]] = {}
    for part in Part:
        has = [i for i, study in enumerate(studies) if part in study.parts]
        if not has:
            continue
        if part is Part.REPORT:
            found = model.any_to_any.report_vectors([as_prompt(studies[i].report or Report()) for i in has])
        else:
            pixels = model.pixels([image for i in has if (image := studies[i].view(part.view)) is not None])
            found = model.any_to_any.pixel_vectors(model.classifier, pixels, part.view)
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


def _filled(model: Model, studies: Sequence[Study], made: Sequence[Mapping[str, Any]]) -> list[Study]:
    source = f"radloom {model.config.recipe}"
    return [replace(study, source=source, **parts) for study, parts in zip(studies, made, strict=True)]
