"""What the stages of any-to-any learn from: prompts, targets, gradients; and that a resumed run repeats itself."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from radloom.corpora.manifest import Manifest
from radloom.corpora.tokens import build
from radloom.diffusion.alignment import AlignmentConfig
from radloom.diffusion.model import AnyToAny
from radloom.diffusion.stages import AlignmentStage, DenoiserStage, EnvironmentStage, _drawn_mixture
from radloom.diffusion.studies import StudyTable, excerpts
from radloom.study import OBSERVATIONS, Mention, Part, Report
from radloom.training import Clock, LoopConfig, fit

CONFIG = LoopConfig(steps=4, batch_size=3, learning_rate=1e-3, warmup=1, ema=0.9, precision="fp32", log_every=1)


@pytest.fixture
def tables(corpus: Manifest, tmp_path: Path) -> Callable[[], list[StudyTable]]:
    """Train and val, with made-up codes and features."""

    def pixels(ref, variant: int) -> torch.Tensor:
        return torch.full((1, 64, 64), float(len(ref.path) % 7 + variant))

    def codes(x: torch.Tensor) -> torch.Tensor:
        return torch.arange(16).view(1, 4, 4).repeat(len(x), 1, 1)

    def features(x: torch.Tensor) -> torch.Tensor:
        return torch.randn(len(x), 4, 1280, generator=torch.Generator().manual_seed(int(x.sum())))

    def make() -> list[StudyTable]:
        found = []
        for split in ("train", "val"):
            rows = corpus.split(split)
            store = build(rows, {"codes": codes, "features": features}, pixels, tmp_path / split, "made-up")
            found.append(StudyTable(rows.rows, store, 0))
        return found

    return make


def denoisers(tables: list[StudyTable]) -> DenoiserStage:
    return DenoiserStage(tiny.make_any_to_any(), lookup, lambda x: x[:, :1], *tables)


def environments(tables: list[StudyTable]) -> EnvironmentStage:
    return EnvironmentStage(tiny.make_any_to_any(), lookup, *tables)


def lookup(codes: torch.Tensor) -> torch.Tensor:
    codebook = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.embedding(codes, codebook).permute(0, 3, 1, 2)


@pytest.mark.parametrize("stage_of", [denoisers, environments])
def test_what_is_trained_gets_a_gradient_and_what_is_frozen_none(tables, stage_of) -> None:
    stage = stage_of(tables())
    for step in range(6):  # prompts are left out at random
        batch = stage.collate([stage.item(i, step) for i in range(6)])
        next(stage.losses(batch, Clock(step, 6, step))).total.backward()
    moved = {name for name, p in stage.model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    [(own, module)] = stage.modules.items()
    assert moved == {f"{own}.{name}" for name, _ in module.named_parameters()}


def test_a_part_is_never_made_from_itself(tables) -> None:
    """In MedCoDi-M's code prompts of the target view leak into its own training."""
    stage = denoisers(tables())
    prompts = stage.prompts[id(stage.train)]
    for part in (Part.FRONTAL, Part.LATERAL):
        own = prompts.image(stage.train.paths(0, part)[0])
        for epoch in range(40):
            item = stage.item(0, epoch)
            if item[f"{part}/told"]:
                assert not torch.allclose(item[f"{part}/prompt"], own, atol=1e-4)


def test_prompts_are_of_one_part_or_mixed_and_sometimes_none(tables) -> None:
    stage = denoisers(tables())
    items = [stage.item(i, epoch) for epoch in range(60) for i in range(3)]
    told = np.mean([bool(item["frontal/told"]) for item in items])
    assert 0.8 < told < 0.97
    lateral = stage.prompts[id(stage.train)].image(stage.train.paths(0, Part.LATERAL)[0])
    alone = [torch.allclose(i["frontal/prompt"], lateral, atol=1e-5) for i in items[::3] if i["frontal/told"]]
    assert 0.1 < np.mean(alone) < 0.6


def test_mixture_is_a_unit_vector_between_its_parts() -> None:
    a, b = torch.eye(4)[0], torch.eye(4)[1]
    random = np.random.default_rng(0)
    mixtures = torch.stack([_drawn_mixture([a, b], random) for _ in range(200)])
    assert torch.allclose(mixtures.norm(dim=1), torch.ones(200), atol=1e-5)
    assert (mixtures >= 0).all() and not mixtures[:, 2:].any()
    pure = (mixtures[:, :2].max(1).values > 0.9999).float().mean()
    assert 0.3 < pure < 0.7


