from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from radloom.classifier.model import ClassifierConfig, ClinicalClassifier
from radloom.classifier.network import EfficientNetLite
from radloom.codec.losses import LossWeights, ReconstructionLoss
from radloom.codec.network import CodecConfig, codes_fingerprint, load_codec
from radloom.codec.stage import CodecStage
from radloom.corpora.images import XrayImages
from radloom.training import Clock, LoopConfig, fit

SMALL = CodecConfig((16, 16, 16), (1, 1, 1), (1, 1, 1), detail=16, codes=16, code_dim=8)
PLAIN = LossWeights(perceptual=0, clinical=0, phi=0, adversarial=0)
CONFIG = LoopConfig(steps=4, batch_size=4, learning_rate=1e-3, warmup=1)


@pytest.fixture
def full(xrays: dict[str, XrayImages]) -> CodecStage:
    """A stage with every loss."""
    torch.manual_seed(0)
    weights = LossWeights(adversarial_start=0.5, adversarial_ramp=0.25, crop=24, clinical_size=32)
    loss = ReconstructionLoss(weights, EfficientNetLite(), ClinicalClassifier(ClassifierConfig(size=32)))
    return CodecStage(SMALL.build(), loss, xrays["train"], xrays["val"])


def batch(stage: CodecStage) -> dict[str, torch.Tensor]:
    return stage.collate([stage.item(i, 0) for i in range(4)])


def with_gradient(module: torch.nn.Module) -> set[str]:
    return {name for name, p in module.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}


def test_each_loss_moves_its_own_network(full: CodecStage) -> None:
    codec, discriminator = full.modules["codec"], full.modules["adversarial"]
    torch.nn.init.normal_(codec.decoder[-2].weight)
    for block in codec.modules():  # residual branches begin at 0 and hide what is before them
        for name in ("conv2", "out"):
            if hasattr(block, name):
                torch.nn.init.normal_(getattr(block, name).weight, std=0.1)
    torch.nn.init.constant_(discriminator.layers[-1].bias, 3.0)  # else real and fake pull at it alike
    losses = full.losses(batch(full), Clock(step=7, steps=8, epoch=0))

    next(losses).total.backward()
    assert with_gradient(codec) == {name for name, _ in codec.named_parameters()}
    assert not with_gradient(discriminator)
    codec.zero_grad(set_to_none=True)

    next(losses).total.backward()
    assert not with_gradient(codec)
    assert with_gradient(discriminator) == {name for name, _ in discriminator.named_parameters()}
    assert all(p.requires_grad for p in discriminator.parameters())

    assert next(losses, None) is None
    assert not with_gradient(full.loss)


def test_discriminator_is_ramped_in(full: CodecStage) -> None:
    def weight(step: int) -> float | None:
        """Of the adversarial term, from the total."""
        torch.manual_seed(0)  # of the crop
        loss = next(full.losses(batch(full), Clock(step, 8, 0)))
        if "adversarial" not in loss.terms:
            return None
        torch.manual_seed(0)
        without = next(full.losses(batch(full), Clock(0, 8, 0)))
        return ((loss.total - without.total) / loss.terms["adversarial"]).item()

    full.modules["codec"].eval()
    full.modules["adversarial"].eval()
    with torch.no_grad():
        full.modules["adversarial"].layers[-1].bias.fill_(-3.0)  # logits far from 0, so that the division is sound
    assert [weight(step) for step in (0, 3)] == [None, None]
    assert [weight(step) for step in (4, 5, 6, 7)] == pytest.approx([0.0, 0.05, 0.1, 0.1], abs=1e-4)


