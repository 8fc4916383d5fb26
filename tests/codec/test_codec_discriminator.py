import pytest
import torch

from radloom.codec.discriminator import PatchDiscriminator, hinge


def test_one_logit_for_each_patch_of_54_pixels() -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(8).eval()
    pixels = torch.zeros(1, 1, 128, 128, requires_grad=True)
    logits = discriminator(pixels)
    assert logits.shape == (1, 1, 16, 16)
    (gradient,) = torch.autograd.grad(logits[0, 0, 8, 8], pixels)
    seen = gradient[0, 0].nonzero()
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [54, 54]


def test_spectral_norm_bounds_every_layer() -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(8).train()
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.mul_(20)
        for _ in range(30):
            discriminator(torch.zeros(1, 1, 32, 32))
    for layer in discriminator.layers:
        if isinstance(layer, torch.nn.Conv2d):
            assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, rel=0.05)


def test_hinge_by_hand() -> None:
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 1.0])
    assert hinge(real, fake).item() == pytest.approx(0.5 * ((0 + 0.5) / 2 + (0 + 2) / 2))
    assert hinge(torch.tensor([1.0]), torch.tensor([-1.0])) == 0
