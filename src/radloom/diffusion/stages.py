"""Training of any-to-any: the prompt space, the report autoencoder, the denoisers, and their environments."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from radloom import checkpoint
from radloom.config import to_dict
from radloom.diffusion.alignment import Alignment, contrastive_loss, mixed, recall_at
from radloom.diffusion.autoencoder import ReportAutoencoder, token_f1
from radloom.diffusion.model import AnyToAny
from radloom.diffusion.sampling import STEPS, schedule
from radloom.diffusion.studies import StudyTable, observed, targets
from radloom.diffusion.text import PAD, ReportTokenizer, pad
from radloom.imaging import sheet
from radloom.reports.labeller import NAME as LABELLER
from radloom.reports.labeller import verdicts
from radloom.scores.classification import f1, f1_macro
from radloom.scores.names import score_name
from radloom.study import VIEWS, Mention, Part, Report, View
from radloom.training import Clock, LoopConfig, Loss, Stage, decay_groups

_Parts = dict[Part, dict[str, Tensor]]  # of each part: latent, prompt, told, there, step; rows are studies


class AlignmentStage(Stage):
    """Trains both towers on the pairs of each study's parts.

    Args:
        alignment: the towers.
        tokenizer: of reports.
        train, val: studies.
        observed: weight of reading the 14 observations from each vector.
    """

    def __init__(
        self, alignment: Alignment, tokenizer: ReportTokenizer, train: StudyTable, val: StudyTable, observed: float
    ) -> None:
        self.tokenizer, self.train, self.val, self.observed = tokenizer, train, val, observed
        self.modules = {"alignment": alignment}

    def groups(self, config: LoopConfig) -> dict[str, list[dict[str, Any]]]:
        return {"alignment": decay_groups(self.modules["alignment"], config.weight_decay)}

    def items(self) -> int:
        return len(self.train)

    def item(self, index: int, epoch: int) -> dict[str, Any]:
        return self._item(self.train, index, self.train.random(index, epoch))

    def _item(self, table: StudyTable, index: int, random: np.random.Generator | None) -> dict[str, Any]:
        """A study as tensors; without randomness its first images and its whole report."""
        picks = np.random.default_rng(0) if random is None else random
        images, there = [], []
        for part in VIEWS:
            path = table.path(index, part, picks) if random else next(iter(table.paths(index, part)), None)
            images.append(torch.zeros(4, 1280) if path is None else table.features(path, random))
            there.append(path is not None)
        texts = table.excerpts(index) or (Report(),)
        report = texts[picks.integers(len(texts))] if random and picks.random() < 0.5 else texts[0]
        ids = self.tokenizer.batch([report], self._alignment.config.longest)[0]
        seen, known = observed(table.rows[index])
        stated, sure = targets(report)
        return {
            "features": torch.stack(images),
            "there": torch.tensor([*there, bool(report)]),
            "ids": ids,
            "values": torch.stack([seen, seen, stated]),
            "known": torch.stack([known, known, sure]),
        }

    def lengths(self) -> Sequence[int]:
        return [len(self.tokenizer.encode(row.report)) for row in self.train.rows]

    def collate(self, items: list[Any]) -> dict[str, Any]:
        batch = {k: torch.stack([item[k] for item in items]) for k in items[0] if k != "ids"}
        return {**batch, "ids": pad([item["ids"].tolist() for item in items])}

    def describe(self, index: int, epoch: int = 0) -> str:
        return self.train.name(index)

    @property
    def _alignment(self) -> Alignment:
        module: Any = self.modules["alignment"]
        return getattr(module, "module", module)

    def _vectors(self, batch: dict[str, Any]) -> list[Tensor]:
        """Vectors of frontal views, lateral views and reports."""
        features = batch["features"]
        b = len(features)
        view = torch.arange(len(View), device=features.device).repeat_interleave(b)
        images, reports = self.modules["alignment"](features.transpose(0, 1).flatten(0, 1), view, batch["ids"])
        return [*images.split(b), reports]

    def losses(self, batch: dict[str, Any], clock: Clock) -> Iterator[Loss]:
        vectors, there = self._vectors(batch), batch["there"]
        contrast = contrastive_loss(vectors, there.T, self._alignment.scale)
        logits = self._alignment.observations(torch.stack(vectors, 1) * vectors[0].shape[1] ** 0.5)
        wrong = F.binary_cross_entropy_with_logits(logits, batch["values"], reduction="none")
        weight = (batch["known"] & there[..., None]).float()
        observed = (wrong * weight).sum() / weight.sum().clamp(min=1)
        scale = self._alignment.scale.detach()
        total = contrast + self.observed * observed
        yield Loss(total, {"contrastive": contrast, "observations": observed, "scale": scale})

    def evaluate(self) -> dict[str, float]:
        """Recall of the right one among all studies of val that have both, in every direction."""
        vectors: list[list[Tensor]] = [[], [], []]
        there = []
        for start in range(0, len(self.val), 64):
            picks = range(start, min(start + 64, len(self.val)))
            batch = self.collate([self._item(self.val, i, None) for i in picks])
            batch = {k: v.to(self._alignment.logit_scale.device) for k, v in batch.items()}
            for found, made in zip(vectors, self._vectors(batch), strict=True):
                found.append(made)
            there.append(batch["there"])
        has = torch.cat(there)
        parts = {part.value: torch.cat(found) for part, found in zip(Part, vectors, strict=True)}
        scores: dict[str, float] = {}
        for i, a in enumerate(parts):
            for j, b in enumerate(parts):
                both = has[:, i] & has[:, j]
                if i != j and both.any():
                    recalls = recall_at(parts[a][both], parts[b][both])
                    scores |= {f"recall@{k}[{a}->{b}]": v for k, v in recalls.items()}
        return scores

    def export(self, folder: Path) -> None:
        alignment = self._alignment
        config, texts = to_dict(alignment.config), self.tokenizer.files()
        checkpoint.save(folder, "alignment", config, alignment.state_dict(), beside=texts)


class AutoencoderStage(Stage):
    """Trains the report autoencoder on reports and excerpts of them.

    Args:
        autoencoder: the networks.
        tokenizer: of reports.
        train, val: reports.
        excerpts: of a report -> it and parts of it.
        seed: of which part is taken.
    """

    def __init__(
        self,
        autoencoder: ReportAutoencoder,
        tokenizer: ReportTokenizer,
        train: Sequence[Report],
        val: Sequence[Report],
        excerpts: Callable[[Report], Sequence[Report]],
        seed: int,
    ) -> None:
        self.tokenizer, self.train, self.val, self.excerpts, self.seed = tokenizer, train, val, excerpts, seed
        self.modules = {"autoencoder": autoencoder}

    def groups(self, config: LoopConfig) -> dict[str, list[dict[str, Any]]]:
        return {"autoencoder": decay_groups(self.modules["autoencoder"], config.weight_decay)}

    def items(self) -> int:
        return len(self.train)

    def item(self, index: int, epoch: int) -> list[int]:
        random = np.random.default_rng((self.seed, epoch, index))
        texts = self.excerpts(self.train[index])
        report = texts[int(random.integers(len(texts)))] if random.random() < 0.3 else texts[0]
        return list(self.tokenizer.batch([report], self._autoencoder.config.longest)[0].tolist())

    def lengths(self) -> Sequence[int]:
        return [len(self.tokenizer.encode(report)) for report in self.train]

    def collate(self, items: list[Any]) -> dict[str, Any]:
        return {"ids": pad(items)}

    def losses(self, batch: dict[str, Any], clock: Clock) -> Iterator[Loss]:
        total, terms = self.modules["autoencoder"](batch["ids"])
        yield Loss(total, terms)

    @property
    def _autoencoder(self) -> ReportAutoencoder:
        module: Any = self.modules["autoencoder"]
        return getattr(module, "module", module)

    def evaluate(self) -> dict[str, float]:
        """Nats a word; of reports written again from their latents, F1 of the words, and what the labeller reads."""
        network = self._autoencoder
        device = network.slots.device
        nats, lengths, words, found = [], [], [], []
        for start in range(0, len(self.val), 32):
            ids = self.tokenizer.batch(self.val[start : start + 32], network.config.longest).to(device)
            nats.append(float(network(ids)[1]["words"]))
            lengths.append(int((ids != PAD).sum()))
            again = network.write(network.encode(ids))
            words += [token_f1(a, b) for a, b in zip(ids.tolist(), again.tolist(), strict=True)]
            found += [verdicts(self.tokenizer.decode(row)) for row in again.tolist()]
        said, kept = np.array([verdicts(report) for report in self.val], object), np.array(found, object)
        positive = said == Mention.POSITIVE, kept == Mention.POSITIVE
        return {
            "nats": float(np.average(nats, weights=lengths)),
            "token_f1": float(np.mean(words)),
            score_name("f1_micro", "14 observations", LABELLER): f1(*positive).f1,
            score_name("f1_macro", "14 observations", LABELLER): f1_macro(*positive).f1,
            score_name("verdict_agreement", "14 observations", LABELLER): float((said == kept).mean()),
        }

    def export(self, folder: Path) -> None:
        network = self._autoencoder
        config, texts = to_dict(network.config), self.tokenizer.files()
        checkpoint.save(folder, "report-autoencoder", config, network.state_dict(), beside=texts)


class _LatentStage(Stage):
    """What stages on latents of studies have in common; each makes an `_item` of a study and the `_terms` of a batch.

    Attributes:
        model: a part of which is trained.
        train, val: studies.
        stored: how the weights are written.
    """

    model: AnyToAny
    train: StudyTable
    val: StudyTable
    stored: str

    @abstractmethod
    def _item(self, table: StudyTable, index: int, random: np.random.Generator) -> dict[str, Tensor]: ...

    @abstractmethod
    def _terms(self, batch: dict[str, Any], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """The mean loss of each part over studies that have it; noise is drawn by the generator, if there is one."""

    def groups(self, config: LoopConfig) -> dict[str, list[dict[str, Any]]]:
        return {name: decay_groups(module, config.weight_decay) for name, module in self.modules.items()}

    def items(self) -> int:
        return len(self.train)

    def item(self, index: int, epoch: int) -> dict[str, Tensor]:
        return self._item(self.train, index, self.train.random(index, epoch))

    def collate(self, items: list[Any]) -> dict[str, Any]:
        return {key: torch.stack([item[key] for item in items]) for key in items[0]}

    def describe(self, index: int, epoch: int = 0) -> str:
        return self.train.name(index)

    def losses(self, batch: dict[str, Any], clock: Clock) -> Iterator[Loss]:
        terms = self._terms(batch)
        there = {name: bool(batch[f"{name}/there"].any()) for name in terms}
        total = torch.stack(list(terms.values())).sum() / max(1, sum(there.values()))
        yield Loss(total, {name: value for name, value in terms.items() if there[name]})

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """The loss on val, with the same noise every time."""
        sums: dict[str, list[tuple[float, int]]] = {}
        [module] = self.modules.values()
        device = next(module.parameters()).device
        for start in range(0, len(self.val), 32):
            picks = range(start, min(start + 32, len(self.val)))
            batch = self.collate([self._item(self.val, i, self.val.random(i, 0)) for i in picks])
            terms = self._terms({k: v.to(device) for k, v in batch.items()}, torch.Generator().manual_seed(start))
            for name, value in terms.items():
                sums.setdefault(name, []).append((float(value), int(batch[f"{name}/there"].sum())))
        means = {name: np.array(pairs).T for name, pairs in sums.items()}
        return {f"loss[{name}]": float(np.average(x, weights=n)) for name, (x, n) in means.items() if n.any()}

    def export(self, folder: Path) -> None:
        self.model.save(folder, dtype=self.stored)


class DenoiserStage(_LatentStage):
    """Trains the denoisers.

    Multi-prompt training: a part is made from one of the other parts or several with drawn weights, never from itself;
    some of the time from nothing.

    Args:
        model: whose denoisers are trained; the rest of it is frozen.
        lookup: codes (b, h, w) -> image latents (b, c, h, w).
        decode: image latents -> pixels (b, 1, R, R), for sample pictures.
        train, val: studies.
        null: share of prompts that are left out.
        fresh: whether the statistics of latents are still to be taken.
        stored: how the weights are written.
    """

    def __init__(
        self,
        model: AnyToAny,
        lookup: Callable[[Tensor], Tensor],
        decode: Callable[[Tensor], Tensor],
        train: StudyTable,
        val: StudyTable,
        *,
        null: float = 0.1,
        fresh: bool = True,
        stored: str = "bfloat16",
    ) -> None:
        self.stored = stored
        self.model, self.lookup, self.decode = model.eval(), lookup, decode
        self.train, self.val, self.null = train, val, null
        self.noise = schedule()
        self.prompts = {id(table): _Prompts(model, table) for table in (train, val)}
        if fresh:
            self._measure()
        own = model.denoisers
        model.requires_grad_(False)
        own.requires_grad_(True)
        for part in VIEWS:
            own.image_denoiser(part).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster on a CPU
        self.modules = {"denoisers": own}

    def _measure(self) -> None:
        """Mean and spread of the latents of training studies."""
        own = self.model.denoisers
        picks = np.linspace(0, len(self.train) - 1, min(512, len(self.train))).astype(int)
        paths = [p for i in picks for part in VIEWS for p in self.train.paths(int(i), part)]
        images = torch.stack([image_latent(self.train, path, self.lookup) for path in paths])
        own.image_mean.copy_(images.mean((0, 2, 3))[:, None, None])
        own.image_std.copy_(images.std((0, 2, 3))[:, None, None].clamp(min=1e-3))
        reports = self.prompts[id(self.train)].latents
        own.report_mean.copy_(reports.mean(0))
        own.report_std.copy_(reports.std(0).clamp(min=1e-3))

    def _item(self, table: StudyTable, index: int, random: np.random.Generator) -> dict[str, Tensor]:
        prompts = self.prompts[id(table)]
        picked = {part: table.path(index, part, random) for part in VIEWS}
        there = {part: path is not None for part, path in picked.items()} | {Part.REPORT: prompts.has_report(index)}
        vectors = {part: prompts.image(path) for part, path in picked.items() if path}
        if there[Part.REPORT]:
            vectors[Part.REPORT] = prompts.report(index, random)
        item: dict[str, Tensor] = {}
        for part in Part:
            path = picked.get(part)
            if path:
                latent = image_latent(table, path, self.lookup)
            elif part is Part.REPORT and there[part]:
                latent = prompts.latents[prompts.place(index)]
            else:
                latent = torch.zeros(self.model.denoisers.shape(part))
            others = [v for other, v in vectors.items() if other is not part]
            told = bool(others) and random.random() >= self.null
            item[f"{part}/latent"] = latent
            item[f"{part}/prompt"] = _drawn_mixture(others, random) if told else torch.zeros(prompts.width)
            item[f"{part}/told"] = torch.tensor(told)
            item[f"{part}/there"] = torch.tensor(there[part])
            item[f"{part}/step"] = torch.tensor(int(random.integers(STEPS)))
        return item

    def _terms(self, batch: dict[str, Any], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        parts = {
            part: {k: batch[f"{part}/{k}"] for k in ("latent", "prompt", "told", "there", "step")} for part in Part
        }
        noise, noisy = {}, {}
        for part, p in parts.items():
            p["latent"] = self.model.denoisers.scaled(part, p["latent"])
            noise[part] = drawn_noise(p["latent"], generator)
            noisy[part] = self.noise.add_noise(p["latent"], noise[part], p["step"])
        terms: dict[str, Tensor] = {}
        for part, v in self._velocities(parts, noisy).items():
            p = parts[part]
            wrong = v.float() - self.noise.get_velocity(p["latent"], noise[part], p["step"])
            each = wrong.square().flatten(1).mean(1)
            terms[part.value] = (each * p["there"]).sum() / p["there"].sum().clamp(min=1)
        return terms

    def _velocities(self, parts: _Parts, noisy: dict[Part, Tensor]) -> dict[Part, Tensor]:
        """v of each part by itself; a study without it costs nothing.

        A part that no study of the batch has is denoised in one of them all the same: where several processes train,
        each has to use every network.
        """
        made = {}
        for part, p in parts.items():
            some = p["there"] if p["there"].any() else torch.arange(len(p["there"]), device=p["there"].device) == 0
            given = ({part: p[k][some]} for k in ("step", "prompt", "told"))
            found = self.modules["denoisers"]({part: noisy[part][some]}, *given)
            made[part] = torch.zeros_like(noisy[part]).index_put((some,), found[part].to(noisy[part].dtype))
        return made

    def sample(self) -> np.ndarray | None:
        """Frontal and lateral X-rays of eight reports of val."""
        table = self.prompts[id(self.val)]
        picks = [i for i in range(len(self.val)) if table.has_report(i)]
        picks = [picks[int(i)] for i in np.linspace(0, len(picks) - 1, min(8, len(picks)))]
        if not picks:
            return None
        prompts = torch.stack([table.report(i, None) for i in picks])
        told = torch.ones(len(picks), dtype=torch.bool)
        made = self.model.make(prompts, told, VIEWS, seeds=range(len(picks)), guidance=2.0)
        pixels = [self.decode(made[part]) for part in VIEWS]
        return sheet([(p[0].float().cpu().clamp(-1, 1).numpy() + 1) / 2 for x in pixels for p in x], columns=len(picks))


class EnvironmentStage(_LatentStage):
    """Trains what parts that are made together tell each other: of each noisy latent the prompt vector of its part.

    Args:
        model: with environments, which alone are trained.
        lookup: codes (b, h, w) -> image latents (b, c, h, w).
        train, val: studies.
        stored: how the weights are written.
    """

    def __init__(
        self,
        model: AnyToAny,
        lookup: Callable[[Tensor], Tensor],
        train: StudyTable,
        val: StudyTable,
        *,
        stored: str = "bfloat16",
    ) -> None:
        assert model.environments is not None
        self.model, self.lookup, self.train, self.val, self.stored = model.eval(), lookup, train, val, stored
        self.noise = schedule()
        self.prompts = {id(table): _Prompts(model, table) for table in (train, val)}
        for mean, part in zip(model.environments.means, Part, strict=True):
            mean.copy_(self.prompts[id(train)].mean(part))
        model.requires_grad_(False)
        self.modules = {"environments": model.environments.requires_grad_(True)}

    def _item(self, table: StudyTable, index: int, random: np.random.Generator) -> dict[str, Tensor]:
        """Of each part its scaled latent, its vector, whether the study has it and how noisy it will be."""
        prompts, own = self.prompts[id(table)], self.model.denoisers
        item: dict[str, Tensor] = {}
        for part in Part:
            latent, vector, there = torch.zeros(own.shape(part)), torch.zeros(prompts.width), True
            if part is Part.REPORT:
                if there := prompts.has_report(index):
                    latent, vector = prompts.latents[prompts.place(index)], prompts.report(index, None)
            elif path := table.path(index, part, random):
                latent, vector = image_latent(table, path, self.lookup), prompts.image(path)
            else:
                there = False
            item[f"{part}/latent"], item[f"{part}/vector"] = own.scaled(part, latent), vector
            item[f"{part}/there"] = torch.tensor(there)
            item[f"{part}/step"] = torch.tensor(int(random.integers(STEPS)))
        return item

    def _terms(self, batch: dict[str, Any], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """The squared error of each part's environments; a study without it costs nothing."""
        latents, step = ({part: batch[f"{part}/{key}"] for part in Part} for key in ("latent", "step"))
        noisy = {p: self.noise.add_noise(x, drawn_noise(x, generator), step[p]) for p, x in latents.items()}
        found: dict[Part, Tensor] = self.modules["environments"](noisy, step)
        terms = {}
        for part, e in found.items():
            there = batch[f"{part}/there"].float()
            wrong = (e.float() - batch[f"{part}/vector"]).square().sum(1)
            terms[part.value] = (wrong * there).sum() / there.sum().clamp(min=1)
        return terms


