"""The kinds of stage a recipe is made of: a configuration each, with what it does."""

from __future__ import annotations

import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from radloom.checkpoint import fingerprint
from radloom.classifier.augment import augment
from radloom.classifier.evidence import CHANNELS, LEVELS, EvidenceScale, evidence
from radloom.classifier.model import ClassifierConfig, ClinicalClassifier, load_classifier
from radloom.classifier.network import EfficientNetLite, load_imagenet
from radloom.classifier.stage import ClassifierStage
from radloom.codec.losses import LossWeights, ReconstructionLoss, load_lpips
from radloom.codec.network import Codec, CodecConfig, codes_fingerprint, load_codec
from radloom.codec.stage import CodecStage
from radloom.corpora.images import XrayImages
from radloom.corpora.manifest import ImageRef, Manifest, Row, combine
from radloom.corpora.questions import LIMIT, with_questions
from radloom.corpora.tokens import TokenStore, build
from radloom.errors import RecipeError
from radloom.imaging import Transform, read_image
from radloom.language.base import BaseConfig
from radloom.language.model import LanguageModel, Sight
from radloom.language.prompts import format_answer, format_observations
from radloom.language.stage import LanguageStage
from radloom.language.tasks import MixConfig, TaskMix
from radloom.language.vocabulary import ImageVocabulary
from radloom.reports.cleaning import clean
from radloom.study import Report
from radloom.training import LoopConfig, fit
from radloom.training.determinism import seeded


@dataclass(frozen=True)
class Workshop:
    """What a stage works with.

    Attributes:
        manifest: corpus name -> its manifest, prepared on first use.
        transform: of the recipe.
        output: stage name -> the folder of what it made.
        folder: of this stage's run.
    """

    manifest: Callable[[str], Manifest]
    transform: Transform
    output: Callable[[str], Path]
    folder: Path

    def images(self, corpora: tuple[str, ...], split: str) -> XrayImages:
        """All X-rays of a split of those corpora that have it.

        Raises:
            RecipeError: none has.
        """
        manifests = [self.manifest(name) for name in corpora]
        images = XrayImages([m.split(split) for m in manifests if any(r.split == split for r in m)], self.transform)
        if not images:
            raise RecipeError(
                f"{self.folder.name}: no image of {', '.join(corpora)} is in the split {split!r}; add one."
            )
        return images


@dataclass(frozen=True)
class StageConfig(ABC):
    """A stage's name and what it needs; `run` fills `workshop.folder / "model"`."""

    kind: ClassVar[str]

    name: str

    def uses(self) -> dict[str, str]:
        """Keys of this stage that name an earlier one -> that name."""
        return {}

    @abstractmethod
    def run(self, workshop: Workshop) -> None:
        """Make this stage's model, going on from whatever an earlier, killed run left."""


@dataclass(frozen=True)
class TrainClassifier(StageConfig):
    """Fine-tune the clinical classifier.

    Attributes:
        corpora: whose train split is learned; val comes from those that have one.
        network: sizes; with `start` they are those of the classifier begun from.
        start: an earlier classifier stage to go on from; ImageNet weights without.
        train: the loop.
    """

    kind: ClassVar[str] = "classifier"

    corpora: tuple[str, ...]
    train: LoopConfig
    network: ClassifierConfig = field(default_factory=ClassifierConfig)
    start: str | None = None

    def uses(self) -> dict[str, str]:
        return {"start": self.start} if self.start else {}

    def run(self, workshop: Workshop) -> None:
        train, val = (workshop.images(self.corpora, split) for split in ("train", "val"))
        with seeded(self.train.seed):
            if self.start:
                classifier, _ = load_classifier(workshop.output(self.start))
            else:
                classifier = ClinicalClassifier.from_imagenet(self.network)
            stage = ClassifierStage(classifier, train, val, self.train.seed)
        fit(stage, self.train, workshop.folder, name=self.name)


@dataclass(frozen=True)
class TrainCodec(StageConfig):
    """Train the codec.

    Attributes:
        corpora: whose train split is learned; val comes from those that have one.
        network: sizes; with `start` they are those of the codec begun from.
        start: an earlier codec stage to go on from.
        frozen_codes: train the decoder alone, so that images keep the codes they have.
        classifier: the stage that made the network of the clinical losses.
        loss: weight of each term.
        train: the loop.
    """

    kind: ClassVar[str] = "codec"

    corpora: tuple[str, ...]
    train: LoopConfig
    network: CodecConfig = field(default_factory=CodecConfig)
    start: str | None = None
    frozen_codes: bool = False
    classifier: str | None = None
    loss: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        if (self.loss.clinical or self.loss.phi) and not self.classifier:
            raise RecipeError(
                f"{self.name}: loss.clinical and loss.phi need a classifier stage; name it, or set both to 0."
            )
        if self.frozen_codes and not self.start:
            raise RecipeError(f"{self.name}: frozen_codes needs a codec whose codes are kept; name it as start.")

    def uses(self) -> dict[str, str]:
        return {k: v for k, v in (("start", self.start), ("classifier", self.classifier)) if v}

    def run(self, workshop: Workshop) -> None:
        train, val = (workshop.images(self.corpora, split) for split in ("train", "val"))
        with seeded(self.train.seed):
            codec = load_codec(workshop.output(self.start))[0] if self.start else self.network.build()
            if self.frozen_codes:
                codec.freeze_codes()
            judged = self.loss.perceptual or self.loss.projected
            imagenet = load_imagenet(EfficientNetLite()) if judged else None
            clinical = load_classifier(workshop.output(self.classifier))[0] if self.classifier else None
            lpips = load_lpips() if self.loss.lpips else None
            stage = CodecStage(codec, ReconstructionLoss(self.loss, imagenet, clinical, lpips), train, val)
        fit(stage, self.train, workshop.folder, name=self.name)


