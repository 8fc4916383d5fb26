import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from radloom.classifier.model import ClassifierConfig, ClinicalClassifier
from radloom.classifier.network import EfficientNetLite
from radloom.codec.losses import LossWeights, ReconstructionLoss, feature_distance, gradient_loss, load_lpips
from radloom.errors import MissingPackageError, RecipeError

TERMS = ("l1", "gradient", "perceptual", "clinical", "phi")
NONE = LossWeights(l1=0, gradient=0, perceptual=0, clinical=0, phi=0, crop=32, clinical_size=32)


@pytest.fixture(scope="module")
def networks() -> tuple[EfficientNetLite, ClinicalClassifier]:
    torch.manual_seed(0)
    imagenet, classifier = EfficientNetLite(), ClinicalClassifier(ClassifierConfig(size=32))
    with torch.no_grad():
        for network in (imagenet, classifier.network):  # batch statistics, so that features are not all but zero
            network.train()(torch.randn(4, 3, 48, 48))
            for module in network.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.momentum = None
                    module.reset_running_stats()
            network(torch.randn(4, 3, 48, 48))
    return imagenet, classifier


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.rand(2, 1, 48, 48, generator=generator) * 2 - 1 for _ in range(2))  # type: ignore[return-value]


def only(term: str, networks: tuple[EfficientNetLite, ClinicalClassifier], weight: float = 1.0) -> ReconstructionLoss:
    return ReconstructionLoss(replace(NONE, **{term: weight}), *networks)


@pytest.mark.parametrize("term", TERMS)
def test_each_term(term: str, networks, pair) -> None:  # type: ignore[no-untyped-def]
    x, y = pair
    loss = only(term, networks)
    torch.manual_seed(0)
    total, terms = loss(x, y)
    assert list(terms) == [term]  # a weight of 0 is not computed
    assert total == terms[term] > 0
    torch.manual_seed(0)
    assert loss(y, x)[0].item() == pytest.approx(total.item(), rel=1e-5)
    torch.manual_seed(0)
    assert loss(x, x)[0] == 0
    torch.manual_seed(0)
    assert only(term, networks, weight=2.5)(x, y)[0].item() == pytest.approx(2.5 * total.item(), rel=1e-5)


def test_total_is_the_weighted_sum_of_the_terms(networks, pair) -> None:  # type: ignore[no-untyped-def]
    weights = LossWeights(l1=1, gradient=2, perceptual=3, clinical=4, phi=5, crop=32, clinical_size=32)
    total, terms = ReconstructionLoss(weights, *networks)(*pair)
    assert tuple(terms) == TERMS
    assert total.item() == pytest.approx(sum(getattr(weights, k) * v.item() for k, v in terms.items()), rel=1e-5)


def test_constant_images_give_no_nan(networks) -> None:  # type: ignore[no-untyped-def]
    loss = ReconstructionLoss(LossWeights(crop=32, clinical_size=32), *networks)
    for value in (-1.0, 0.0, 1.0):
        output = torch.full((1, 1, 48, 48), value, requires_grad=True)
        total, _ = loss(torch.full((1, 1, 48, 48), -1.0), output)
        (gradient,) = torch.autograd.grad(total, output)
        assert total.isfinite()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("term", TERMS)
def test_gradient_reaches_the_output_and_no_network(term: str, networks, pair) -> None:  # type: ignore[no-untyped-def]
    x, y = pair
    loss = only(term, networks)
    before = {k: v.clone() for k, v in loss.state_dict().items()}
    output = y.clone().requires_grad_()
    loss(x, output)[0].backward()
    assert output.grad is not None
    assert output.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in loss.parameters())
    assert all(torch.equal(before[k], v) for k, v in loss.state_dict().items())  # batch statistics stay


@pytest.mark.parametrize("term", ["perceptual", "clinical", "phi", "lpips"])
def test_a_weight_without_its_network_is_an_error(term: str) -> None:
    with pytest.raises(RecipeError, match=term):
        ReconstructionLoss(replace(NONE, **{term: 1.0}))
    ReconstructionLoss(NONE)


class FakeLpips(torch.nn.Module):
    """Takes what the package's network takes: RGB in [-1, 1]; gives one distance an image."""

    def __init__(self, net: str, verbose: bool) -> None:
        super().__init__()
        assert (net, verbose) == ("vgg", False)
        self.scale = torch.nn.Parameter(torch.tensor(3.0))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        assert x.shape == y.shape == (2, 3, 32, 32)
        return self.scale * (x - y).square().mean((1, 2, 3), keepdim=True)


def test_lpips_where_its_weights_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pair) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "lpips", types.SimpleNamespace(LPIPS=FakeLpips))
    with pytest.raises(MissingPackageError, match=r"vgg16-397923af\.pth; put them there, or set loss\.lpips to 0"):
        load_lpips()
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "vgg16-397923af.pth").touch()
    loss = ReconstructionLoss(replace(NONE, lpips=2.0), lpips=load_lpips())
    x, y = (image[..., :32, :32] for image in pair)
    total, terms = loss(x, y)
    assert terms["lpips"].item() == pytest.approx(3 * (x - y).square().mean().item(), rel=1e-5)
    assert total.item() == pytest.approx(2 * terms["lpips"].item())
    assert not any(p.requires_grad for p in loss.parameters())


def test_lpips_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="pip install lpips"):
        load_lpips()


def test_gradient_loss_by_hand() -> None:
    x = torch.tensor([[[[0.0, 1.0], [0.0, 3.0]]]])
    assert gradient_loss(x, torch.zeros_like(x)).item() == pytest.approx((1 + 9) / 2 + (0 + 4) / 2)
    assert gradient_loss(x, x + 0.7).item() == pytest.approx(0, abs=1e-12)  # blind to brightness


def test_feature_distance_by_hand() -> None:
    right, up = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1), torch.tensor([0.0, 5.0]).view(1, 2, 1, 1)
    assert feature_distance([right], [up]).item() == pytest.approx(2, rel=1e-4)  # of unit vectors at right angles
    assert feature_distance([right], [7 * right]).item() == pytest.approx(0, abs=1e-4)  # blind to length
    assert feature_distance([right, right], [up, right]).item() == pytest.approx(1, rel=1e-4)  # mean over layers


def test_crop_is_random_and_the_same_in_both_images(networks) -> None:  # type: ignore[no-untyped-def]
    loss = ReconstructionLoss(replace(NONE, perceptual=1.0, crop=32), *networks)
    x = torch.zeros(1, 1, 64, 64)
    y = x.clone()
    y[..., :32, :] = torch.rand(32, 64)  # only the upper half differs
    torch.manual_seed(0)
    assert len({round(loss(x, y)[0].item(), 6) for _ in range(6)}) > 1
    assert all(loss(y, y)[0] == 0 for _ in range(6))