def drawn_noise(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Noise of the shape and on the device of a tensor, drawn by the generator, if there is one, wherever that is."""
    device = generator.device if generator else like.device
    return torch.randn(like.shape, generator=generator, device=device).to(like.device)


def image_latent(table: StudyTable, path: str, lookup: Callable[[Tensor], Tensor]) -> Tensor:
    """(c, h, w) latent of an image, not yet scaled."""
    codes = torch.from_numpy(table.store.codes(path)).view(1, *table.store.grid)
    return lookup(codes)[0].float()


class _Prompts:
    """Vectors of all images and excerpts of a table, and latents of its reports, computed once."""

    def __init__(self, model: AnyToAny, table: StudyTable) -> None:
        self.width = model.config.alignment.width
        self._image: dict[str, Tensor] = {}
        self._paths = {part: [path for i in range(len(table)) for path in table.paths(i, part)] for part in VIEWS}
        for part, paths in self._paths.items():
            for start in range(0, len(paths), 256):
                some = paths[start : start + 256]
                features = torch.stack([table.features(path) for path in some])
                self._image |= dict(zip(some, model.image_vectors(features, part.view).cpu(), strict=True))
        texts = [table.excerpts(i) for i in range(len(table))]
        self._rows = {i: n for n, i in enumerate(i for i, found in enumerate(texts) if found)}
        flat = [report for found in texts for report in found]
        vectors = torch.cat([model.report_vectors(flat[s : s + 64]).cpu() for s in range(0, len(flat), 64)])
        ends = np.cumsum([len(found) for found in texts]).tolist()
        self._texts = {i: vectors[ends[i] - len(texts[i]) : ends[i]] for i in self._rows}
        whole = [texts[i][0] for i in self._rows]
        longest = model.config.autoencoder.longest
        ids = [model.tokenizer.batch(whole[s : s + 64], longest).to(model.device) for s in range(0, len(whole), 64)]
        self.latents = torch.cat([model.autoencoder.encode(i).cpu() for i in ids])

    def has_report(self, index: int) -> bool:
        return index in self._rows

    def place(self, index: int) -> int:
        """Row of a study's latent."""
        return self._rows[index]

    def mean(self, part: Part) -> Tensor:
        """(width,) mean vector of all images of a view, or of all whole reports; 0 where there are none."""
        if part is Part.REPORT:
            found = [texts[0] for texts in self._texts.values()]
        else:
            found = [self._image[path] for path in self._paths[part]]
        return torch.stack(found).mean(0) if found else torch.zeros(self.width)

    def image(self, path: str) -> Tensor:
        """(width,) of an image."""
        return self._image[path]

    def report(self, index: int, random: np.random.Generator | None) -> Tensor:
        """(width,) of a study's report, or of an excerpt where one is drawn."""
        texts = self._texts[index]
        return texts[0 if random is None or random.random() < 0.4 else int(random.integers(len(texts)))]


def _drawn_mixture(vectors: Sequence[Tensor], random: np.random.Generator) -> Tensor:
    """One of the vectors, or several mixed with drawn weights."""
    kept = random.permutation(len(vectors))[: random.integers(1, len(vectors) + 1)]
    weights = random.dirichlet(np.ones(len(kept)))
    return mixed([vectors[i][None] for i in kept], [float(w) for w in weights])[0]