def test_projected_discriminator_moves_apart_from_the_codec(xrays: dict[str, XrayImages]) -> None:
    torch.manual_seed(0)
    weights = LossWeights(perceptual=0, clinical=0, phi=0, adversarial=0, projected=0.5, adversarial_start=0, crop=32)
    stage = CodecStage(SMALL.build(), ReconstructionLoss(weights, EfficientNetLite()), xrays["train"], xrays["val"])
    codec, discriminator = stage.modules["codec"], stage.modules["projected"]
    losses = stage.losses(batch(stage), Clock(step=7, steps=8, epoch=0))
    first = next(losses)
    plain = first.terms["l1"] + first.terms["gradient"] + 0.25 * first.terms["commitment"]
    assert first.total.item() == pytest.approx((plain + 0.5 * first.terms["projected"]).item(), abs=1e-5)
    first.total.backward()
    assert with_gradient(codec) and not with_gradient(discriminator)
    codec.zero_grad(set_to_none=True)
    second = next(losses)
    assert set(second.terms) == {"projected/discriminator", "projected/real", "projected/fake"}
    second.total.backward()
    assert not with_gradient(codec) and not with_gradient(stage.loss)
    assert with_gradient(discriminator)
    assert next(losses, None) is None


def test_frozen_codes_stay_while_the_decoder_learns(xrays: dict[str, XrayImages], tmp_path: Path) -> None:
    torch.manual_seed(0)
    codec = SMALL.build()
    fit(CodecStage(codec, ReconstructionLoss(PLAIN), xrays["train"], xrays["val"]), CONFIG, tmp_path / "a")
    before, transform = load_codec(tmp_path / "a" / "model")
    stage = CodecStage(
        load_codec(tmp_path / "a" / "model")[0].freeze_codes(), ReconstructionLoss(PLAIN), xrays["train"], xrays["val"]
    )
    fit(stage, CONFIG, tmp_path / "b")
    after, _ = load_codec(tmp_path / "b" / "model")
    assert codes_fingerprint(before, transform) == codes_fingerprint(after, transform)
    pixels = torch.stack([xrays["val"][i] for i in range(4)])
    with torch.no_grad():
        codes = before.encode(pixels)
        assert torch.equal(codes, after.encode(pixels))
        assert not torch.equal(before.decode(codes), after.decode(codes))


def test_without_adversarial_weight_there_is_no_discriminator(xrays: dict[str, XrayImages]) -> None:
    stage = CodecStage(SMALL.build(), ReconstructionLoss(PLAIN), xrays["train"], xrays["val"])
    assert list(stage.modules) == ["codec"]
    assert set(stage.groups(CONFIG)) == {"codec"}
    (loss,) = stage.losses(batch(stage), Clock(7, 8, 0))
    assert set(loss.terms) == {"l1", "gradient", "commitment", "used_in_batch"}
    expected = loss.terms["l1"] + loss.terms["gradient"] + 0.25 * loss.terms["commitment"]
    assert loss.total.item() == pytest.approx(expected.item())


def test_items_are_named_by_study_and_file(full: CodecStage) -> None:
    assert full.items() == 12
    assert full.describe(0) == "made-up/s0 (0-frontal.png)"


def test_learns_to_reconstruct_and_writes_a_codec(xrays: dict[str, XrayImages], tmp_path: Path) -> None:
    torch.manual_seed(0)
    stage = CodecStage(SMALL.build(), ReconstructionLoss(PLAIN), xrays["train"], xrays["val"])
    before = scores(stage)
    fit(stage, LoopConfig(steps=40, batch_size=6, learning_rate=4e-3, warmup=5, precision="fp32"), tmp_path)
    after = scores(stage)
    assert after["psnr"] > before["psnr"] + 3
    assert after["ssim"] > before["ssim"]
    assert 0 < after["codebook_usage"] <= 1
    codec, transform = load_codec(tmp_path / "model")
    assert transform == xrays["train"].transform
    stage.modules["codec"] = codec
    assert scores(stage)["psnr"] == pytest.approx(after["psnr"], abs=0.5)  # stored in bfloat16


