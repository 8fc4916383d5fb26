"""The kinds of stage a recipe is made of: a configuration each, with what it does."""

from __future__ import annotations

import json
import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from radloom.checkpoint import fingerprint
from radloom.classifier.augment import augment
from radloom.classifier.evidence import CHANNELS, LEVELS, EvidenceScale, evidence
from radloom.classifier.fitting import SignTable, fit_signs, sign_scores
from radloom.classifier.model import ClassifierConfig, ClinicalClassifier, load_classifier
from radloom.classifier.network import EfficientNetLite, load_imagenet
from radloom.classifier.saliency import SaliencyConfig, saliency
from radloom.classifier.side_fitting import SideTable, fit_sides, side_scores, with_sides
from radloom.classifier.sides import BANDS, LEVEL, halves
from radloom.classifier.signs import SignReader, save_signs
from radloom.classifier.stage import ClassifierStage
from radloom.codec.losses import LossWeights, ReconstructionLoss, load_lpips
from radloom.codec.network import Codec, CodecConfig, codes_fingerprint, load_codec
from radloom.codec.stage import CodecStage
from radloom.corpora.images import XrayImages
from radloom.corpora.manifest import ImageRef, Manifest, Row, combine
from radloom.corpora.questions import LIMIT, with_questions
from radloom.corpora.tokens import TokenStore, build
from radloom.errors import RecipeError
from radloom.files import write_whole
from radloom.imaging import Transform, read_image
from radloom.language.base import BaseConfig
from radloom.language.model import LanguageModel, Sight
from radloom.language.prompts import format_observations
from radloom.language.rates import RatesConfig
from radloom.language.stage import LanguageStage
from radloom.language.tasks import MixConfig, TaskMix
from radloom.language.vocabulary import ImageVocabulary
from radloom.recipes.trained import is_trained
from radloom.reports.cleaning import clean_sections
from radloom.reports.report_text import report_to_text
from radloom.training import LoopConfig, first_process_first, fit
from radloom.training.determinism import seeded


