"""From studies and their codes to training examples: the instruction mixes of LLM-CXR (Lee et al. 2023, 2305.11490).

Stage 1 learns every view and section; stage 2 narrows to frontal views and impressions and asks more questions. Unlike
the released code, which gives a pair one direction by the parity of its index, every pair of a report and a view is
seen in both directions in every epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from radloom.classifier.evidence import EvidenceScale
from radloom.classifier.saliency import SaliencyConfig
from radloom.corpora.manifest import ImageRef, Row
from radloom.corpora.tokens import TokenStore
from radloom.errors import ManifestError, RecipeError
from radloom.language.losses import IGNORED
from radloom.language.prompts import WORDINGS, YES_NO, Prompter, format_observations, stated
from radloom.language.vocabulary import TokenIds
from radloom.reports.labeller import NO_FINDING, label
from radloom.reports.report_text import Sections, has_sections, report_to_text
from radloom.study import OBSERVATIONS, Mention, Question, Report, View


class Task(StrEnum):
    """What an example asks for; also the keys of a mix."""

    REPORT = "report"
    IMAGE = "image"
    QUESTION = "question"
    TEXT = "text"
    MATCH = "match"


@dataclass(frozen=True)
class MixConfig:
    """Which examples an epoch has. The defaults are LLM-CXR's stage 1.

    Attributes:
        report, image, question, text, match: share of each task: X-ray -> report, report -> X-ray, questions, text
            alone, whether an X-ray and a report belong together.
        views: views that are shown and drawn.
        sections: sections that are asked for and given.
        first_study: of each patient, only the first study that is listed.
        two_views: how often the other view is shown too, where there is one.
        questions: most questions about one image in a sequence.
        matches: reports that are held against one image in a sequence; about half are its own.
        drop_text, drop_images: how often the condition of a drawing, or the images of a report, become `<null>`, for
            guidance. A report without images is short, and teaches to write what its statements say.
        drop_codes: how often an image that is read is shown by its evidence alone, without its codes: a twelfth of the
            tokens, and what reports and answers owe to evidence is learned as well.
        abnormal: how many times as often as others a study occurs that has a finding, where a report is written or
            drawn from; of questions it would shift the odds of yes.
        evidence_noise: how far the evidence of an image that is shown is shaken, in standard deviations of its channel:
            the classifier knows the images that it was trained on better than others, and a model that trusts it as
            much on others goes wrong. Images that are drawn keep theirs.
        evidence_weight, statement_weight: of the loss of such a token, beside 1 for others.
        max_length: longer sequences are cut at their end.
    """

    report: float = 0.3
    image: float = 0.3
    question: float = 0.2
    text: float = 0.2
    match: float = 0.0
    views: tuple[View, ...] = tuple(View)
    sections: tuple[Sections, ...] = tuple(Sections)
    first_study: bool = False
    two_views: float = 0.25
    questions: int = 4
    matches: int = 3
    drop_text: float = 0.1
    drop_images: float = 0.0
    drop_codes: float = 0.0
    abnormal: int = 1
    evidence_noise: float = 0.0
    evidence_weight: float = 1.0
    statement_weight: float = 1.0
    max_length: int = 1024

    def __post_init__(self) -> None:
        for name in ("abnormal", "questions", "matches", "max_length"):
            if getattr(self, name) < 1:
                raise RecipeError(f"mix.{name} is {getattr(self, name)}; give 1 or more.")
        for name in ("evidence_noise", "evidence_weight", "statement_weight"):
            if getattr(self, name) < 0:
                raise RecipeError(f"mix.{name} is {getattr(self, name)}; give 0 or more.")
        for name in ("two_views", "drop_text", "drop_images", "drop_codes"):
            if not 0 <= getattr(self, name) <= 1:
                raise RecipeError(f"mix.{name} is {getattr(self, name)}; give a share from 0 to 1.")
        for name in ("views", "sections"):
            if not getattr(self, name):
                raise RecipeError(f"mix.{name} is empty; name at least one, or leave it out.")

    def weights(self) -> dict[Task, float]:
        """Share of each task that occurs.

        Raises:
            RecipeError: a negative share, or none above 0.
        """
        shares = {task: getattr(self, task.value) for task in Task}
        if min(shares.values()) < 0 or max(shares.values()) == 0:
            raise RecipeError(f"mix: the shares {shares} need at least one above 0 and none below.")
        return {task: share for task, share in shares.items() if share > 0}


@dataclass
class Example:
    """A sequence as it grows: token ids, and the weight of each in the loss; 0 is not trained on."""

    ids: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add(self, prompt: list[int], response: list[int], weights: Sequence[float] | None = None) -> Example:
        """Append a turn; the response is trained on, each of its tokens by its weight, 1 if there are none."""
        self.ids += prompt + response
        self.weights += [0.0] * len(prompt) + list(weights or [1.0] * len(response))
        return self


@dataclass(frozen=True)
class _Unit:
    """What one example is made of: a study, and a view (report, image) or questions about one image (question)."""

    row: Row
    view: View | None = None
    questions: tuple[Question, ...] = ()


class TaskMix:
    """The examples of an epoch.

    Everything random in an example (wording, sections, image, augmentation, dropped condition, questions) is a function
    of seed, epoch and index, so a resumed run sees the same. The report and image tasks hold every pair of a study's
    report and a view at least once an epoch; the other tasks fill up to the mix, going through their studies epoch by
    epoch. Studies take part in the tasks that they have the parts for.

    Args:
        rows: studies of one or several corpora.
        store: codes of their images.
        tokenizer: with image tokens.
        ids: their ids.
        config: the mix.
        seed: of everything random.
        scale: of evidence, for a model that has it.
        saliency: weighs drawn codes by their cells, whose saliency is in the store; even weights if None.

    Raises:
        RecipeError: a task of the mix that no study fits.
        ManifestError: an image whose codes are not in the store.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        store: TokenStore,
        tokenizer: PreTrainedTokenizerBase,
        ids: TokenIds,
        config: MixConfig = MixConfig(),
        seed: int = 0,
        scale: EvidenceScale | None = None,
        saliency: SaliencyConfig | None = None,
    ) -> None:
        self.store, self.ids, self.config, self.seed, self.scale = store, ids, config, seed, scale
        self.saliency = saliency
        self._factors = torch.ones(max(tokenizer.get_vocab().values()) + 1)  # weight of a token, by its id
        self._factors[ids.evidence] = config.evidence_weight
        self._factors[ids.statements] = config.statement_weight
        self.prompter = Prompter(tokenizer, ids)
        if config.drop_codes and scale is None:
            raise RecipeError("mix.drop_codes leaves nothing of an image without evidence; name a `classifier`.")
        rows = _first_studies(rows) if config.first_study else rows
        for ref in (ref for row in rows for ref in row.images):
            if ref.path not in store:
                raise ManifestError(f"{ref.path} is not in the token store; build the store again from this manifest.")
        self.units = {task: self._units(task, rows) for task in config.weights()}
        for task, units in self.units.items():
            if not units:
                raise RecipeError(f"mix: no study fits the task {task.value!r}; set it to 0 or add a corpus that does.")
        self.counts = _counts(config.weights(), {task: len(units) for task, units in self.units.items()})

    def __len__(self) -> int:
        return sum(self.counts.values())

    def item(self, index: int, epoch: int) -> dict[str, Any]:
        """One example: `input_ids`, `labels` and `weights` (s,), labels -100 where not trained on; `tags` names it."""
        task, unit = self._place(index, epoch)
        rng = np.random.default_rng((self.seed, epoch, index))
        build = {
            Task.REPORT: self._report,
            Task.IMAGE: self._image,
            Task.QUESTION: self._question,
            Task.MATCH: self._match,
        }
        example = build.get(task, self._text)(unit, rng)
        ids = torch.tensor(example.ids[: self.config.max_length])
        weights = torch.tensor(example.weights[: self.config.max_length]) * self._factors[ids]
        tags = {"task": task.value, "uid": unit.row.uid, "view": unit.view.value if unit.view else ""}
        return {"input_ids": ids, "labels": ids.where(weights > 0, IGNORED), "weights": weights, "tags": tags}

    def report_prompts(self, count: int) -> tuple[list[list[int]], list[dict[str, Mention]]]:
        """At most `count` prompts of the report task, spread over its studies, and what the sections asked for say."""
        units = list({(unit.row.corpus, unit.row.uid, unit.view): unit for unit in self.units[Task.REPORT]}.values())
        picks = [units[int(i)] for i in np.linspace(0, len(units) - 1, min(count, len(units)))]
        prompts, labels = [], []
        for number, unit in enumerate(picks):
            rng = np.random.default_rng((self.seed, number))
            sections = self._sections(unit.row.report, rng)
            prompts.append(self.prompter.report(self._views(unit.row, unit.view, rng), sections))
            labels.append(stated(report_to_text(unit.row.report, sections)))
        return prompts, labels

    def study_evidence(self) -> tuple[np.ndarray, list[dict[str, Mention]]]:
        """Mean evidence (n, channels) over the X-rays of each study of the report task, and what its report says."""
        rows = self._reported()
        values = [np.mean([self.store.evidence(ref.path) for ref in row.images], 0) for row in rows]
        return np.stack(values), [stated(report_to_text(row.report)) for row in rows]

    def reports(self) -> list[Report]:
        """The report of each study of the report task, once."""
        return [row.report for row in self._reported()]

    def length(self, index: int) -> int:
        """Tokens of that example in epoch 0; about as many in others."""
        return len(self.item(index, 0)["input_ids"])

    def _reported(self) -> list[Row]:
        return list({(unit.row.corpus, unit.row.uid): unit.row for unit in self.units[Task.REPORT]}.values())

    def _place(self, index: int, epoch: int) -> tuple[Task, _Unit]:
        """Task and unit of an index.

        With 17 slots for the 10 units of a task, 10 slots show one unit each, the same in every epoch. The other 7 go
        on through the units from epoch to epoch, in an order that is drawn anew whenever all have been shown.
        """
        task, slot = self._slot(index)
        units, slots = self.units[task], self.counts[task]
        rotating = slots % len(units)
        fixed = slots - rotating
        if slot < fixed:
            return task, units[slot % len(units)]
        turn, place = divmod(epoch * rotating + slot - fixed, len(units))
        order = np.random.default_rng((self.seed, list(Task).index(task), turn)).permutation(len(units))
        return task, units[order[place]]

    def _slot(self, index: int) -> tuple[Task, int]:
        """The task of an index, and which of the task's slots it is."""
        slot = range(len(self))[index]
        for task, slots in self.counts.items():
            if slot < slots:
                return task, slot
            slot -= slots
        raise AssertionError("an index within the length has a task")

    # -- what a study can take part in ---------------------------------------------------------------------------

    def _units(self, task: Task, rows: Sequence[Row]) -> list[_Unit]:
        if task is Task.QUESTION:
            return [unit for row in rows for unit in self._question_units(row)]
        if task is Task.TEXT:
            return [_Unit(row) for row in rows if _text_tasks(row)]
        return [
            _Unit(row, view)
            for row in rows
            for _ in range(self.config.abnormal if _findings(row) else 1)
            if any(has_sections(row.report, sections) for sections in self.config.sections)
            for view in self.config.views
            if row.image(view)
        ]

    def _question_units(self, row: Row) -> list[_Unit]:
        """One unit for each image that is asked about, and one for questions about the study."""
        shown = {ref.path for ref in row.images if ref.view in self.config.views}
        about: dict[str, list[Question]] = {}
        for question in row.questions:
            if question.image in shown or (not question.image and shown):
                about.setdefault(question.image, []).append(question)
        return [_Unit(row, questions=tuple(questions)) for questions in about.values()]

    # -- examples ------------------------------------------------------------------------------------------------

    def _report(self, unit: _Unit, rng: np.random.Generator) -> Example:
        sections = self._sections(unit.row.report, rng)
        dropped = rng.random() < self.config.drop_images
        images = [] if dropped else self._views(unit.row, unit.view, rng)
        prompt = self.prompter.report(images, sections, int(rng.integers(WORDINGS)))
        return Example().add(prompt, self.prompter.report_answer(unit.row.report, sections))

    def _image(self, unit: _Unit, rng: np.random.Generator) -> Example:
        assert unit.view is not None
        sections = self._sections(unit.row.report, rng)
        report = Report() if rng.random() < self.config.drop_text else unit.row.report
        prompt = self.prompter.draw(report, unit.view, sections, int(rng.integers(WORDINGS)))
        ref = _choose([r for r in unit.row.images if r.view is unit.view], rng)
        variant = self._variant(ref, rng)
        codes, levels = self._encode(ref, variant)
        drawn = [*self.ids.image(codes, unit.view, levels)[len(self.ids.opening(unit.view)) :], self.ids.end]
        weights = torch.ones(len(drawn))
        if self.saliency:
            first = len(self.ids.evidence)
            cells = torch.from_numpy(self.store.saliency(ref.path, variant))
            weights[first : first + len(cells)] = self.saliency.weights(cells)
        return Example().add(prompt, drawn, weights.tolist())

    def _question(self, unit: _Unit, rng: np.random.Generator) -> Example:
        path = unit.questions[0].image
        if path:
            images = [self._shown(ref, rng) for ref in unit.row.images if ref.path == path]
        else:
            views = [view for view in self.config.views if unit.row.image(view)]
            images = self._views(unit.row, _choose(views, rng), rng)
        order = rng.permutation(len(unit.questions))[: self.config.questions]
        first, *further = [unit.questions[i] for i in order]
        prompt = self.prompter.question(first.question, images, int(rng.integers(WORDINGS)))
        example = Example().add(prompt, self.prompter.answer(first.answer))
        for question in further:
            example.add(self.prompter.further_question(question.question), self.prompter.answer(question.answer))
        return example

    def _match(self, unit: _Unit, rng: np.random.Generator) -> Example:
        images = self._views(unit.row, unit.view, rng)
        example, others = Example(), self.units[Task.MATCH]
        for number in range(self.config.matches):
            own = bool(rng.random() < 0.5)
            row = unit.row if own else self._unlike(unit.row, others, rng)
            own = own or row is unit.row
            sections = self._sections(row.report, rng)
            prompt = self.prompter.match(row.report, [] if number else images, sections, int(rng.integers(WORDINGS)))
            example.add(prompt, self.prompter.answer(YES_NO[own]))
        return example

    @staticmethod
    def _unlike(row: Row, others: Sequence[_Unit], rng: np.random.Generator) -> Row:
        """A study with other findings, whose report cannot pass for that of `row`; `row` itself if none was met."""
        for _ in range(20):
            other = _choose(others, rng).row
            if _findings(other) != _findings(row):
                return other  # type: ignore[no-any-return]
        return row

    def _text(self, unit: _Unit, rng: np.random.Generator) -> Example:
        row, wording = unit.row, int(rng.integers(WORDINGS))
        if _choose(_text_tasks(row), rng) == "impression":
            prompt = self.prompter.impression(row.report.findings, wording)
            return Example().add(prompt, self.prompter.answer(report_to_text(row.report, Sections.IMPRESSION)))
        prompt = self.prompter.observations(row.report, wording)
        return Example().add(prompt, self.prompter.answer(format_observations(label(row.report))))

    def _sections(self, report: Report, rng: np.random.Generator) -> Sections:
        return _choose([sections for sections in self.config.sections if has_sections(report, sections)], rng)

    def _views(self, row: Row, view: View | None, rng: np.random.Generator) -> list[list[int]]:
        """An image of `view`, sometimes one of the other view too, frontal first."""
        others = [v for v in self.config.views if v is not view and row.image(v)]
        shown = {view, *(others if rng.random() < self.config.two_views else ())}
        refs = [_choose([ref for ref in row.images if ref.view is v], rng) for v in View if v in shown]
        return [self._shown(ref, rng) for ref in refs]

    def _variant(self, ref: ImageRef, rng: np.random.Generator) -> int:
        return int(rng.integers(self.store.variants(ref.path)))

    def _shown(self, ref: ImageRef, rng: np.random.Generator) -> list[int]:
        """The tokens of an image that is read, its evidence shaken, sometimes without codes."""
        variant = self._variant(ref, rng)
        codes, levels = self._encode(ref, variant, rng)
        bare = self.config.drop_codes and rng.random() < self.config.drop_codes
        return self.ids.image(None if bare else codes, ref.view, levels)

    def _encode(
        self, ref: ImageRef, variant: int, shaken: np.random.Generator | None = None
    ) -> tuple[Tensor, list[int] | None]:
        """Codes of an image, and its evidence if the model has any."""
        codes = torch.from_numpy(self.store.codes(ref.path, variant))
        if self.scale is None:
            return codes, None
        values = self.store.evidence(ref.path, variant)
        noise = 0.0 if shaken is None else self.config.evidence_noise * shaken.standard_normal(len(values))
        return codes, self.scale.levels(values, noise).tolist()