@dataclass(frozen=True)
class TuneLanguage(StageConfig):
    """Teach a language model to read, draw and answer.

    Attributes:
        corpora: whose train split is learned; val comes from those that have one.
        codec: the stage whose codec makes the image tokens.
        classifier: the stage whose classifier gives evidence; without, the model has none.
        statements: whether reports begin with what they say of each observation.
        train: the loop.
        base: the language model begun from; unused with `start`.
        start: an earlier language stage to go on from.
        mix: shares of the tasks.
        written_questions: most questions written by rule from each report; 0 for none.
        variants: augmented copies of each training image in the token store, beside the plain one.
        image_weight: weight of an image token's loss beside 1 for a text token.
    """

    kind: ClassVar[str] = "language"

    corpora: tuple[str, ...]
    codec: str
    train: LoopConfig
    classifier: str | None = None
    statements: bool = False
    base: BaseConfig = field(default_factory=BaseConfig)
    start: str | None = None
    mix: MixConfig = field(default_factory=MixConfig)
    written_questions: int = LIMIT
    variants: int = 0
    image_weight: float = 1.0

    def uses(self) -> dict[str, str]:
        uses = {"codec": self.codec, "start": self.start, "classifier": self.classifier}
        return {key: name for key, name in uses.items() if name}

    def run(self, workshop: Workshop) -> None:
        codec, transform = load_codec(workshop.output(self.codec))
        made_by = codes_fingerprint(codec, transform)
        seeing: ClinicalClassifier | None = None
        seen_by: str | None = None
        if self.classifier:
            seeing, _ = load_classifier(workshop.output(self.classifier))
            seen_by = fingerprint(workshop.output(self.classifier))
        studies = combine([workshop.manifest(name) for name in self.corpora])
        tokens = workshop.output(self.codec).parent / "tokens"
        stores, rows = {}, {}
        for split, variants in (("train", self.variants), ("val", 0)):
            key = f"{made_by}+{seen_by}" if seen_by else made_by
            place = tokens / "-".join([split, str(variants), *([seen_by] if seen_by else [])])
            stores[split] = tokenised(studies.split(split), codec, transform, key, place, variants, seeing)
            rows[split] = [self._lesson(row) for row in studies.split(split)]
        sight = Sight(EvidenceScale.fit(stores["train"].all_evidence()), seen_by) if seen_by else None
        language = self._begin(workshop, codec, stores["train"].grid, made_by, sight, rows["train"])
        scale = language.sight.scale if language.sight else None
        configs = {"train": self.mix, "val": replace(self.mix, evidence_noise=0.0, abnormal=1)}
        mixes = {
            split: TaskMix(rows[split], store, language.tokenizer, language.ids, configs[split], self.train.seed, scale)
            for split, store in stores.items()
        }
        stage = LanguageStage(language, mixes["train"], mixes["val"], codec.decode, self.image_weight)
        fit(stage, self.train, workshop.folder, name=self.name)

    def _begin(
        self,
        workshop: Workshop,
        codec: Codec,
        grid: tuple[int, int],
        made_by: str,
        sight: Sight | None,
        rows: list[Row],
    ) -> LanguageModel:
        """The model to train: an earlier stage's, with the tokens that this one adds, or a new one."""
        vocabulary = ImageVocabulary(
            codec.config.codes, grid, evidence=CHANNELS if sight else (), levels=LEVELS, statements=self.statements
        )
        if not self.start:
            return LanguageModel.create(
                self.base,
                vocabulary,
                texts=written(rows),
                codebook=codec.quantiser.codebook,
                codec=made_by,
                sight=sight,
                context=self.mix.max_length,
                seed=self.train.seed,
            )
        seen_by = sight.classifier if sight else None
        language = LanguageModel.load(workshop.output(self.start), codec=made_by, classifier=seen_by)
        if language.vocabulary != vocabulary:
            language.extend(vocabulary, language.sight or sight, self.train.seed)
        return language

    def _lesson(self, row: Row) -> Row:
        """A study as it is learned: its report cleaned, with questions written by rule where it has none of its own."""
        report = Report(**{f.name: clean(getattr(row.report, f.name)) for f in fields(Report)})
        return with_questions(replace(row, report=report), limit=self.written_questions, seed=self.train.seed)


def tokenised(
    manifest: Manifest,
    codec: Codec,
    transform: Transform,
    made_by: str,
    folder: Path,
    variants: int,
    classifier: ClinicalClassifier | None = None,
) -> TokenStore:
    """The codes of all images of a manifest, with a classifier's evidence; variants above 0 are augmented copies."""

    def pixels(ref: ImageRef, variant: int) -> Tensor:
        plain = transform(read_image(manifest.path(ref)), ref.aspect)
        return augment(plain, variant, zlib.crc32(ref.path.encode())) if variant else plain

    def progress(done: int, total: int) -> None:
        if done == total:
            print(f"{folder.name}: codes of {total} images", file=sys.stderr)

    seen = None if classifier is None else partial(evidence, classifier)
    return build(
        manifest, codec.encode, pixels, folder, made_by, evidence=seen, variants=1 + variants, progress=progress
    )


def written(rows: list[Row]) -> Iterator[str]:
    """Every text of the rows that a model will read or write."""
    for row in rows:
        yield from (format_answer(row.report), format_observations(row.labels))
        for question in row.questions:
            yield from (question.question, question.answer)


STAGES: dict[str, type[StageConfig]] = {c.kind: c for c in (TrainClassifier, TrainCodec, TuneLanguage)}