@dataclass(frozen=True)
class Workshop:
    """What a stage works with.

    Attributes:
        manifest: corpus name -> its manifest, prepared on first use.
        transform: of the recipe.
        output: name of a stage, or of a part of a trained model -> the folder of the checkpoint.
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
        studies = self.studies(corpora)
        if not any(row.images for row in studies if row.split == split):
            raise RecipeError(
                f"{self.folder.name}: no image of {', '.join(corpora)} is in the split {split!r}; add one."
            )
        return XrayImages([studies.split(split)], self.transform)

    def studies(self, corpora: tuple[str, ...]) -> Manifest:
        """Those corpora as one manifest."""
        return combine([self.manifest(name) for name in corpora])

    def beside(self, name: str) -> Path:
        """The folder, within the run, for what is computed once by what `output` names."""
        run = self.folder.parent
        return run / "trained" / name.strip("/.").replace("/", "-") if is_trained(name) else run / name

    def salience(self, corpora: tuple[str, ...], config: SaliencyConfig) -> TokenStore:
        """Saliency of the training X-rays of those corpora, computed once for all stages that weigh by it."""
        classifier, _ = load_classifier(self.output(config.classifier))
        folder = self.beside(config.classifier) / "saliency" / "-".join([config.method, *corpora])
        makers = {"saliency": partial(saliency, classifier, method=config.method)}
        key = f"{fingerprint(self.output(config.classifier))}+{config.method}"
        return tabulated(self.studies(corpora).split("train"), makers, self.transform, key, folder)


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

    @abstractmethod
    def networks(self, stages: Mapping[str, StageConfig]) -> dict[str, nn.Module]:
        """The networks of this stage's model, untrained, by their names in its checkpoint.

        Args:
            stages: of the recipe, by name.

        Raises:
            RecipeError: it goes on from, or uses, a stage of another kind.
        """


AnyStage = TypeVar("AnyStage", bound=StageConfig)


def origin(name: str, kind: type[AnyStage], stages: Mapping[str, StageConfig]) -> AnyStage:
    """The stage that the one called `name` was begun from, or itself: whose sizes it has.

    Raises:
        RecipeError: a stage of another kind, or a part of a trained model.
    """
    stage: Any = None
    following = name
    while following:
        if is_trained(following):
            raise RecipeError(f"{name} goes on from {following}, whose sizes are not the recipe's.")
        stage = stages[following]
        following = getattr(stage, "start", None) or ""
    if not isinstance(stage, kind):
        raise RecipeError(f"{name}: goes back to {stage.name}, of kind {stage.kind!r}; name one of kind {kind.kind!r}.")
    return stage


def named(prefix: str, module: nn.Module) -> dict[str, nn.Module]:
    """The parts of a network by their names in a checkpoint."""
    return {f"{prefix}.{name}": part for name, part in module.named_children()}


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

    def networks(self, stages: Mapping[str, StageConfig]) -> dict[str, nn.Module]:
        return named("classifier", origin(self.name, TrainClassifier, stages).network.build())


@dataclass(frozen=True)
class TrainSigns(StageConfig):
    """Fit readers of signs and of sides to the classifier's features; a minute beyond computing these.

    Attributes:
        corpora: whose train split is learned; val comes from those that have one.
        classifier: the stage whose classifier is read.
        penalty: of the weights for signs, see `fit_signs`.
        side_penalty: of those for sides, see `fit_sides`.
    """

    kind: ClassVar[str] = "signs"

    corpora: tuple[str, ...]
    classifier: str
    penalty: float = 0.03
    side_penalty: float = 1.0

    def uses(self) -> dict[str, str]:
        return {"classifier": self.classifier}

    def run(self, workshop: Workshop) -> None:
        train = self._tables(workshop, "train")
        if train is None:
            raise RecipeError(f"{self.name}: {', '.join(self.corpora)} has no X-ray with a report in train; add some.")
        val = self._tables(workshop, "val")
        with first_process_first() as first:
            if first:
                reader = fit_signs(train[0], self.penalty)
                reader.sides = fit_sides(train[1], self.side_penalty)
                save_signs(reader, workshop.folder / "model", fingerprint(workshop.output(self.classifier)))
                scores = sign_scores(reader, val[0]) | side_scores(reader.sides, val[1]) if val else {}
                done = json.dumps({"scores": scores}, indent=2) + "\n"
                write_whole(workshop.folder / "done.json", done.encode(), RecipeError)

    def _tables(self, workshop: Workshop, split: str) -> tuple[SignTable, SideTable] | None:
        """What is read of the X-rays of a split, and what their reports say; None where none has a report."""
        studies = workshop.studies(self.corpora).split(split)
        if not any(row.report and row.images for row in studies):
            return None
        network, transform = load_classifier(workshop.output(self.classifier))
        seen_by = fingerprint(workshop.output(self.classifier))
        place, name = workshop.beside(self.classifier), "-".join([split, *self.corpora])
        pooled = tabulated(studies, {"features": network.features}, transform, seen_by, place / "pooled" / name)
        signs = SignTable.of(list(studies), pooled)
        sided = with_sides(studies)
        if not len(sided):
            return signs, SideTable.of([], None)
        makers = {"features": lambda pixels: halves(network.pyramid(pixels))}
        of_halves = tabulated(sided, makers, transform, f"{seen_by}+{LEVEL}/{BANDS}", place / "halves" / name)
        return signs, SideTable.of(list(sided), of_halves)

    def networks(self, stages: Mapping[str, StageConfig]) -> dict[str, nn.Module]:
        return {"signs": SignReader()}


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
        saliency: weighs `l1` and commitment cell by cell; even weights without.
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
    saliency: SaliencyConfig | None = None

    def __post_init__(self) -> None:
        if (self.loss.clinical or self.loss.phi or self.loss.distilled) and not self.classifier:
            raise RecipeError(
                f"{self.name}: loss.clinical, loss.phi and loss.distilled need a classifier stage; name it, or set all "
                "three to 0."
            )
        if self.frozen_codes and not self.start:
            raise RecipeError(f"{self.name}: frozen_codes needs a codec whose codes are kept; name it as start.")

    def uses(self) -> dict[str, str]:
        return _named(start=self.start, classifier=self.classifier, saliency=_classifier_of(self.saliency))

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
            salient = self._salient(workshop, train)
            stage = CodecStage(codec, ReconstructionLoss(self.loss, imagenet, clinical, lpips), train, val, salient)
        fit(stage, self.train, workshop.folder, name=self.name)

    def networks(self, stages: Mapping[str, StageConfig]) -> dict[str, nn.Module]:
        return named("codec", origin(self.name, TrainCodec, stages).network.build())

    def _salient(self, workshop: Workshop, train: XrayImages) -> Callable[[int], Tensor] | None:
        """Number of a training X-ray -> the weights of its cells."""
        config = self.saliency
        if config is None:
            return None
        store = workshop.salience(self.corpora, config)

        def weights(index: int) -> Tensor:
            cells = torch.from_numpy(store.saliency(train.entries[index].ref.path)).view(store.grid)
            return config.weights(cells)

        return weights


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
        saliency: weighs the drawn codes of an image by their cells; even weights without.
        rates: what is trained and how fast.
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
    saliency: SaliencyConfig | None = None
    rates: RatesConfig = field(default_factory=RatesConfig)

    def uses(self) -> dict[str, str]:
        seen = _classifier_of(self.saliency)
        return _named(codec=self.codec, start=self.start, classifier=self.classifier, saliency=seen)

    def run(self, workshop: Workshop) -> None:
        codec, transform = load_codec(workshop.output(self.codec))
        made_by = codes_fingerprint(codec, transform)
        makers: dict[str, Callable[[Tensor], Tensor]] = {"codes": codec.encode}
        seen_by: str | None = None
        if self.classifier:
            seeing, _ = load_classifier(workshop.output(self.classifier))
            seen_by = fingerprint(workshop.output(self.classifier))
            makers["evidence"] = partial(evidence, seeing)
        keys = [made_by, *([seen_by] if seen_by else [])]
        if self.saliency:
            salient, _ = load_classifier(workshop.output(self.saliency.classifier))
            makers["saliency"] = partial(saliency, salient, method=self.saliency.method)
            keys.append(f"{fingerprint(workshop.output(self.saliency.classifier))}-{self.saliency.method}")
        studies = workshop.studies(self.corpora)
        tokens = workshop.beside(self.codec) / "tokens"
        stores, rows = {}, {}
        for split, variants in (("train", self.variants), ("val", 0)):
            place = tokens / "-".join([split, str(variants), *keys[1:]])
            stores[split] = tabulated(studies.split(split), makers, transform, "+".join(keys), place, variants)
            rows[split] = [self._lesson(row) for row in studies.split(split)]
        sight = Sight(EvidenceScale.fit(stores["train"].all_evidence()), seen_by) if seen_by else None
        language = self._begin(workshop, codec, stores["train"].grid, made_by, sight, rows["train"])
        scale = language.sight.scale if language.sight else None
        configs = {"train": self.mix, "val": replace(self.mix, evidence_noise=0.0, abnormal=1, drop_codes=0.0)}
        train, val = (
            TaskMix(
                rows[split],
                stores[split],
                language.tokenizer,
                language.ids,
                configs[split],
                self.train.seed,
                scale,
                self.saliency if split == "train" else None,
            )
            for split in ("train", "val")
        )
        stage = LanguageStage(language, train, val, codec.decode, self.image_weight, self.rates)
        fit(stage, self.train, workshop.folder, name=self.name)

    def networks(self, stages: Mapping[str, StageConfig]) -> dict[str, nn.Module]:
        """The layers alone: how many words and image tokens there are, depends on the texts."""
        return {"language.layers": origin(self.name, TuneLanguage, stages).base.layers_alone()}

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
        lesson = replace(row, report=clean_sections(row.report))
        return with_questions(lesson, limit=self.written_questions, seed=self.train.seed)


def tabulated(
    manifest: Manifest,
    makers: Mapping[str, Callable[[Tensor], Tensor]],
    transform: Transform,
    made_by: str,
    folder: Path,
    variants: int = 0,
) -> TokenStore:
    """What networks make of all images of a manifest; variants above 0 are augmented copies."""

    def pixels(ref: ImageRef, variant: int) -> Tensor:
        plain = transform(read_image(manifest.path(ref)), ref.aspect)
        return augment(plain, variant, zlib.crc32(ref.path.encode())) if variant else plain

    def progress(done: int, total: int) -> None:
        if done == total:
            print(f"{folder.name}: {', '.join(makers)} of {total} images", file=sys.stderr)

    with first_process_first():
        return build(manifest, makers, pixels, folder, made_by, variants=1 + variants, progress=progress)


def _named(**uses: str | None) -> dict[str, str]:
    return {key: name for key, name in uses.items() if name}


def _classifier_of(config: SaliencyConfig | None) -> str | None:
    return config.classifier if config else None


def written(rows: list[Row]) -> Iterator[str]:
    """Every text of the rows that a model will read or write."""
    for row in rows:
        yield from (report_to_text(row.report), format_observations(row.labels))
        for question in row.questions:
            yield from (question.question, question.answer)


STAGES: dict[str, type[StageConfig]] = {c.kind: c for c in (TrainClassifier, TrainSigns, TrainCodec, TuneLanguage)}
