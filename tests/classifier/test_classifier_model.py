from pathlib import Path

import pytest
import torch

from radloom.classifier.model import (
    OUTPUTS,
    ClassifierConfig,
    ClinicalClassifier,
    load_classifier,
    save_classifier,
    targets,
)
from radloom.errors import CheckpointError
from radloom.imaging import Transform
from radloom.study import OBSERVATIONS, Mention, View


@pytest.fixture
def model() -> ClinicalClassifier:
    torch.manual_seed(0)
    return ClassifierConfig(size=32).build().eval()


def by_name(labels: dict[str, Mention], **arguments: object) -> dict[str, tuple[float, float]]:
    """Output -> (target, weight)."""
    values, weights = targets(labels, **{"has_report": True, "view": View.FRONTAL} | arguments)  # type: ignore[arg-type]
    return dict(zip(OUTPUTS, zip(values.tolist(), weights.tolist(), strict=True), strict=True))


MENTIONED = {"Edema": Mention.POSITIVE, "Fracture": Mention.NEGATIVE, "Pneumonia": Mention.UNCERTAIN}


def test_targets_of_a_report() -> None:
    found = by_name(MENTIONED)
    assert found["Edema"] == (1, 1)
    assert found["Fracture"] == (0, 1)
    assert found["Pneumonia"][1] == 0  # uncertain
    assert found["Cardiomegaly"] == (0, 1)  # not mentioned counts as absent
    assert sum(weight for _, weight in found.values()) == 14


def test_targets_without_a_report() -> None:
    found = by_name(MENTIONED, has_report=False)
    assert found["Edema"] == (1, 1)
    assert found["Fracture"] == (0, 1)
    assert {name for name, (_, weight) in found.items() if weight} == {"Edema", "Fracture", "lateral"}


@pytest.mark.parametrize("view", list(View))
def test_view_is_always_known(view: View) -> None:
    for has_report in (False, True):
        assert by_name({}, has_report=has_report, view=view)["lateral"] == (view is View.LATERAL, 1)


def test_outputs_are_the_observations_and_the_view(model: ClinicalClassifier) -> None:
    assert OUTPUTS == (*OBSERVATIONS, "lateral")
    pixels = torch.rand(3, 1, 32, 32) * 2 - 1
    assert model(pixels).shape == (3, 15)
    probabilities = model.probabilities(pixels)
    assert ((probabilities > 0) & (probabilities < 1)).all()
    assert model.features(pixels).shape == (3, 1280)


def test_views_follow_the_last_output(model: ClinicalClassifier) -> None:
    torch.nn.init.zeros_(model.head.weight)
    pixels = torch.zeros(1, 1, 32, 32)
    for bias, view in ((2.0, View.LATERAL), (-2.0, View.FRONTAL)):
        torch.nn.init.constant_(model.head.bias, -bias)
        model.head.bias.data[-1] = bias
        assert model.views(pixels) == [view]


def test_images_of_any_side_are_scaled_to_the_training_size(model: ClinicalClassifier) -> None:
    smooth = torch.linspace(-1, 1, 64).expand(1, 1, 64, 64)
    maps = model.pyramid(smooth)
    assert [m.shape[-1] for m in maps] == [16, 8, 4, 2, 1]
    assert [m.shape[-1] for m in model.pyramid(smooth, 64)] == [32, 16, 8, 4, 2]


def test_dropout_only_in_training(model: ClinicalClassifier) -> None:
    pixels = torch.rand(2, 1, 32, 32)
    assert torch.equal(model(pixels), model(pixels))
    for module in model.modules():  # batch statistics aside
        module.training = module is model
    torch.nn.init.constant_(model.network._bn1.bias, 1.0)
    assert not torch.equal(model(pixels), model(pixels))


def test_fresh_head_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radloom.classifier.model.load_imagenet", lambda network: network)
    model = ClinicalClassifier.from_imagenet(ClassifierConfig(size=32)).eval()
    assert (model.probabilities(torch.rand(2, 1, 32, 32)) == 0.5).all()


def test_saved_and_loaded_whole(tmp_path: Path) -> None:
    model = ClassifierConfig(size=48, dropout=0.5).build()
    torch.manual_seed(1)
    for tensor in [*model.parameters(), *model.buffers()]:  # nothing stays at a value that a fresh network has too
        tensor.data.copy_(torch.rand(tensor.shape) * 100)
    save_classifier(model, Transform(64), tmp_path / "classifier")
    loaded, transform = load_classifier(tmp_path / "classifier")
    assert transform == Transform(64)
    assert loaded.config == ClassifierConfig(size=48, dropout=0.5)
    assert not loaded.training
    own = dict([*loaded.named_parameters(), *loaded.named_buffers()])  # with non-persistent buffers, if there were any
    assert own.keys() == model.state_dict().keys()
    for key, value in model.state_dict().items():
        assert torch.equal(own[key], value.bfloat16().float() if value.is_floating_point() else value), key


def test_a_codec_is_not_a_classifier(tmp_path: Path) -> None:
    from radloom.codec.network import CodecConfig, save_codec

    codec = CodecConfig((16, 16, 16), (1, 1, 1), (1, 1, 1), detail=16, codes=8, code_dim=4).build()
    save_codec(codec, Transform(32), tmp_path / "codec")
    with pytest.raises(CheckpointError, match="holds a 'codec' checkpoint; a 'classifier' is needed"):
        load_classifier(tmp_path / "codec")
