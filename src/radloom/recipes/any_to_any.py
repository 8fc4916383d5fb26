"""The kinds of stage that make an any-to-any model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from radloom import checkpoint
from radloom.checkpoint import fingerprint
from radloom.classifier.model import load_classifier
from radloom.codec.network import Codec, CodecConfig, codes_fingerprint, load_codec
from radloom.config import from_dict
from radloom.corpora.manifest import Row
from radloom.diffusion.alignment import Alignment, AlignmentConfig, regions
from radloom.diffusion.autoencoder import AutoencoderConfig, ReportAutoencoder
from radloom.diffusion.denoiser import DenoiserConfig
from radloom.diffusion.environment import EnvironmentConfig
from radloom.diffusion.model import KIND, AnyToAny, AnyToAnyConfig
from radloom.diffusion.stages import AlignmentStage, AutoencoderStage, DenoiserStage, EnvironmentStage
from radloom.diffusion.studies import StudyTable, excerpts
from radloom.diffusion.text import ReportTokenizer
from radloom.errors import RecipeError
from radloom.recipes.stages import StageConfig, TrainCodec, Workshop, named, origin, tabulated
from radloom.reports.cleaning import clean_sections
from radloom.training import LoopConfig, fit
from radloom.training.determinism import seeded


def cleaned(row: Row) -> Row:
    """A study with its report as text to learn."""
    return replace(row, report=clean_sections(row.report))


def lessons(workshop: Workshop, corpora: tuple[str, ...], split: str) -> list[Row]:
    """The studies of a split of those corpora, with cleaned reports."""
    return [cleaned(row) for row in workshop.studies(corpora).split(split)]


def tables(
    workshop: Workshop, corpora: tuple[str, ...], classifier: str, codec: str | None, seed: int, variants: int = 0
) -> list[StudyTable]:
    """The studies of train and val with the features of their images, and where a codec is named with their codes.

    Args:
        workshop: has the corpora and what earlier stages made.
        corpora: whose studies.
        classifier, codec: the stages that made them.
        seed: of the excerpts.
        variants: augmented copies of each training image beside the plain one.

    Raises:
        RecipeError: a split without images or without reports.
    """
    network, transform = load_classifier(workshop.output(classifier))
    makers: dict[str, Callable[[Tensor], Tensor]] = {"features": partial(regions, network)}
    keys = [fingerprint(workshop.output(classifier))]
    if codec:
        coding, _ = load_codec(workshop.output(codec))
        makers["codes"] = coding.encode
        keys.append(codes_fingerprint(coding, transform))
    found = []
    for split, copies in (("train", variants), ("val", 0)):
        place = workshop.beside(classifier) / "features" / "-".join([split, str(copies), *keys[1:]])
        rows = workshop.studies(corpora).split(split)
        store = tabulated(rows, makers, transform, "+".join(keys), place, copies)
        found.append(StudyTable(lessons(workshop, corpora, split), store, seed))
        for what, there in (("images", "images"), ("reports", "report")):
            if not any(getattr(row, there) for row in found[-1].rows):
                raise RecipeError(f"{', '.join(corpora)} has no {what} in {split}; add some, or another corpus.")
    return found


def load_alignment(folder: Path, classifier: str) -> tuple[Alignment, ReportTokenizer]:
    """The prompt space of a stage that trained it, or of an any-to-any model, in eval mode, and its tokenizer.

    Raises:
        CheckpointError: neither, or a model that stands on another classifier than the one of this fingerprint.
    """
    if checkpoint.read_kind(folder) == KIND:
        model = AnyToAny.load(folder, classifier=classifier)
        return model.alignment, model.tokenizer
    network = from_dict(AlignmentConfig, checkpoint.read_config(folder, "alignment"), "config").build()
    checkpoint.load_state(network, folder)
    return network.eval(), ReportTokenizer.load(folder)


def load_autoencoder(folder: Path) -> tuple[ReportAutoencoder, ReportTokenizer]:
    """The report autoencoder of a stage that trained it, or of an any-to-any model, in eval mode, and its tokenizer.

    Raises:
        CheckpointError: neither.
    """
    if checkpoint.read_kind(folder) == KIND:
        model = AnyToAny.load(folder)
        return model.autoencoder, model.tokenizer
    network = from_dict(AutoencoderConfig, checkpoint.read_config(folder, "report-autoencoder"), "config").build()
    checkpoint.load_state(network, folder)
    return network.eval(), ReportTokenizer.load(folder)


@dataclass(frozen=True)
class TrainReports(StageConfig):
    """Train the report autoencoder, and the tokenizer with it.

    Attributes:
        corpora: whose train split is learned; val comes from those that have one.
        network: sizes; its vocabulary is the most that the tokenizer may have.
        train: the loop.
    """

    kind: ClassVar[str] = "report-autoencoder"

    corpora: tuple[str, ...]
    train: LoopConfig
    network: AutoencoderConfig = field(default_factory=AutoencoderConfig)

    def run(self, workshop: Workshop) -> None:
        train, val = (
            [row.report for row in lessons(workshop, self.corpora, split) if row.report] for split in ("train", "val")
        )
        if not train or not val:
            raise RecipeError(f"{self.name}: {', '.join(self.corpora)} has no reports in train or in val; add some.")
        tokenizer = ReportTokenizer.train(train, self.network.vocabulary)
        with seeded(self.train.seed):
            autoencoder = replace(self.network, vocabulary=len(tokenizer)).build()
        parts = partial(excerpts, seed=self.train.seed)
        stage = AutoencoderStage(autoencoder, tokenizer, train, val, parts, self.train.seed)
        fit(stage, self.train, workshop.folder, name=self.name)

    def networks(self, stages: Mapping[str, StageConfig]) -> dict[str, nn.Module]:
        return {"autoencoder": self.network.build()}


@dataclass(frozen=True)
class TrainAlignment(StageConfig):
    """Train the prompt space.

    Attributes:
        corpora: whose train split is learned; val comes from those that have one.
        classifier: the stage whose classifier the image tower stands on.
        reports: the stage whose tokenizer reads reports.
        train: the loop.
        network: sizes; the vocabulary is the tokenizer's.
        variants: augmented copies of each training image beside the plain one.
        observed: weight of reading the observations from each vector.
    """

    kind: ClassVar[str] = "alignment"

    corpora: tuple[str, ...]
    classifier: str
    reports: str
    train: LoopConfig
    network: AlignmentConfig = field(default_factory=AlignmentConfig)
    variants: int = 1
    observed: float = 1.0

    def uses(self) -> dict[str, str]:
        return {"classifier": self.classifier, "reports": self.reports}

    def run(self, workshop: Workshop) -> None:
        tokenizer = ReportTokenizer.load(workshop.output(self.reports))
        train, val = tables(workshop, self.corpora, self.classifier, None, self.train.seed, self.variants)
        with seeded(self.train.seed):
            alignment = replace(self.network, vocabulary=len(tokenizer)).build()
        stage = AlignmentStage(alignment, tokenizer, train, val, self.observed)
        fit(stage, self.train, workshop.folder, name=self.name)

    def networks(self, stages: Mapping[str, StageConfig]) -> dict[str, nn.Module]:
        return named("alignment", self.network.build())


@dataclass(frozen=True)
class TrainDenoisers(StageConfig):
    """Train the denoisers.

    Attributes:
        corpora: whose train split is learned; val comes from those that have one.
        codec: the stage whose codebook vectors are the image latents.
        classifier, alignment, reports: the stages of the classifier, the prompt space and the report autoencoder.
        train: the loop.
        network: sizes; those that follow from the other stages are set from them.
        start: an earlier stage of denoisers to go on from.
        null: share of prompts that are left out.
        stored: how the weights are written; int8 takes half the space of bfloat16.
    """

    kind: ClassVar[str] = "denoisers"

    corpora: tuple[str, ...]
    codec: str
    classifier: str
    alignment: str
    reports: str
    train: LoopConfig
    network: DenoiserConfig = field(default_factory=DenoiserConfig)
    start: str | None = None
    null: float = 0.1
    stored: Literal["bfloat16", "int8"] = "bfloat16"

    def uses(self) -> dict[str, str]:
        named = {k: getattr(self, k) for k in ("codec", "classifier", "alignment", "reports")}
        return named | ({"start": self.start} if self.start else {})

    def run(self, workshop: Workshop) -> None:
        codec, transform = load_codec(workshop.output(self.codec))
        train, val = tables(workshop, self.corpora, self.classifier, self.codec, self.train.seed)
        with seeded(self.train.seed):
            model = self._begin(workshop, codec, codes_fingerprint(codec, transform), train.store.grid)
        lookup, decode = codec.quantiser.lookup, partial(decode_latents, codec)
        how: dict[str, Any] = {"null": self.null, "fresh": not self.start, "stored": self.stored}
        stage = DenoiserStage(model, lookup, decode, train, val, **how)
        fit(stage, self.train, workshop.folder, name=self.name)

    def networks(self, stages: Mapping[str, StageConfig]) -> dict[str, nn.Module]:
        alignment = origin(self.alignment, TrainAlignment, stages)
        reports = origin(self.reports, TrainReports, stages)
        denoisers = self.sizes(stages).build()
        return {**alignment.networks(stages), **reports.networks(stages), **named("denoisers", denoisers)}

    def sizes(self, stages: Mapping[str, StageConfig]) -> DenoiserConfig:
        """The sizes of the denoisers, by the stages that they stand on."""
        codec = origin(self.codec, TrainCodec, stages)
        alignment = origin(self.alignment, TrainAlignment, stages)
        reports = origin(self.reports, TrainReports, stages)
        return self._sized(codec.network, alignment.network, reports.network)

    def _sized(self, codec: CodecConfig, alignment: AlignmentConfig, reports: AutoencoderConfig) -> DenoiserConfig:
        """The sizes with those that follow from the other stages."""
        return replace(
            self.network, channels=codec.code_dim, slots=reports.slots, dim=reports.dim, prompt=alignment.width
        )

    def _begin(self, workshop: Workshop, codec: Codec, made_by: str, grid: tuple[int, int]) -> AnyToAny:
        """The model with its towers and autoencoder filled, and the denoisers of `start` if there is one."""
        seen_by = fingerprint(workshop.output(self.classifier))
        alignment, tokenizer = load_alignment(workshop.output(self.alignment), seen_by)
        autoencoder, writer = load_autoencoder(workshop.output(self.reports))
        if writer.vocabulary != tokenizer.vocabulary:
            raise RecipeError(
                f"{self.name}: `alignment` reads reports by another tokenizer than `reports` writes them by; name the "
                "stage of reports that the alignment was trained with."
            )
        sizes = replace(self._sized(codec.config, alignment.config, autoencoder.config), grid=grid)
        config = AnyToAnyConfig(alignment.config, autoencoder.config, sizes, made_by, seen_by)
        model = AnyToAny(config, tokenizer)
        model.alignment.load_state_dict(alignment.state_dict())
        model.autoencoder.load_state_dict(autoencoder.state_dict())
        if self.start:
            earlier = AnyToAny.load(workshop.output(self.start), made_by, seen_by)
            for key, ours, theirs in (
                ("alignment", alignment, earlier.alignment),
                ("reports", autoencoder, earlier.autoencoder),
            ):
                if not _same_weights(ours, theirs):
                    raise RecipeError(
                        f"{self.name}: the denoisers it starts from were trained with other {key}; give "
                        f"{self.name}.{key} what they were trained with, or leave out `start`."
                    )
            own, found = model.denoisers.state_dict(), earlier.denoisers.state_dict()
            wrong = [name for name in own if name not in found or own[name].shape != found[name].shape]
            if wrong or len(own) != len(found):
                where = f", at {wrong[0]}" if wrong else ""
                raise RecipeError(
                    f"{self.name}: the denoisers it starts from have other sizes{where}; give both the same."
                )
            model.denoisers.load_state_dict(found)
        return model


ROUNDING = 0.02
"""By how much weights may differ, of their norm, that are the same but stored with fewer bits."""


def _same_weights(ours: nn.Module, theirs: nn.Module) -> bool:
    """Whether two networks have the same weights, but for how they were stored."""
    own, found = ours.state_dict(), theirs.state_dict()
    if own.keys() != found.keys() or any(own[name].shape != found[name].shape for name in own):
        return False
    a, b = (torch.cat([state[name].float().flatten().cpu() for name in own]) for state in (own, found))
    return float((a - b).norm()) <= ROUNDING * float(a.norm())


@dataclass(frozen=True)
class TrainEnvironments(StageConfig):
    """Train what parts that are made together tell each other; minutes on a CPU.

    Attributes:
        corpora: whose train split is learned; val comes from those that have one.
        codec, classifier: the stages that the denoisers were trained with.
        start: the stage of denoisers, whose model gets the environments; any that it has are replaced.
        train: the loop.
        network: sizes.
        stored: how the weights are written; int8 takes half the space of bfloat16.
    """

    kind: ClassVar[str] = "environments"

    corpora: tuple[str, ...]
    codec: str
    classifier: str
    start: str
    train: LoopConfig
    network: EnvironmentConfig = field(default_factory=EnvironmentConfig)
    stored: Literal["bfloat16", "int8"] = "bfloat16"

    def uses(self) -> dict[str, str]:
        return {k: getattr(self, k) for k in ("codec", "classifier", "start")}

    def run(self, workshop: Workshop) -> None:
        codec, transform = load_codec(workshop.output(self.codec))
        made_by, seen_by = codes_fingerprint(codec, transform), fingerprint(workshop.output(self.classifier))
        earlier = AnyToAny.load(workshop.output(self.start), made_by, seen_by)
        train, val = tables(workshop, self.corpora, self.classifier, self.codec, self.train.seed)
        with seeded(self.train.seed):
            model = AnyToAny(replace(earlier.config, environments=self.network), earlier.tokenizer)
        known = {k: v for k, v in earlier.state_dict().items() if not k.startswith("environments.")}
        model.load_state_dict(model.state_dict() | known)
        stage = EnvironmentStage(model, codec.quantiser.lookup, train, val, stored=self.stored)
        fit(stage, self.train, workshop.folder, name=self.name)

    def networks(self, stages: Mapping[str, StageConfig]) -> dict[str, nn.Module]:
        denoisers = origin(self.start, TrainDenoisers, stages)
        return {
            **denoisers.networks(stages),
            **named("environments", self.network.build(denoisers.sizes(stages))),
        }


@torch.no_grad()
def decode_latents(codec: Codec, latents: Tensor) -> Tensor:
    """Pixels (b, 1, R, R) of image latents (b, c, h, w): each vector becomes its nearest code."""
    codes = codec.quantiser(latents.to(codec.quantiser.codebook.device)).codes
    return codec.decode(codes)


ANY_TO_ANY: dict[str, type[StageConfig]] = {
    c.kind: c for c in (TrainReports, TrainAlignment, TrainDenoisers, TrainEnvironments)
}