def test_each_part_is_as_noisy_as_it_happens(tables) -> None:
    apart = denoisers(tables())
    assert any(len({int(apart.item(i, 0)[f"{part}/step"]) for part in Part}) > 1 for i in range(6))


def test_latents_are_scaled_to_unit_variance_and_back(tables) -> None:
    stage = denoisers(tables())
    found = torch.stack([stage.item(i, 0)["frontal/latent"] for i in range(6)])
    latents = stage.model.denoisers.scaled(Part.FRONTAL, found)
    assert latents.mean((0, 2, 3)).abs().max() < 0.1
    assert torch.allclose(latents.std((0, 2, 3)), torch.ones(8), atol=0.1)
    assert torch.allclose(stage.model.denoisers.unscaled(Part.FRONTAL, latents), found, atol=1e-5)


def losses(folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "items_per_s"} for line in lines]


@pytest.mark.parametrize("stage_of", [denoisers, environments])
def test_resumed_training_repeats_the_uninterrupted_losses(tables, tmp_path: Path, stage_of) -> None:
    assert fit(stage_of(tables()), CONFIG, tmp_path / "whole")
    assert not fit(stage_of(tables()), CONFIG, tmp_path / "cut", stop_at=2)
    assert fit(stage_of(tables()), CONFIG, tmp_path / "cut")
    assert losses(tmp_path / "whole") == losses(tmp_path / "cut")
    whole, cut = (AnyToAny.load(tmp_path / name / "model").state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


@pytest.mark.parametrize("stage_of", [denoisers, environments])
def test_a_study_without_report_or_view_is_learned_from(tables, stage_of) -> None:
    train, val = tables()
    rows = list(train.rows)
    rows[0] = rows[0].__class__(**{**rows[0].__dict__, "report": Report()})
    rows[1] = rows[1].__class__(**{**rows[1].__dict__, "images": rows[1].images[:1]})
    stage = stage_of([StudyTable(rows, train.store, 0), val])
    batch = stage.collate([stage.item(i, 0) for i in range(3)])
    assert not batch["report/there"][0] and not batch["lateral/there"][1]
    loss = next(stage.losses(batch, Clock(0, 1, 0)))
    assert torch.isfinite(loss.total)


def test_an_environment_tells_its_part_from_noise_and_is_short_where_nothing_can_be_told(tables) -> None:
    stage = environments(tables())
    prompts = stage.prompts[id(stage.train)]  # what untrained towers and autoencoders find is always much the same
    prompts._texts = {i: torch.eye(32)[[i]] for i in prompts._texts}
    prompts.latents = torch.randn(prompts.latents.shape, generator=torch.Generator().manual_seed(0))
    stage.modules["environments"].means[list(Part).index(Part.REPORT)] = prompts.mean(Part.REPORT)
    optimizer = torch.optim.Adam(stage.modules["environments"].parameters(), lr=1e-2)
    for step in range(150):
        batch = stage.collate([stage.item(i, step) for i in range(6)])
        optimizer.zero_grad()
        loss = next(stage.losses(batch, Clock(step, 150, step)))
        loss.total.backward()
        optimizer.step()
    items = stage.collate([stage._item(stage.train, i, np.random.default_rng(0)) for i in range(6)])
    own = stage.modules["environments"]
    found = {}
    for level in (50, 999):
        noisy = stage.noise.add_noise(items["report/latent"], torch.randn(6, 4, 8), torch.full((6,), level))
        with torch.no_grad():
            found[level] = own.weighted({Part.REPORT: noisy}, {Part.REPORT: torch.full((6,), level)})[Part.REPORT]
    assert torch.nn.functional.cosine_similarity(found[50], items["report/vector"]).mean() > 0.9
    assert found[50].norm(dim=1).mean() > 0.8
    assert found[999].norm(dim=1).mean() < 0.5


def test_scores_of_environments_are_their_error_on_val(tables) -> None:
    stage = environments(tables())
    scores = stage.evaluate()
    assert set(scores) == {"loss[frontal]", "loss[lateral]", "loss[report]"}
    assert scores == stage.evaluate()
    with torch.no_grad():
        for parameter in stage.modules["environments"].parameters():
            parameter.zero_()
    assert all(score == pytest.approx(1, abs=1e-5) for score in stage.evaluate().values())


def test_alignment_trains_both_towers_and_brings_pairs_together(tables, tmp_path: Path) -> None:
    tokenizer = tiny.make_any_to_any().tokenizer
    torch.manual_seed(0)
    sizes = AlignmentConfig(len(tokenizer), width=32, text_width=32, text_layers=1, heads=2, longest=32, dropout=0.0)
    stage = AlignmentStage(sizes.build(), tokenizer, *tables(), observed=1.0)
    alignment = stage.modules["alignment"]
    batch = stage.collate([stage.item(i, 0) for i in range(6)])
    first = next(stage.losses(batch, Clock(0, 1, 0)))
    first.total.backward()
    untouched = {name for name, p in alignment.named_parameters() if p.grad is None or not p.grad.any()}
    assert untouched == set()
    alignment.zero_grad()
    assert fit(
        stage, LoopConfig(steps=30, batch_size=6, learning_rate=3e-3, warmup=1, precision="fp32"), tmp_path / "a"
    )
    done = json.loads((tmp_path / "a" / "done.json").read_text())
    assert {"recall@1[frontal->report]", "recall@10[report->lateral]"} <= set(done["scores"])
    last = next(stage.losses(batch, Clock(30, 30, 0)))
    assert last.total < first.total


def test_excerpts_are_parts_of_the_report_and_the_same_each_time() -> None:
    report = Report(findings="The heart is large. The lungs are clear. No effusion.", impression="Cardiomegaly.")
    found = excerpts(report, 0)
    assert found[:3] == (report, Report(findings=report.findings), Report(impression=report.impression))
    whole = f"{report.findings} {report.impression}"
    for excerpt in found[3:]:
        assert excerpt.findings and all(s in whole for s in excerpt.findings.split(". "))
        assert len(excerpt.findings) < len(whole)
    assert excerpts(report, 0) == found and len(excerpts(Report(findings="Clear."), 0)) == 1


def test_of_its_images_a_study_is_learned_by_its_own_labels(tables) -> None:
    tokenizer = tiny.make_any_to_any().tokenizer
    sizes = AlignmentConfig(len(tokenizer), width=32, text_width=32, text_layers=1, heads=2, longest=32, dropout=0.0)
    train, val = tables()
    heart, edema = OBSERVATIONS.index("Cardiomegaly"), OBSERVATIONS.index("Edema")
    listed = replace(train.rows[0], report=Report(), labels={"Cardiomegaly": Mention.POSITIVE})  # a list of classes
    written = replace(
        train.rows[1],
        report=Report(findings="The lungs are clear."),  # what else it said had a hole, and went
        labels={"Cardiomegaly": Mention.POSITIVE, "Edema": Mention.UNCERTAIN},
    )
    table = StudyTable([listed, written], train.store, 0)
    stage = AlignmentStage(sizes.build(), tokenizer, table, val, observed=1.0)
    for index, absent in ((0, False), (1, True)):
        item = stage.item(index, 0)
        for view in (0, 1):
            assert item["values"][view, heart] == 1 and item["known"][view, heart]
            assert not item["known"][view, edema]
            assert bool(item["known"][view, OBSERVATIONS.index("Fracture")]) is absent
    assert item["values"][2, heart] == 0 and item["known"][2, heart]  # the text that is left does not say it


def test_every_network_has_a_gradient_in_every_batch(tables) -> None:
    stage = denoisers(tables())
    batch = stage.collate([stage.item(i, 0) for i in range(3)])
    whole = next(stage.losses(batch, Clock(0, 1, 0)))
    batch["lateral/there"][:] = False
    torch.manual_seed(0)
    loss = next(stage.losses(batch, Clock(0, 1, 0)))
    loss.total.backward()
    assert set(whole.terms) == {"frontal", "lateral", "report"} and set(loss.terms) == {"frontal", "report"}
    assert float(loss.total) == pytest.approx(sum(map(float, loss.terms.values())) / 2)
    assert all(p.grad is not None for p in stage.modules["denoisers"].parameters())  # what several processes wait for


def test_a_score_on_val_counts_studies_not_batches(tables) -> None:
    train, _ = tables()
    rows = [replace(row, images=row.images[:1]) for row in train.rows]
    rows[-1] = train.rows[-1]  # one lateral view, in the last batch
    stage = denoisers([train, StudyTable(rows, train.store, 0)])
    each = {}

    def terms(batch, generator=None):
        n = int(batch["lateral/there"].sum())
        each.setdefault("lateral", []).append(n)
        return {"frontal": torch.tensor(1.0), "lateral": torch.tensor(5.0 if n else 0.0)}

    stage._terms = terms
    assert stage.evaluate() == {"loss[frontal]": 1.0, "loss[lateral]": 5.0}