def scores(stage: CodecStage) -> dict[str, float]:
    with torch.no_grad():
        stage.modules["codec"].eval()
        return stage.evaluate()


def test_sample_shows_originals_above_reconstructions(xrays: dict[str, XrayImages]) -> None:
    stage = CodecStage(SMALL.build().eval(), ReconstructionLoss(PLAIN), xrays["train"], xrays["val"])
    with torch.no_grad():
        picture = stage.sample()
    assert picture is not None
    assert picture.shape == (2 * 36 + 4, 8 * 36 + 4)
    first = (xrays["val"][0][0].numpy() + 1) / 2
    assert abs(picture[4:36, 4:36] - first).max() < 1e-6


def test_frozen_networks_stay_as_they_are(full: CodecStage, tmp_path: Path) -> None:
    before = {k: v.clone() for k, v in full.loss.state_dict().items()}
    fit(full, CONFIG, tmp_path)
    assert all(torch.equal(before[k], v) for k, v in full.loss.state_dict().items())
    assert not any(m.training for m in (full.loss.imagenet, full.loss.classifier) if m)


def test_salient_cells_weigh_more_in_l1_and_commitment(xrays: dict[str, XrayImages]) -> None:
    """All of the weight on the left half, whose errors alone count then."""
    torch.manual_seed(0)
    codec = SMALL.build().eval()
    left = torch.tensor([[2.0, 0.0], [2.0, 0.0]])

    def terms(salient: Callable[[int], torch.Tensor] | None) -> dict[str, float]:
        stage = CodecStage(codec, ReconstructionLoss(PLAIN), xrays["train"], xrays["val"], salient)
        (loss,) = stage.losses(batch(stage), Clock(0, 8, 0))
        expected = loss.terms["l1"] + loss.terms["gradient"] + 0.25 * loss.terms["commitment"]
        assert loss.total.item() == pytest.approx(expected.item())
        return {name: term.item() for name, term in loss.terms.items()}

    plain, even, weighed = (terms(s) for s in (None, lambda _: torch.ones(2, 2), lambda _: left))
    assert even == pytest.approx(plain)
    pixels = torch.stack([xrays["train"][i] for i in range(4)])
    with torch.no_grad():
        output = codec(pixels)
    assert weighed["commitment"] == pytest.approx(output.commitment[:, :, 0].mean().item(), rel=1e-5)
    fade = torch.cat(
        [torch.full((8,), 2.0), torch.linspace(2, 0, 33)[1::2], torch.zeros(8)]
    )  # bilinear between centres
    assert weighed["l1"] == pytest.approx(((output.pixels - pixels).abs() * fade).mean().item(), rel=1e-5)
    assert weighed["gradient"] == pytest.approx(plain["gradient"])


def test_codes_are_taught_to_tell_what_the_classifier_sees(xrays: dict[str, XrayImages]) -> None:
    torch.manual_seed(0)
    weights = replace(PLAIN, distilled=0.5)
    loss = ReconstructionLoss(weights, classifier=ClinicalClassifier(ClassifierConfig(size=32)))
    stage = CodecStage(SMALL.build(), loss, xrays["train"], xrays["val"])
    codec, distiller = stage.modules["codec"], stage.modules["distiller"]
    (made,) = stage.losses(batch(stage), Clock(7, 8, 0))
    plain = made.terms["l1"] + made.terms["gradient"] + 0.25 * made.terms["commitment"]
    assert made.total.item() == pytest.approx((plain + 0.5 * made.terms["distilled"]).item())
    assert 0 < made.terms["distilled"].item() <= 2
    made.terms["distilled"].backward()
    assert with_gradient(distiller) == {name for name, _ in distiller.named_parameters()}
    assert any(name.startswith("encoder") for name in with_gradient(codec))
    assert not any(name.startswith("decoder") for name in with_gradient(codec))
    assert not with_gradient(stage.loss)
    assert set(stage.groups(CONFIG)) == {"codec", "distiller"}
