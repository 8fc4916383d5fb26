"""The reader of sides and how it is fitted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from radloom.classifier.model import ClassifierConfig, ClinicalClassifier
from radloom.classifier.network import PYRAMID
from radloom.classifier.side_fitting import RIGHT, SideTable, fit_sides, side_scores, with_sides
from radloom.classifier.sides import BANDS, LEVEL, WIDTH, SideReader, halves
from radloom.corpora.manifest import ImageRef, Manifest, Row
from radloom.corpora.tokens import TokenStore
from radloom.study import SIDED, Report, Side, View

FINDINGS = 600


def made(seed: int = 0, strength: float = 3.0) -> SideTable:
    """Findings whose side is told by one feature of each half that has them."""
    random = torch.Generator().manual_seed(seed)
    features = torch.randn(FINDINGS, 2, WIDTH, generator=random)
    side = torch.randint(len(Side), (FINDINGS,), generator=random)
    features[side != 1, 0, 5] += strength * 2
    features[side != 0, 1, 5] += strength * 2
    observation = torch.randint(len(SIDED), (FINDINGS,), generator=random)
    return SideTable(features, observation, side, [f"p{i}" for i in range(FINDINGS)])


def test_the_patients_left_is_at_the_right_of_the_image() -> None:
    pyramid = [torch.zeros(1, channels, 14, 14) for channels in PYRAMID]
    pyramid[LEVEL][0, 3, :4, 12] = 1.0  # high up, at the right edge
    left, right = halves(pyramid)[0]
    assert left.view(PYRAMID[LEVEL], BANDS)[3].tolist() == [pytest.approx(4 / 35), pytest.approx(0), pytest.approx(0)]
    assert left.count_nonzero() == 1 and right.count_nonzero() == 0


def test_maps_of_any_size_have_halves() -> None:
    classifier = ClinicalClassifier(ClassifierConfig(size=48)).eval()
    with torch.no_grad():
        assert halves(classifier.pyramid(torch.zeros(2, 1, 32, 32))).shape == (2, 2, WIDTH)


def test_a_mirrored_chest_has_its_findings_on_the_other_side() -> None:
    reader = SideReader()
    torch.nn.init.zeros_(reader.apart.bias)
    features = torch.randn(3, 2, WIDTH)
    odds, mirrored = reader(features), reader(features.flip(1))
    assert odds.shape == (3, len(SIDED), len(Side))
    assert torch.allclose(odds[..., [1, 0, 2]], mirrored, atol=1e-5)


def test_what_the_halves_tell_is_read_of_others_too() -> None:
    reader = fit_sides(made(), penalty=0.3)
    scores = side_scores(reader, made(seed=1))
    assert scores["accuracy[side]"] > 0.85
    assert scores["share[side told]"] > 0.8 and scores["accuracy[side told]"] >= scores["accuracy[side]"]
    assert reader.apart.weight.abs().argmax() == 5


def test_a_side_is_told_where_two_thirds_are_right_and_of_noise_hardly_ever() -> None:
    table = made(strength=0.8)
    reader, other = fit_sides(table, penalty=1.0), made(seed=2, strength=0.8)
    scores = side_scores(reader, other)
    assert 0.1 < scores["share[side told]"] < 1
    assert scores["accuracy[side told]"] > RIGHT - 0.1 > scores["accuracy[side]"] - 0.1
    blind = replace(table, features=made(seed=3, strength=0).features)
    assert side_scores(fit_sides(blind, penalty=1.0), other)["share[side told]"] < 0.1


def test_the_fit_does_not_depend_on_the_order_or_on_which_side_is_which() -> None:
    table = made()
    reader = fit_sides(table, penalty=1.0)
    order = torch.randperm(FINDINGS, generator=torch.Generator().manual_seed(1))
    shuffled = SideTable(
        table.features[order], table.observation[order], table.side[order], [table.patients[i] for i in order]
    )
    mirrored = replace(table, features=table.features.flip(1), side=torch.tensor([1, 0, 2])[table.side])
    features = made(seed=4).features
    with torch.no_grad():
        assert torch.allclose(reader(features), fit_sides(shuffled, 1.0)(features), atol=1e-2)
        assert torch.allclose(reader(features), fit_sides(mirrored, 1.0)(features.flip(1))[..., [1, 0, 2]], atol=1e-2)


def test_only_what_is_certain_is_told_and_nothing_without_a_frontal_view() -> None:
    reader = SideReader()
    values = np.full((2, len(SIDED), 3), np.nan, np.float32)
    values[0] = [0.1, 0.0, 0.0]
    values[0, 1] = [0.0, 0.0, 3.0]
    likeliest = dict.fromkeys(SIDED, Side.LEFT) | {SIDED[1]: Side.BOTH}
    assert reader.likeliest(values) == [likeliest, {}]
    assert reader.told(values) == [{}, {}]
    reader.certain.fill_(0.8)
    assert reader.told(values) == [{SIDED[1]: Side.BOTH}, {}]


def row(uid: str, text: str, *views: View) -> Row:
    images = tuple(ImageRef(f"{uid}-{view}", view) for view in views)
    return Row(uid, f"p{uid}", "train", images, Report(text), corpus="made-up")


def test_a_table_has_the_findings_whose_side_reports_name(tmp_path: Path) -> None:
    rows = [
        row("1", "Small left pleural effusion. Bilateral opacities.", View.LATERAL, View.FRONTAL),
        row("2", "There is a pleural effusion.", View.FRONTAL),
        row("3", "Right pneumothorax.", View.LATERAL),
        row("4", "Fracture of a left rib.", View.FRONTAL),
        row("5", "Left atelectasis.", View.FRONTAL),
    ]
    kept = with_sides(Manifest(rows, tmp_path, "made-up"))
    assert [(one.uid, [ref.view for ref in one.images]) for one in kept] == [
        ("1", [View.FRONTAL]),
        ("5", [View.FRONTAL]),
    ]
    features = np.arange(2 * 2 * WIDTH, dtype=np.float16).reshape(2, -1) % 7
    store = TokenStore({"features": features}, {"5-frontal": [0], "1-frontal": [1]}, (0, 0), "")
    table = SideTable.of(list(kept), store)
    assert {
        (patient, SIDED[o], list(Side)[s])
        for patient, o, s in zip(table.patients, table.observation, table.side, strict=True)
    } == {
        ("made-up/p1", "Pleural Effusion", Side.LEFT),
        ("made-up/p1", "Lung Opacity", Side.BOTH),
        ("made-up/p5", "Atelectasis", Side.LEFT),
    }
    assert table.features[-1].flatten().tolist() == features[0].tolist()


def test_without_findings_nothing_is_told_or_scored() -> None:
    table = SideTable.of([], None)
    reader = fit_sides(table, penalty=1.0)
    assert side_scores(reader, table) == {} and len(table) == 0
    assert reader.told(np.zeros((1, len(SIDED), 3), np.float32)) == [{}]
