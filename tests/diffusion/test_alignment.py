import math

import pytest
import torch
import torch.nn.functional as F

from radloom.classifier.model import ClassifierConfig
from radloom.diffusion.alignment import AlignmentConfig, contrastive_loss, mixed, recall_at, regions

CONFIG = AlignmentConfig(vocabulary=50, width=32, text_width=32, text_layers=1, heads=2, longest=16)
ALL = torch.ones(6, dtype=torch.bool)


def vectors(seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(6, 8, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_contrastive_loss_is_that_of_the_formula() -> None:
    a, b, scale = vectors(0), vectors(1), torch.tensor(3.0)
    logits = 3.0 * a @ b.T
    rows = -(logits.diagonal() - logits.logsumexp(1)).mean()
    columns = -(logits.diagonal() - logits.logsumexp(0)).mean()
    assert contrastive_loss([a, b], [ALL, ALL], scale) == pytest.approx(float((rows + columns) / 2), rel=1e-5)


def test_contrastive_loss_is_symmetric_and_uses_its_temperature() -> None:
    a, b = vectors(0), vectors(1)
    one, two = torch.tensor(1.0), torch.tensor(20.0)
    torch.testing.assert_close(*(contrastive_loss(pair, [ALL, ALL], two) for pair in ([a, b], [b, a])))
    assert contrastive_loss([a, b], [ALL, ALL], one) != contrastive_loss([a, b], [ALL, ALL], two)
    assert contrastive_loss([a, b], [ALL, ALL], torch.tensor(1e-6)) == pytest.approx(math.log(6), abs=1e-4)


def test_perfect_alignment_scores_best() -> None:
    a, scale = vectors(0), torch.tensor(10.0)
    perfect = contrastive_loss([a, a, a], [ALL] * 3, scale)
    assert perfect < min(contrastive_loss([a, vectors(s)], [ALL, ALL], scale) for s in range(1, 20))
    assert perfect < contrastive_loss([a, a.roll(1, 0)], [ALL, ALL], scale)


def test_what_is_missing_neither_attracts_nor_repels() -> None:
    a, b, scale = vectors(0), vectors(1), torch.tensor(5.0)
    some = torch.tensor([True, True, True, False, True, False])
    changed = torch.where(some[:, None], b, -b)
    assert contrastive_loss([a, b], [ALL, some], scale) == contrastive_loss([a, changed], [ALL, some], scale)
    none = torch.zeros(6, dtype=torch.bool)
    assert contrastive_loss([a, b], [ALL, none], scale) == 0


def test_mixture_of_prompts() -> None:
    a, b = vectors(0), vectors(1)
    assert torch.allclose(mixed([a, b], [1.0, 0.0]), a, atol=1e-6)
    assert torch.allclose(mixed([a, b], [2.0, 2.0]), F.normalize(a + b, dim=1), atol=1e-6)
    assert torch.allclose(mixed([a, b], [1.0, 3.0]).norm(dim=1), torch.ones(6), atol=1e-6)
    assert mixed([a.to("meta"), b.to("meta")], [1.0, 2.0]).device.type == "meta"  # weights go where the vectors are


def test_recall_counts_the_right_one_and_ties_against_it() -> None:
    a = torch.eye(4)
    assert recall_at(a, a, (1,)) == {1: 1.0}
    assert recall_at(a, a.roll(1, 0), (1, 4)) == {1: 0.0, 4: 1.0}
    assert recall_at(a, torch.ones(4, 4), (1, 3, 4)) == {1: 0.0, 3: 0.0, 4: 1.0}


def test_towers_give_unit_vectors_that_depend_on_what_they_read() -> None:
    torch.manual_seed(0)
    alignment = CONFIG.build().eval()
    features, ids = torch.randn(2, 4, 1280), torch.tensor([[1, 7, 8, 2, 0, 0], [1, 9, 8, 7, 6, 2]])
    images, reports = alignment(features, torch.tensor([0, 0]), ids)
    assert torch.allclose(images.norm(dim=1), torch.ones(2), atol=1e-5)
    assert torch.allclose(reports.norm(dim=1), torch.ones(2), atol=1e-5)
    lateral, _ = alignment(features, torch.tensor([1, 1]), ids)
    assert not torch.allclose(images, lateral, atol=1e-4)
    mirrored, _ = alignment(features[:, [1, 0, 3, 2]], torch.tensor([0, 0]), ids)
    assert not torch.allclose(images, mirrored, atol=1e-6)


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    alignment = CONFIG.build().eval()
    short = torch.tensor([[1, 7, 8, 2]])
    long = torch.tensor([[1, 7, 8, 2, 0, 0, 0]])
    assert torch.allclose(alignment.reports(short), alignment.reports(long), atol=1e-5)


def test_regions_keep_left_and_right_apart() -> None:
    classifier = ClassifierConfig(size=64).build().eval()
    pixels = torch.zeros(1, 1, 64, 64)
    pixels[..., 32:] = 1
    found = regions(classifier, pixels)
    assert found.shape == (1, 4, 1280)
    whole = classifier.features(pixels)
    assert torch.allclose(found.mean(1), whole, atol=1e-4)
