"""The public API: `load("nano")` gives a `Model` that reports, draws, answers and completes studies.

    model = radloom.load("nano")
    model.report("chest.png")                    # -> Report(findings=..., impression=...)
    model.image("Large right pleural effusion.") # -> [array (256, 256) in [0, 1]]
    model.ask("chest.png", "Is the heart enlarged?")
    model.check("chest.png")                     # -> {"Cardiomegaly": 0.91, ...}
    model.complete(Study(frontal=Path("chest.png")), ["lateral", "report"])  # -> Study

How a model lies in a folder, is in `model_folder.py`.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from radloom import checkpoint
from radloom.classifier.model import ClinicalClassifier
from radloom.classifier.saliency import SaliencyMethod, saliency
from radloom.classifier.signs import SignReader, load_signs
from radloom.codec.network import Codec, codes_fingerprint
from radloom.completion import Asked, Plan, available, complete, planned, remarks
from radloom.config import changed
from radloom.devices import usable
from radloom.errors import CheckpointError, ImageError, RadloomError, ReportError, member
from radloom.imaging import ImageWarning, InMemory, Transform, as_image, dicom_view
from radloom.input_check import doubt
from radloom.interop import check_same_patient
from radloom.language.consensus import agreed, consensus
from radloom.language.decoding import generate_codes, generate_text
from radloom.language.model import LanguageModel
from radloom.language.statements import stated_positive
from radloom.model_folder import (
    ANY_TO_ANY,
    MODEL_FILE,
    PARTS,
    SIGN_READER,
    ModelConfig,
    load_vision,
    locate,
    read_model_config,
)
from radloom.progress import Progress, share
from radloom.reading import Reader, Seen
from radloom.reports.report_text import Sections, as_report, report_from_text
from radloom.reports.rule_answers import Answerer, Reply, rule_answer
from radloom.reports.rule_answers.wording import yes_or_no
from radloom.seeds import as_seeds
from radloom.settings import DRAWING, Engine, Sampling, as_engine, check_drawing
from radloom.study import OBSERVATIONS, Image, Part, Report, Study, View

if TYPE_CHECKING:
    from radloom.diffusion.model import AnyToAny
    from radloom.language.decoding import Written

_Asked = tuple[Report, View, int]
"""Of a drawing: what it shows, which view, and its seed."""


def load(name: str | Path = "nano", *, device: str | torch.device = "cpu") -> Model:
    """Load a model.

    Args:
        name: of a model inside the package, or the folder of one.
        device: where it runs.

    Raises:
        CheckpointError: no such model, or one that is damaged or of another version.
        RadloomError: a device that this machine does not have.
    """
    device = usable(device)
    folder = locate(name)
    config = read_model_config(folder)
    codec, classifier, transform = load_vision(folder)
    further = [part for part in (SIGN_READER, ANY_TO_ANY) if (folder / part).is_dir()]
    prints = [checkpoint.fingerprint(folder / part) for part in (*PARTS, *further)]
    codes, judge = codes_fingerprint(codec, transform), prints[PARTS.index("classifier")]
    language = LanguageModel.load(folder / "language", codec=codes, classifier=judge)
    head = (folder / MODEL_FILE).read_text(encoding="utf-8")
    fingerprint = hashlib.sha256("".join([*prints, head]).encode()).hexdigest()[:16]
    signs = load_signs(folder / SIGN_READER, judge) if SIGN_READER in further else None
    later = partial(_load_any_to_any, folder / ANY_TO_ANY, codes, judge, device) if ANY_TO_ANY in further else None
    return Model(config, classifier, codec, language, transform, device, fingerprint, judge, later, signs)


def _load_any_to_any(folder: Path, codec: str, classifier: str, device: torch.device) -> AnyToAny:
    from radloom.diffusion.model import AnyToAny

    return AnyToAny.load(folder, codec, classifier).to(device)


class Model:
    """Reads, draws and answers. Made by `load`.

    Images are files of any kind that `read_image` takes, or arrays (H, W) in [0, 1] with bones bright.

    Attributes:
        config: contents of `model.json`.
        transform: image array -> model pixels.
        classifier, codec, language: the parts.
        fingerprint: 16 hex digits that change with any part; `""` for a model that was not loaded from a folder.
        judge: the classifier's own fingerprint.
        signs: reads signs from the classifier's features, for reports that begin with statements, and for answers; None
            for a model without.
        has_diffusion: whether the model has the any-to-any part.
    """

    def __init__(
        self,
        config: ModelConfig,
        classifier: ClinicalClassifier,
        codec: Codec,
        language: LanguageModel,
        transform: Transform,
        device: str | torch.device = "cpu",
        fingerprint: str = "",
        judge: str = "",
        any_to_any: Callable[[], AnyToAny] | None = None,
        signs: SignReader | None = None,
    ) -> None:
        """Args:
        config, classifier, codec, language, transform, device, fingerprint, judge, signs: see above.
        any_to_any: loads the any-to-any part; called when it is first used, since that takes seconds.
        """
        self.config, self.transform, self.fingerprint, self.judge = config, transform, fingerprint, judge
        self.device = torch.device(device)
        self.classifier, self.codec = classifier.to(self.device), codec.to(self.device)
        self.signs = None if signs is None else signs.to(self.device)
        self.language = language
        language.model.to(self.device)  # type: ignore[arg-type]
        self.prompter = language.prompter
        self.has_diffusion = any_to_any is not None
        self._load_any_to_any = any_to_any

    @property
    def reader(self) -> Reader:
        """The classifier with its readers."""
        return Reader(self.classifier, self.signs, self.language.sight)

    @cached_property
    def any_to_any(self) -> AnyToAny:
        """The any-to-any part.

        Raises:
            CheckpointError: the model has none, or it is damaged or of another codec or classifier.
        """
        if self._load_any_to_any is None:
            raise CheckpointError("This model has no any-to-any part; train one with the recipe any-to-any/nano.")
        return self._load_any_to_any()

    # -- one at a time -------------------------------------------------------------------------------------------

    def report(self, image: Image, lateral: Image | None = None, *, seed: int = 0, **sampling: Any) -> Report:
        """The findings and the impression of a study.

        Args:
            image: the frontal view; a lateral one is recognised and read as such, with a warning.
            lateral: the lateral view, if there is one.
            seed: of sampling, where the temperature is not 0.
            sampling: fields of `Sampling` to change.

        Raises:
            ImageError: an image that cannot be read.
        """
        study, said = self.arrange(image, lateral)
        for remark in said:
            warnings.warn(remark, ImageWarning, stacklevel=2)
        return self.reports([study], seeds=[seed], **sampling)[0]

    def image(
        self,
        text: str | Report,
        *,
        view: View | str = View.FRONTAL,
        n: int = 1,
        seed: int = 0,
        engine: Engine | str | None = None,
        **settings: Any,
    ) -> list[np.ndarray]:
        """Draw `n` X-rays of a report or a few sentences.

        Args:
            text: a report; text with section headings is split at them, other text is taken as findings.
            view: frontal or lateral.
            n: how many.
            seed: the samples use seed, seed + 1, ...
            engine: `"diffusion"` or `"language"`; by default diffusion where the model has it.
            settings: to change, see `drawing_settings`.

        Returns:
            `n` arrays (R, R) float32 in [0, 1].

        Raises:
            ReportError: empty text, or more than the language model's context holds.
            RadloomError: an engine that the model does not have, or a setting of the other one.
        """
        if not isinstance(n, int) or n < 1:
            raise RadloomError(f"n is {n!r}; ask for at least one image, by a whole number.")
        report = as_report(text)
        seeds = range(seed, seed + n)
        return self.images([report] * n, [view] * n, seeds=seeds, engine=engine, **settings)

    def ask(self, image: Image, question: str, *, seed: int = 0, **sampling: Any) -> Reply:
        """The answer to a question about an X-ray.

        Args:
            image: the X-ray.
            question: about it.
            seed: of sampling, where the temperature is not 0.
            sampling: fields of `Sampling` to change, see `answers`.

        Returns:
            A string whose `by` says whether the classifier or the language model gave it.

        Raises:
            ImageError: an image that cannot be read.
            ReportError: a question that is empty, or longer than the language model's context.
            RadloomError: a setting out of range.
        """
        return self.answers([_looked_at(image)], [question], seeds=[seed], **sampling)[0]

    def check(self, image: Image) -> dict[str, float]:
        """Probability from 0 to 1 of each observation, of the view being lateral, and of each sign, by the classifier.

        Raises:
            ImageError: an image that cannot be read.
        """
        return self.reader.probabilities(self.pixels([_looked_at(image)]))[0]

    def saliency(
        self,
        image: Image,
        observations: Sequence[str] = OBSERVATIONS[1:],
        method: SaliencyMethod | str = SaliencyMethod.GRADIENT,
    ) -> np.ndarray:
        """Where the classifier finds what it finds.

        Args:
            image: the X-ray.
            observations: of which; by default all but "No Finding". A map of what is not there means little.
            method: `"gradient"` or `"grad-cam"`, see `classifier.saliency`.

        Returns:
            (R / 16, R / 16) float32, none negative, mean 1.

        Raises:
            ImageError: an image that cannot be read.
            RadloomError: an unknown observation or method.
        """
        return saliency(self.classifier, self.pixels([_looked_at(image)]), observations, method)[0].cpu().numpy()

    def view(self, image: Image) -> View:
        """The view of an X-ray, by the classifier.

        Raises:
            ImageError: an image that cannot be read.
        """
        return self.classifier.views(self.pixels([image]))[0]

    def reconstruct(self, image: Image) -> np.ndarray:
        """An X-ray through the codec and back: (R, R) float32 in [0, 1].

        Raises:
            ImageError: an image that cannot be read.
        """
        return self.decode(self.encode(self.pixels([image])))[0]

    def complete(
        self,
        study: Study,
        want: Sequence[str],
        *,
        seed: int = 0,
        weights: Mapping[Part, float] | Mapping[str, float] | None = None,
        engine: Engine | str | None = None,
        **denoising: Any,
    ) -> Study:
        """Make the parts of a study that are wanted from those that are there; of nothing, a whole synthetic study.

        What does not look like a chest X-ray of its view is warned of.

        Args:
            study: with some parts missing.
            want: of `frontal`, `lateral`, `report`.
            seed: of sampling.
            weights: of the parts that are there, for diffusion; 1 where none is named.
            engine: `"diffusion"` or `"language"`; by default each does what it does best, see `completion`.
            denoising: fields of `Denoising` to change.

        Raises:
            RadloomError: nothing wanted, a part both given and wanted, nothing given to the language model, or an
                engine that the model does not have, or settings of diffusion where it makes nothing.
        """
        for remark in remarks(self, study):
            warnings.warn(remark, ImageWarning, stacklevel=2)
        return self.completions([study], want, seeds=[seed], weights=weights, engine=engine, **denoising)[0]

    # -- many at a time ------------------------------------------------------------------------------------------

    def reports(
        self,
        studies: Sequence[Study],
        *,
        sections: Sections = Sections.BOTH,
        seeds: Sequence[int] | None = None,
        progress: Progress | None = None,
        written: Callable[[list[Report]], None] | None = None,
        **sampling: Any,
    ) -> list[Report]:
        """Reports of studies, each with a frontal or a lateral view or both.

        Args:
            studies: what is read.
            sections: of the report that are written.
            seeds: of sampling, one a study; by default 0, 1, 2, ...
            progress: told of each step.
            written: told of the reports while they grow: of the first candidate, as it is written.
            sampling: fields of `Sampling` to change.

        Raises:
            ImageError: an image that cannot be read, or a study without one.
            RadloomError: another number of seeds than of studies, a setting out of range, or several candidates of a
                model without statements.
        """
        how = changed(self.config.text, sampling)
        seeds = as_seeds(seeds, len(studies))
        if not self.language.thresholds and how.candidates not in (1, self.config.text.candidates):
            raise RadloomError("This model states no observations that candidates could share; leave that out.")
        if not studies:
            return []
        shown, seen = self._image_tokens(studies)
        prompts = [self.prompter.report(tokens, sections) for tokens in shown]
        null = self.prompter.report([], sections)
        called, signs, sides = self.reader.called(seen), self.reader.signs_there(seen), self.reader.sides_told(seen)

        def parsed(answers: list[list[int]], growing: bool = False) -> list[Report]:
            return [report_from_text(text, growing=growing) for text in self._words(answers)]

        told = (lambda answers: written(parsed(answers, growing=True))) if written else None
        answers = self._write(prompts, null, how, seeds, progress, told, self.language.thresholds, called)
        if not self.language.thresholds:
            return parsed(answers)
        each = len(answers) // len(studies)
        made = []
        for i, start in enumerate(range(0, len(answers), each)):
            stated = stated_positive(self.language, answers[start])
            drafts = parsed(answers[start : start + each])
            usual = self.language.phrases
            if how.agree:
                there, where = signs[i] if signs is not None else None, sides[i] if sides is not None else None
                made.append(agreed(drafts, stated, usual, there, where))
            else:
                made.append(consensus(drafts, stated, usual))
        return made

    def images(
        self,
        reports: Sequence[Report],
        views: Sequence[View | str],
        *,
        seeds: Sequence[int],
        engine: Engine | str | None = None,
        progress: Progress | None = None,
        **settings: Any,
    ) -> list[np.ndarray]:
        """X-rays of reports, one each: arrays (R, R) in [0, 1]; see `image`.

        Of a report that is longer than diffusion reads, a `completion.ReportWarning` tells.
        """
        how = self.drawing_settings(engine, **settings)
        seeds = as_seeds(seeds, len(reports))
        seen = [member(View, view) for view in views]
        if len(seen) != len(reports):
            raise RadloomError(f"{len(seen)} views are given for {len(reports)} reports; give one each.")
        if not all(reports):
            raise ReportError("The text to draw from is empty; give findings or an impression.")
        if not reports:
            return []
        draw = self._denoised if how.pop("engine") is Engine.DIFFUSION else self._generated
        return draw(list(zip(reports, seen, seeds, strict=True)), progress, **how)

    def drawing_settings(self, engine: Engine | str | None = None, **changes: Any) -> dict[str, Any]:
        """All that `image` and `images` go by: `engine`, and the settings that count for it.

        Args:
            engine: the one that draws; by default diffusion where the model has it.
            changes: of the model's own settings; None is none. `settings.DRAWING` lists those of each engine.

        Raises:
            RadloomError: an engine that the model does not have, an unknown setting, or one of the other engine.
        """
        chosen = available(self, as_engine(engine))
        given = {name: value for name, value in changes.items() if value is not None}
        check_drawing(chosen, list(given))
        own = changed(self.config.complete if chosen is Engine.DIFFUSION else self.config.image, given)
        return {"engine": chosen} | {name: getattr(own, name) for name in DRAWING[chosen]}

    def answers(
        self,
        images: Sequence[Image],
        questions: Sequence[str],
        *,
        seeds: Sequence[int] | None = None,
        progress: Progress | None = None,
        written: Callable[[list[Reply]], None] | None = None,
        **sampling: Any,
    ) -> list[Reply]:
        """Answers to questions, one an image.

        What the classifier decides of a report it decides here, too, where `agree` is on: plain questions about
        observations, their sides, signs or normality; and those about the view and the kind of picture. The language
        model answers the others; where they ask for yes or no, it says one of them.

        Args:
            images: one a question.
            questions: about them.
            seeds: of sampling, one a question; by default 0, 1, 2, ...
            progress: told of each step.
            written: told of the answers while they grow.
            sampling: fields of `Sampling` to change, all but `guidance` and `candidates`.

        Returns:
            An answer each: a string whose `by` says what gave it.

        Raises:
            ImageError: an image that cannot be read.
            ReportError: a question that is empty, or longer than the language model's context.
            RadloomError: another number of questions or seeds than of images, or a setting out of range.
        """
        how = changed(self.config.answer, sampling)
        if how.guidance != 1.0:
            raise RadloomError(f"guidance {how.guidance} is for drawings and reports; leave it out for questions.")
        if how.candidates != 1:
            raise RadloomError(f"candidates {how.candidates} is for reports; leave it out for questions.")
        if len(images) != len(questions):
            raise RadloomError(f"{len(questions)} questions are given for {len(images)} images; give one each.")
        seeds = as_seeds(seeds, len(questions))
        if odd := [question for question in questions if not isinstance(question, str)]:
            raise ReportError(f"A {type(odd[0]).__name__} is no question; give a string.")
        if not all(question.strip() for question in questions):
            raise ReportError("The question is empty; ask something about the X-ray.")
        if not questions:
            return []
        pixels = self.pixels(images)
        seen = self.reader.look(pixels)
        given = self._decided(images, questions, seen) if how.agree else [None] * len(questions)
        left = [i for i, answer in enumerate(given) if answer is None]

        either = [self.prompter.encode(word) for word in ("yes", "Yes", "no", "No")]

        def whole(made: list[list[int]]) -> list[Reply]:
            texts = zip(self._words(made), made, strict=True)
            words = iter(text.lower() if answer in either else text for text, answer in texts)
            return [Reply(next(words), Answerer.LANGUAGE) if answer is None else answer for answer in given]

        told = (lambda made: written(whole(made))) if written else None
        if left:
            rest = pixels[left]
            tokens = self._tokens(rest, seen[left].views(), seen[left])
            prompts = [self.prompter.question(questions[i], [t]) for i, t in zip(left, tokens, strict=True)]
            own = [seeds[i] for i in left]
            choices = [either if how.agree and yes_or_no(questions[i]) else [] for i in left]
            return whole(self._write(prompts, None, how, own, progress, told, choices=choices))
        if progress:
            progress(1, 1)
        if told:
            told([])
        return whole([])

    def completions(
        self,
        studies: Sequence[Study],
        want: Sequence[str],
        *,
        seeds: Sequence[int],
        weights: Mapping[Part, float] | Mapping[str, float] | None = None,
        engine: Engine | str | Mapping[Part, Engine | str] | None = None,
        progress: Progress | None = None,
        **denoising: Any,
    ) -> list[Study]:
        """Completed studies, one for each and its seed; see `complete`. `engine` may name one for some parts."""
        seeds = as_seeds(seeds, len(studies))
        if not studies:
            return []
        if any(study.report is not None and not study.report for study in studies):
            raise ReportError("A report that is given is empty; leave it out, or give findings or an impression.")
        for study in studies:
            check_same_patient([study.frontal, study.lateral])
        asked = [Asked.of(study.parts, want) for study in studies]
        plans = planned(self, asked, engine, weights, **denoising)
        alike: list[tuple[Plan, list[int]]] = []
        for i, each in enumerate(asked):
            own = next((members for plan, members in alike if plan == plans[each]), None)
            if own is None:
                alike.append((plans[each], own := []))
            own.append(i)
        made: dict[int, Study] = {}
        for nth, (plan, members) in enumerate(alike):
            some, sown = [studies[i] for i in members], [seeds[i] for i in members]
            told = share(progress, nth, len(alike))
            made |= dict(zip(members, complete(self, plan, some, seeds=sown, progress=told), strict=True))
        return [made[i] for i in range(len(studies))]

    def arrange(
        self, image: Image, lateral: Image | None = None, *, stated: View | None = None
    ) -> tuple[Study, list[str]]:
        """The study of an image and perhaps a lateral one.

        Args:
            image: the frontal view; one that looks like a lateral view, or is one by its DICOM header, becomes that
                where no other is given.
            lateral: the lateral view, if there is one.
            stated: the view that the file of an image says it is, where the image itself does not.

        Returns:
            The study, and sentences on what is odd about its views.

        Raises:
            ImageError: an image that cannot be read, or DICOM files of different patients.
        """
        check_same_patient([image, lateral])
        first, second = _array(image), None if lateral is None else _array(lateral)
        if second is not None:
            study = Study(frontal=first, lateral=second)
            return study, remarks(self, study)
        said = [remark] if (remark := doubt(first)) else []
        if isinstance(image, str | Path | bytes):
            stated = dicom_view(InMemory(image) if isinstance(image, bytes) else image)
        if (stated or self.view(first)) is View.FRONTAL:
            return Study(frontal=first), said
        why = "is by its DICOM header" if stated else "looks like"
        return Study(lateral=first), [*said, f"The image {why} a lateral view and is read as one."]

    # -- parts ---------------------------------------------------------------------------------------------------

    def pixels(self, images: Sequence[Image]) -> Tensor:
        """Model pixels (b, 1, R, R) of images."""
        return torch.stack([self.transform(_array(image)) for image in images]).to(self.device)

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        """Codes (b, h, w) of model pixels."""
        return self.codec.encode(pixels)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> list[np.ndarray]:
        """Images (R, R) in [0, 1] of codes (b, h, w)."""
        return [self.transform.to_image(p.cpu()) for p in self.codec.decode(codes.to(self.device))]

    def _image_tokens(self, studies: Sequence[Study]) -> tuple[list[list[list[int]]], Seen]:
        """For each study, the token sequences of its views, and what is seen in them on the mean."""
        shown = [
            (i, view, image) for i, s in enumerate(studies) for view in View if (image := s.view(view)) is not None
        ]
        missing = set(range(len(studies))) - {i for i, _, _ in shown}
        if missing:
            raise ImageError(f"Study {studies[min(missing)].uid!r} has no image; give a frontal or a lateral view.")
        pixels = self.pixels([image for _, _, image in shown])
        seen = self.reader.look(pixels, [view for _, view, _ in shown])
        made = self._tokens(pixels, [view for _, view, _ in shown], seen)
        tokens: list[list[list[int]]] = [[] for _ in studies]
        for (i, _, _), image_tokens in zip(shown, made, strict=True):
            tokens[i].append(image_tokens)
        own = [[place for place, (of, _, _) in enumerate(shown) if of == i] for i in range(len(studies))]
        return tokens, seen.means(own)

    def _tokens(self, pixels: Tensor, views: Sequence[View], seen: Seen) -> list[list[int]]:
        """The token sequence of each image, with its evidence where the language model reads it."""
        sight = self.language.sight
        levels = sight.scale.levels(seen.evidence).tolist() if sight else [None] * len(views)
        each = zip(self.encode(pixels), views, levels, strict=True)
        return [self.language.ids.image(codes, view, level) for codes, view, level in each]

    def _decided(self, images: Sequence[Image], questions: Sequence[str], seen: Seen) -> list[Reply | None]:
        """The answers that what is seen decides; None of questions that it does not."""
        made: list[Reply | None] = []
        for image, question, found in zip(images, questions, self.reader.findings(seen), strict=True):
            answer = rule_answer(question, found, partial(_is_chest, image))
            made.append(None if answer is None else Reply(answer, Answerer.CLASSIFIER))
        return made

    def _denoised(self, asked: Sequence[_Asked], progress: Progress | None, **how: Any) -> list[np.ndarray]:
        """X-rays of reports by diffusion, those of a view together."""
        drawn: dict[int, Any] = {}
        wanted = list(dict.fromkeys(view for _, view, _ in asked))
        for nth, view in enumerate(wanted):
            own = [i for i, (_, other, _) in enumerate(asked) if other is view]
            made = self.completions(
                [Study(report=asked[i][0]) for i in own],
                [view.value],
                seeds=[asked[i][2] for i in own],
                engine=Engine.DIFFUSION,
                progress=share(progress, nth, len(wanted)),
                **how,
            )
            drawn |= {i: study.view(view) for i, study in zip(own, made, strict=True)}
        return [drawn[i] for i in range(len(asked))]

    def _generated(self, asked: Sequence[_Asked], progress: Progress | None, **how: Any) -> list[np.ndarray]:
        """X-rays of reports by the language model."""
        codes = generate_codes(
            self.language.model,
            self.language.ids,
            [self._drawing(report, view) for report, view, _ in asked],
            seeds=[seed for _, _, seed in asked],
            null_prompts=[self.prompter.draw(Report(), view) for _, view, _ in asked],
            progress=progress,
            **how,
        )
        return self.decode(codes.view(-1, *self.language.ids.vocabulary.grid))

    def _drawing(self, report: Report, view: View) -> list[int]:
        sections = Sections.BOTH
        prompt = self.prompter.draw(report, view, sections)
        room = self.language.model.config.max_position_embeddings - self.language.ids.vocabulary.drawn - 1
        if len(prompt) > room:
            raise ReportError(f"The text is {len(prompt)} tokens long; at most {room} fit. Shorten it.")
        return prompt

    def _write(
        self,
        prompts: list[list[int]],
        null: list[int] | None,
        how: Sampling,
        seeds: Sequence[int],
        progress: Progress | None,
        written: Written | None = None,
        thresholds: Sequence[float] | None = None,
        positives: Sequence[Sequence[bool]] | None = None,
        choices: Sequence[Collection[list[int]]] | None = None,
    ) -> list[list[int]]:
        room = self.language.model.config.max_position_embeddings - how.max_tokens - len(thresholds or ())
        longest = max(map(len, prompts))
        if longest > room:
            raise ReportError(f"The prompt is {longest} tokens long; at most {room} fit. Shorten the text.")

        return generate_text(
            self.language.model,
            self.language.ids,
            prompts,
            max_tokens=how.max_tokens,
            temperature=how.temperature,
            top_p=how.top_p,
            seeds=seeds,
            null_prompts=None if null is None else [null] * len(prompts),
            guidance=1.0 if null is None else how.guidance,
            thresholds=thresholds,
            positives=positives,
            candidates=how.candidates if thresholds and how.temperature else 1,  # at 0 all would be the same
            choices=choices,
            progress=progress,
            written=written,
        )

    def _words(self, answers: Sequence[list[int]]) -> list[str]:
        return [self.prompter.decode(answer) for answer in answers]


def _array(image: Image) -> np.ndarray:
    return as_image(Path(image) if isinstance(image, str) else image)


def _is_chest(image: Image) -> bool:
    """Whether the image passes for a chest X-ray."""
    return not doubt(_array(image))


def _looked_at(image: Image) -> Image:
    """The image; of one that is not an array yet, with a warning if it does not look like an upright chest X-ray."""
    if isinstance(image, np.ndarray):
        return image
    array = _array(image)
    if remark := doubt(array):
        warnings.warn(remark, ImageWarning, stacklevel=3)
    return array
