import pytest
import torch

from radloom.classifier.network import PYRAMID, EfficientNetLite
from radloom.codec.discriminator import PatchDiscriminator, ProjectedDiscriminator, hinge, mean_logit


def test_one_logit_for_each_patch_of_54_pixels() -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(8).eval()
    pixels = torch.zeros(1, 1, 128, 128, requires_grad=True)
    (logits,) = discriminator([pixels])
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
            discriminator([torch.zeros(1, 1, 32, 32)])
    for layer in discriminator.layers:
        if isinstance(layer, torch.nn.Conv2d):
            assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, rel=0.05)


def test_projected_discriminator_judges_every_level_and_never_trains_its_projections() -> None:
    torch.manual_seed(0)
    maps = EfficientNetLite().eval().pyramid(torch.randn(2, 3, 64, 64), 4)
    discriminator = ProjectedDiscriminator(PYRAMID[:4], 8)
    logits = discriminator(maps)
    assert [tuple(m.shape) for m in logits] == [(2, 1, side, side) for side in (32, 16, 8, 4)]
    discriminator.requires_grad_(True)
    assert not any("mixers" in name for name, _ in discriminator.named_parameters())
    assert sum("mixers" in name for name in discriminator.state_dict()) == 4  # but they are kept


def test_hinge_by_hand() -> None:
    real, fake = [torch.tensor([2.0, 0.5])], [torch.tensor([-3.0, 1.0])]
    by_hand = 0.5 * ((0 + 0.5) / 2 + (0 + 2) / 2)
    assert hinge(real, fake).item() == pytest.approx(by_hand)
    perfect = torch.tensor([1.0])
    assert hinge([perfect], [-perfect]) == 0
    assert hinge([*real, perfect], [*fake, -perfect]).item() == pytest.approx(by_hand / 2)  # scales count alike
    assert mean_logit([torch.ones(4), torch.full((1,), 3.0)]).item() == 2
