"""Saliency: finite differences agree with it, a patch that the classifier reads stands out, bad input is named."""

import numpy as np
import pytest
import torch

from radloom.classifier.model import ClassifierConfig
from radloom.classifier.saliency import CELL, SaliencyConfig, as_pixels, overlay, saliency
from radloom.errors import RadloomError, RecipeError
from radloom.study import OBSERVATIONS

METHODS = ["gradient", "grad-cam"]


@pytest.fixture
def classifier():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = ClassifierConfig(size=64).build().eval()
        for layer in model.network.modules():
            if isinstance(layer, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(layer.weight)
    return model


@pytest.fixture
def pixels():
    return torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("method", METHODS)
def test_saliency_is_positive_with_mean_1_and_image_by_image(classifier, pixels, method):
    classifier, pixels = classifier.double(), pixels.double()  # rounding must not push a ReLU over its edge
    cells = saliency(classifier, pixels, method=method)
    assert cells.shape == (3, 64 // CELL, 64 // CELL) and cells.dtype == torch.float32
    assert (cells >= 0).all()
    assert torch.allclose(cells.mean((1, 2)), torch.ones(3), atol=1e-5)
    alone = saliency(classifier, pixels[1:2], method=method)
    assert torch.allclose(alone[0], cells[1], atol=1e-4)
    assert all(p.grad is None for p in classifier.parameters())


def test_the_gradient_is_that_of_finite_differences(classifier, pixels):
    image = pixels[:1, :, :32, :32].double()
    double = classifier.double()
    double.config = ClassifierConfig(size=32)

    def found(x):
        maps = double.pyramid(x)[-1]
        return torch.nn.functional.softplus(double.head(maps.mean((2, 3)))[:, 1:14]).sum(1)

    steps = torch.zeros(256, 1, 32, 32, dtype=torch.double)  # one pixel of the upper left cell each
    for pixel in range(256):
        steps[pixel, 0, pixel // 16, pixel % 16] = 1e-6
    with torch.no_grad():
        gradient = (found(image + steps) - found(image)) / 1e-6
    cells = saliency(double, image)
    full = torch.autograd.grad(found(image.requires_grad_()).sum(), image)[0].abs()
    expected = gradient.abs().mean() / full.mean()
    assert cells[0, 0, 0].item() == pytest.approx(expected.item(), rel=1e-3)


def test_grad_cam_is_the_positive_part_of_weighted_maps(classifier, pixels):
    maps = classifier.pyramid(pixels[:1])[-1].detach().requires_grad_()
    logit = classifier.head(maps.mean((2, 3)))[:, 2]
    (gradient,) = torch.autograd.grad(torch.nn.functional.softplus(logit).sum(), maps)
    active = (gradient.mean((2, 3), keepdim=True) * maps).sum(1).relu().detach()
    expected = as_pixels(active, 4)[0]
    cells = saliency(classifier, pixels[:1], ["Cardiomegaly"], "grad-cam")[0]
    assert torch.allclose(cells, expected / expected.mean(), atol=1e-4)


def test_what_is_nowhere_is_even(classifier, pixels):
    torch.nn.init.zeros_(classifier.head.weight)
    assert torch.equal(saliency(classifier, pixels), torch.ones(3, 4, 4))


def test_other_observations_other_saliency(classifier, pixels):
    heart, lung = (saliency(classifier, pixels, [name]) for name in ("Cardiomegaly", "Lung Opacity"))
    assert not torch.allclose(heart, lung, atol=1e-3)


def test_bad_settings(classifier, pixels):
    with pytest.raises(RadloomError, match=r"no map of 'Cardiomegally'.*Cardiomegaly"):
        saliency(classifier, pixels, ["Cardiomegally"])
    with pytest.raises(RadloomError, match="Unknown method 'cam'; name one of: gradient, grad-cam"):
        saliency(classifier, pixels, method="cam")
    for share in (0.0, 1.5):
        with pytest.raises(RecipeError, match=r"saliency\.share"):
            SaliencyConfig("classifier", share)


def test_overlay_colours_what_is_salient_and_leaves_the_rest(classifier):
    cells = np.zeros((4, 4), np.float32)
    cells[1, 1] = 16
    image = np.full((64, 64), 0.5, np.float32)
    picture = overlay(image, cells)
    assert picture.shape == (64, 64, 3) and 0 <= picture.min() and picture.max() <= 1
    red, _, blue = picture[24, 24]
    assert red > blue + 0.2
    assert np.allclose(picture[56, 56], 0.5)


def test_default_observations_are_all_findings(classifier, pixels):
    assert torch.equal(saliency(classifier, pixels), saliency(classifier, pixels, OBSERVATIONS[1:]))