def collate(examples: Sequence[dict[str, Any]], pad_id: int) -> dict[str, Tensor]:
    """Examples of a `TaskMix` as a batch, each (b, s), padded on the right.

    Keys: `input_ids`, `labels`, `weights`, `attention_mask`.
    """
    lengths = torch.tensor([len(example["input_ids"]) for example in examples])

    def padded(key: str, value: float) -> Tensor:
        rows = [example[key] for example in examples]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)

    return {
        "input_ids": padded("input_ids", pad_id),
        "labels": padded("labels", IGNORED),
        "weights": padded("weights", 0.0),
        "attention_mask": (torch.arange(int(lengths.max())) < lengths[:, None]).long(),
    }


def _counts(weights: dict[Task, float], units: dict[Task, int]) -> dict[Task, int]:
    """Examples of each task in an epoch: every pair at least once in each direction, the others in proportion."""
    pairs: list[Task] = [task for task in weights if task in (Task.REPORT, Task.IMAGE)]
    leading = pairs or sorted(weights, key=lambda task: weights[task])[-1:]
    share = max(units[task] / weights[task] for task in leading)
    return {task: max(1, round(share * weight)) for task, weight in weights.items()}


def _first_studies(rows: Sequence[Row]) -> list[Row]:
    first: dict[tuple[str, str], Row] = {}
    for row in rows:
        first.setdefault((row.corpus, row.patient), row)
    return list(first.values())


def _findings(row: Row) -> set[str]:
    return {o for o in OBSERVATIONS if o != NO_FINDING and row.labels.get(o) is Mention.POSITIVE}


def _text_tasks(row: Row) -> list[str]:
    tasks = ["impression"] if row.report.findings and row.report.impression else []
    return tasks + (["observations"] if row.report and row.labels else [])


def _choose(options: Sequence[Any], rng: np.random.Generator) -> Any:
    return options[int(rng.integers(len(options)))]
