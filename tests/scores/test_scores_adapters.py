"""Every adapter with a stand-in for its package that has the real one's names and signatures: f1chexbert 0.0.2,
radgraph 0.1.18, green-score 0.0.12, bert-score 0.3.13, RaTEScore 0.6.0, torchxrayvision 1.5.7, torch-fidelity 0.4.0,
hi-ml-multimodal 0.2.2, and transformers' Auto classes.
"""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import importlib.util
import json
import socket
import subprocess
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn

from radloom.errors import RadloomError
from radloom.scores import adapters
from radloom.scores.adapters import IMAGES, TEXT, UnavailableError
from radloom.scores.adapters.foreign import foreign
from radloom.study import OBSERVATIONS, Mention

EVERY = (*TEXT, *IMAGES)
REFERENCES, HYPOTHESES = ["The heart is large.", "Clear lungs.", " No effusion. "], ["Large heart.", "", "No edema."]
PIXELS = np.stack([np.linspace(0, 1, 24 * 32, dtype=np.float32).reshape(1, 24, 32)] * 3)
BERT = ("config.json", "vocab.txt")
MODEL = (*BERT, "pytorch_model.bin")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Empty caches, and no way out of this machine."""

    def connect(self: object, address: object) -> None:
        pytest.fail(f"a connection to {address} was opened")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.2.3")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Puts a made-up package in place: `installed("package.module", name=object)`."""

    def install(name: str, **names: Any) -> None:
        parts = name.split(".")
        for i in range(1, len(parts) + 1):
            parent = ".".join(parts[:i])
            if getattr(sys.modules.get(parent), "made_up", False):
                continue
            module: Any = types.ModuleType(parent)
            module.__spec__, module.__path__, module.made_up = importlib.machinery.ModuleSpec(parent, None), [], True
            monkeypatch.setitem(sys.modules, parent, module)
        vars(sys.modules[name]).update(names)

    install("appdirs", user_cache_dir=lambda name: str(tmp_path / "cache" / name))
    return install


def touch(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def cache(tmp_path: Path, repository: str, *names: str, revision: str = "main") -> Path:
    """A repository in the hub's cache, as a download leaves it."""
    folder = tmp_path / "hub" / f"models--{repository.replace('/', '--')}"
    touch(folder / "refs" / revision, "c0ffee")
    for name in names:
        touch(folder / "snapshots" / "c0ffee" / name)
    return folder / "snapshots" / "c0ffee"


# -- there or not ----------------------------------------------------------------------------------------------------


def test_importing_the_adapters_imports_no_package() -> None:
    heavy = {adapter.package for adapter in EVERY} | {"torch", "appdirs", "huggingface_hub"}
    code = f"import sys, radloom.scores.adapters; print({heavy!r} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize("adapter", EVERY)
def test_unavailable_without_the_package(adapter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError) as raised:
        adapter.load()
    assert str(raised.value) == f"{adapter.name} needs the package {adapter.distribution}; run: {adapter.install}"
    assert "\n" not in str(raised.value)
    status = adapter.status()
    assert (status.name, status.available, status.detail) == (adapter.name, False, str(raised.value))


REMEDIES = {
    "chexbert": r"put chexbert\.pth of https://hf\.co/StanfordAIMI/RRG_scorers into .*cache.chexbert, and run: hf "
    "download bert-base-uncased$",
    "radgraph": r"unpack radgraph-xl\.tar\.gz of https://hf\.co/StanfordAIMI/RRG_scorers into "
    r".*cache.radgraph.1\.2\.3.radgraph-xl$",
    "ratescore": "run: hf download Angelakeke/RaTE-NER-Deberta, and run: hf download FremyCompany/BioLORD-2023-C$",
    "green": "run: hf download StanfordAIMI/GREEN-radllama2-7b$",
    "bertscore": "run: hf download distilbert-base-uncased$",
    "xrayvision": r"put nih-.*-best\.pt of https://github\.com/.*/v1 into .*\.torchxrayvision.models_data$",
    "rad-dino": "run: hf download microsoft/rad-dino$",
    "biovil-t": r"run: hf download microsoft/BiomedVLP-BioViL-T --revision v1\.0$",
    "inception": r"put weights-inception-2015-12-05-6726825d\.pth of https://.* into .*torch.checkpoints$",
}


@pytest.mark.parametrize("adapter", EVERY)
def test_unavailable_without_the_weights(adapter: Any, installed: Any) -> None:
    if adapter.package != "transformers":
        installed(adapter.package)  # has nothing in it: to use it would be an error of another kind
    with pytest.raises(UnavailableError, match=REMEDIES[adapter.name]) as raised:
        adapter.load()
    assert str(raised.value).startswith(f"{adapter.name} is without its weights; ")
    assert "\n" not in str(raised.value)
    assert not adapter.status().available


def test_statuses_name_every_adapter_once() -> None:
    found = adapters.statuses()
    assert [status.name for status in found] == [adapter.name for adapter in EVERY]
    assert set(REMEDIES) == {status.name for status in found}


def test_half_a_repository_is_not_enough(installed: Any, tmp_path: Path) -> None:
    installed("bert_score")
    cache(tmp_path, "distilbert-base-uncased", *BERT)
    assert adapters.BertScore.lack().endswith("run: hf download distilbert-base-uncased")
    cache(tmp_path, "distilbert-base-uncased", *MODEL)
    assert adapters.BertScore.status() == adapters.Status(
        "bertscore", True, "bert-score 1.2.3, distilbert-base-uncased"
    )


def test_a_package_that_lacks_another_one_is_unavailable(installed: Any, tmp_path: Path) -> None:
    def needy(**options: Any) -> None:
        raise ModuleNotFoundError("No module named 'pandas'")

    installed("bert_score", BERTScorer=needy)
    cache(tmp_path, "distilbert-base-uncased", *MODEL)
    with pytest.raises(
        UnavailableError, match=r"does not load \(ModuleNotFoundError: No module named 'pandas'\); run: "
    ):
        adapters.BertScore.load()


def test_weights_that_the_package_looks_for_elsewhere_are_not_fetched(installed: Any, tmp_path: Path) -> None:
    def downloads(**options: Any) -> None:
        socket.create_connection(("example.org", 443))

    installed("bert_score", BERTScorer=downloads)
    cache(tmp_path, "distilbert-base-uncased", *MODEL)
    with pytest.raises(UnavailableError, match=r"no network connection, and 'example\.org' was asked for"):
        adapters.BertScore.load()


def test_a_package_that_breaks_while_it_loads_is_an_error(installed: Any, tmp_path: Path) -> None:
    installed("bert_score", BERTScorer=lambda model: None)  # another signature
    cache(tmp_path, "distilbert-base-uncased", *MODEL)
    with pytest.raises(RadloomError, match=r"bertscore broke: TypeError: .*model_type") as raised:
        adapters.BertScore.load()
    assert not isinstance(raised.value, UnavailableError)


# -- texts -----------------------------------------------------------------------------------------------------------


SAID = {"The heart is large.": (1, 1), "Clear lungs.": (13, 1), "No effusion.": (9, 0), "": (0, -1)}


class F1CheXbert:
    target_names = (*OBSERVATIONS[1:], OBSERVATIONS[0])

    def __init__(self, refs_filename: Any = None, hyps_filename: Any = None, device: Any = None, **kwargs: Any) -> None:
        assert device in ("cpu", "cuda")
        self.asked: list[str] = []

    def get_label(self, report: str, mode: str = "rrg") -> list[Any]:
        assert mode == "classification"
        self.asked.append(report)
        labels: list[Any] = [""] * 14
        column, label = SAID[report]
        labels[column] = label
        return labels


def test_chexbert_labels_in_our_order(installed: Any, tmp_path: Path) -> None:
    installed("f1chexbert", F1CheXbert=F1CheXbert)
    touch(tmp_path / "cache" / "chexbert" / "chexbert.pth")
    cache(tmp_path, "bert-base-uncased", *BERT)
    labeller = adapters.CheXbert.load()
    rows = labeller.label([*REFERENCES, "", REFERENCES[0]])
    said = [{o: m for o, m in zip(OBSERVATIONS, row, strict=True) if m} for row in rows]
    assert said == [
        {"Cardiomegaly": Mention.POSITIVE},
        {"No Finding": Mention.POSITIVE},
        {"Pleural Effusion": Mention.NEGATIVE},
        {"Enlarged Cardiomediastinum": Mention.UNCERTAIN},
        {"Cardiomegaly": Mention.POSITIVE},
    ]
    assert labeller._labeller.asked == ["The heart is large.", "Clear lungs.", "No effusion.", ""]  # each text once


def radgraph_package(installed: Any, tmp_path: Path) -> type:
    class F1RadGraph:
        def __init__(self, reward_level: str, model_type: str | None = None, **kwargs: Any) -> None:
            assert (reward_level, model_type, kwargs) == ("all", "radgraph-xl", {})
            print("Using device: cpu")

        def __call__(self, refs: list[str], hyps: list[str]) -> tuple[Any, ...]:
            assert refs == ["The heart is large.", "Clear lungs.", "No effusion."]
            assert hyps == ["Large heart.", "", "No edema."]
            rewards = [1.0, 0.0, 0.5], [0.5, 0.0, 0.25], [0.25, 0.0, 0.125]
            return tuple(map(np.mean, rewards)), rewards, [{}, {}], [{}, {}]

    installed("radgraph", F1RadGraph=F1RadGraph)
    folder = tmp_path / "cache" / "radgraph" / "1.2.3" / "radgraph-xl"
    config = {"dataset_reader": {"token_indexers": {"bert": {"model_name": "some/bert"}}}}
    touch(folder / "config.json", json.dumps(config))
    touch(folder / "weights.th")
    return F1RadGraph


def test_radgraph_gives_its_three_rewards(installed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    radgraph_package(installed, tmp_path)
    config = tmp_path / "cache" / "radgraph" / "1.2.3" / "radgraph-xl" / "config.json"
    whole = config.read_text()
    for broken in ("{", "{}"):
        config.write_text(broken)
        assert adapters.RadGraph.lack().startswith("radgraph does not load (")
    config.write_text(whole)
    assert adapters.RadGraph.lack().endswith("run: hf download some/bert")  # its tokenizer, named by its config
    cache(tmp_path, "some/bert", *BERT)
    scores = adapters.RadGraph.load().score(REFERENCES, HYPOTHESES)
    assert {name: values.tolist() for name, values in scores.items()} == {
        "radgraph_e": [1, 0, 0.5],
        "radgraph_er": [0.5, 0, 0.25],
        "radgraph_er_bar": [0.25, 0, 0.125],
    }
    assert capsys.readouterr() == ("", "Using device: cpu\n")


def test_green_takes_scores_and_makes_no_summary(installed: Any, tmp_path: Path) -> None:
    class GREEN:
        def __init__(
            self, model_name: Any = None, output_dir: str = ".", cpu: bool = False, compute_summary_stats: bool = True
        ) -> None:
            assert (model_name, cpu) == ("StanfordAIMI/GREEN-radllama2-7b", not torch.cuda.is_available())
            assert not compute_summary_stats  # it would load one more model

        def __call__(self, refs: list[str], hyps: list[str]) -> tuple[Any, ...]:
            assert (refs[0], hyps[0]) == ("The heart is large.", "Large heart.")
            return None, None, [0.5, 0, 1 / 3], None, object()

    installed("green_score", GREEN=GREEN)
    cache(tmp_path, "StanfordAIMI/GREEN-radllama2-7b", "config.json", "tokenizer.model", "model.safetensors.index.json")
    assert adapters.Green.load().score(REFERENCES, HYPOTHESES)["green"].tolist() == [0.5, 0, 1 / 3]


def test_green_wants_one_gpu(installed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed("green_score", GREEN=None)
    cache(tmp_path, adapters.Green.weights, *MODEL)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UnavailableError, match="set CUDA_VISIBLE_DEVICES to one of them"):
        adapters.Green.load()


def bert_score(installed: Any, tmp_path: Path, f1: Any) -> adapters.BertScore:
    class BERTScorer:
        def __init__(self, model_type: str | None = None, device: str | None = None, lang: Any = None) -> None:
            assert model_type == "distilbert-base-uncased"

        def score(self, cands: list[str], refs: list[str], verbose: bool = False, batch_size: int = 64) -> Any:
            assert (cands[0], refs[0]) == ("Large heart.", "The heart is large.")
            if isinstance(f1, Exception):
                raise f1
            return torch.tensor([9.0]), torch.tensor([9.0]), f1

    installed("bert_score", BERTScorer=BERTScorer)
    cache(tmp_path, "distilbert-base-uncased", *MODEL)
    return adapters.BertScore.load()


def test_bertscore_takes_f1(installed: Any, tmp_path: Path) -> None:
    scores = bert_score(installed, tmp_path, torch.tensor([0.5, 0.0, 0.75])).score(REFERENCES, HYPOTHESES)
    assert scores["bertscore_f1"].tolist() == [0.5, 0, 0.75]
    assert adapters.BertScore.weights == "distilbert-base-uncased"


def test_ratescore_keeps_a_report_without_sentences_in_its_place(installed: Any, tmp_path: Path) -> None:
    class RaTEScore:
        def __init__(
            self, bert_model: str, eval_model: str, batch_size: int = 1, use_gpu: bool = True, affinity_matrix: str = ""
        ) -> None:
            assert (bert_model, eval_model) == ("Angelakeke/RaTE-NER-Deberta", "FremyCompany/BioLORD-2023-C")
            assert use_gpu == torch.cuda.is_available()

        def compute_score(self, candidate_list: list[str], reference_list: list[str]) -> list[float]:
            assert all(candidate_list) and all(reference_list)
            return [{"Large heart.": 0.25, "No edema.": 0.75}[text] for text in candidate_list]

    def sentence_split(text_list: list[str]) -> tuple[list[str], list[int]]:
        return [text for text in text_list if text], [1 for text in text_list if text]

    installed("RaTEScore", RaTEScore=RaTEScore)
    installed("RaTEScore.utils", sentence_split=sentence_split)
    cache(tmp_path, "Angelakeke/RaTE-NER-Deberta", *MODEL)
    cache(tmp_path, "FremyCompany/BioLORD-2023-C", *MODEL)
    assert adapters.RateScore.load().score(REFERENCES, HYPOTHESES)["ratescore"].tolist() == [0.25, 0.5, 0.75]


# -- images ----------------------------------------------------------------------------------------------------------


def test_xrayvision_sees_a_square_in_its_range(installed: Any, tmp_path: Path) -> None:
    seen: list[Tensor] = []

    class DenseNet(nn.Module):
        targets = ("Atelectasis", "Infiltration", "Effusion", "Pleural_Thickening", "Cardiomegaly", "Nodule")

        def __init__(self, weights: str | None = None, cache_dir: str | None = None) -> None:
            super().__init__()
            assert weights == "densenet121-res224-all"

        def features2(self, x: Tensor) -> Tensor:
            seen.append(x)
            return x.mean((2, 3)).expand(-1, 1024)

        def forward(self, x: Tensor) -> Tensor:
            return torch.arange(6.0).expand(len(x), 6) / 10

    installed("torchxrayvision.models", DenseNet=DenseNet)
    touch(
        tmp_path / ".torchxrayvision" / "models_data" / "nih-pc-chex-mimic_ch-google-openi-kaggle-densenet121-d121-tw-"
        "lr001-rot45-tr15-sc15-seed0-best.pt"
    )
    network = adapters.XRayVision.load()
    stripes = np.zeros((2, 1, 24, 32), np.float32)
    stripes[..., 8:24] = 1
    stripes[..., :4] = stripes[..., 28:] = 0.5  # outside of the square
    assert network.features(stripes).shape == (2, 1024)
    assert (seen[0].shape, seen[0].dtype) == ((2, 1, 224, 224), torch.float32)
    assert (seen[0].min().item(), seen[0].max().item()) == (-1024, 1024)
    assert not torch.isclose(seen[0], torch.tensor(0.0)).any()
    assert network.observations == ("Cardiomegaly", "Atelectasis", "Pleural Effusion")
    np.testing.assert_allclose(network.probabilities(stripes), [[0.4, 0.0, 0.2]] * 2, atol=1e-7)


def test_inception_sees_bytes_in_rgb(installed: Any, tmp_path: Path) -> None:
    weights = touch(tmp_path / "torch" / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth")
    seen: list[Tensor] = []

    class FeatureExtractorInceptionV3(nn.Module):
        def __init__(
            self, name: str, features_list: list[str], feature_extractor_weights_path: str | None = None, **kwargs: Any
        ) -> None:
            super().__init__()
            assert (name, features_list) == ("inception-v3-compat", ["2048"])
            assert feature_extractor_weights_path == str(weights)

        def forward(self, x: Tensor) -> tuple[Tensor]:
            seen.append(x)
            return (torch.ones(len(x), 2048),)

    installed("torch_fidelity.feature_extractor_inceptionv3", FeatureExtractorInceptionV3=FeatureExtractorInceptionV3)
    many = np.repeat(PIXELS, 7, axis=0)
    assert adapters.Inception.load().features(torch.from_numpy(many)).shape == (21, 2048)
    assert [x.shape for x in seen] == [(16, 3, 24, 32), (5, 3, 24, 32)]  # it scales to 299 x 299 itself
    assert seen[0].dtype == torch.uint8
    assert (seen[0].min().item(), seen[0].max().item()) == (0, 255)


class Batch(dict[str, Tensor]):
    def to(self, device: str) -> Batch:
        return self


def test_rad_dino_takes_the_class_token(installed: Any, tmp_path: Path) -> None:
    cache(tmp_path, "microsoft/rad-dino", "config.json", "preprocessor_config.json", "model.safetensors")
    shown: list[Any] = []

    def processor(images: list[Any], return_tensors: str) -> Batch:
        assert return_tensors == "pt"
        shown.extend(images)
        return Batch(pixel_values=torch.zeros(len(images), 3, 518, 518))

    class Network(nn.Module):
        def forward(self, pixel_values: Tensor) -> Any:
            tokens = torch.arange(2.0).view(1, 2, 1).expand(len(pixel_values), 2, 768)
            return types.SimpleNamespace(last_hidden_state=tokens)

    def make(thing: Any) -> Any:
        def from_pretrained(name: str, **options: Any) -> Any:
            assert (name, options) in [("microsoft/rad-dino", {}), ("microsoft/rad-dino", {"backend": "pil"})]
            assert huggingface_hub.constants.is_offline_mode()
            return thing

        return types.SimpleNamespace(from_pretrained=from_pretrained)

    installed(
        "transformers",
        AutoImageProcessor=make(processor),
        AutoModel=make(Network()),
        PreTrainedTokenizerBase=type("PreTrainedTokenizerBase", (), {}),
    )
    features = adapters.RadDino.load().features(PIXELS)
    assert not huggingface_hub.constants.is_offline_mode()
    assert (features.shape, features.any()) == ((3, 768), False)
    assert {(picture.mode, picture.size, picture.getextrema()) for picture in shown} == {
        ("RGB", (32, 24), ((0, 255),) * 3)
    }


def test_biovil_compares_images_with_texts(installed: Any, tmp_path: Path) -> None:
    repository = "microsoft/BiomedVLP-BioViL-T"
    file = "biovil_t_image_model_proj_size_128.pt"
    folder = cache(tmp_path, repository, *MODEL, file, revision="v1.0")
    side = types.SimpleNamespace(RESNET50_MULTI_IMAGE="resnet50_multi_image")

    class ImageModel(nn.Module):
        def __init__(
            self,
            img_encoder_type: str,
            joint_feature_size: int,
            freeze_encoder: bool = False,
            pretrained_model_path: Any = None,
        ) -> None:
            super().__init__()
            assert (img_encoder_type, joint_feature_size) == ("resnet50_multi_image", 128)
            assert pretrained_model_path == folder / file  # it would download if it looked itself

        def forward(self, x: Tensor) -> Any:
            assert x.shape == (3, 3, 448, 448)
            return types.SimpleNamespace(projected_global_embedding=3 * torch.eye(128)[:3])

    def transform(picture: Any) -> Tensor:
        assert (picture.mode, picture.getextrema()) == ("L", (0, 255))
        return torch.zeros(3, 448, 448)

    def create_chest_xray_transform_for_inference(resize: int, center_crop_size: int) -> Any:
        assert (resize, center_crop_size) == (512, 448)
        return transform

    class TextInferenceEngine:
        model = nn.Identity()

        def get_embeddings_from_prompt(
            self, prompts: list[str], normalize: bool = True, verbose: bool = True
        ) -> Tensor:
            assert normalize and not verbose
            return torch.eye(128)[: len(prompts)]

    installed("health_multimodal.image.model", ImageModel=ImageModel, ImageEncoderType=side)
    installed("health_multimodal.image.data.io", remap_to_uint8=lambda array: array)
    installed(
        "health_multimodal.image.data.transforms",
        create_chest_xray_transform_for_inference=create_chest_xray_transform_for_inference,
    )
    installed("health_multimodal.text", get_bert_inference=TextInferenceEngine)
    network = adapters.BioVilT.load()
    np.testing.assert_allclose(network.similarity(PIXELS, ["One.", "Two."]), [[1, 0], [0, 1], [0, 0]])
    with pytest.raises(RadloomError, match="no text"):
        network.similarity(PIXELS, [])


# -- what breaks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f1", "complaint"),
    [
        (torch.tensor([0.5, 0.5]), r"bertscore gave bertscore_f1 of shape \(2,\), not \(3\)"),
        (torch.ones(3, 1), r"bertscore gave bertscore_f1 of shape \(3, 1\)"),
        (torch.tensor([0.5, float("nan"), 0.5]), "bertscore gave bertscore_f1 that hold NaN"),
        ([0.5, None, 0.5], "bertscore gave bertscore_f1 that hold NaN"),
        (["a", "b", "c"], "bertscore gave bertscore_f1 that are not numbers"),
        (KeyError("entities"), "bertscore broke: KeyError: 'entities'; mend its package"),
    ],
)
def test_a_broken_text_adapter_is_an_error(installed: Any, tmp_path: Path, f1: Any, complaint: str) -> None:
    with pytest.raises(RadloomError, match=complaint):
        bert_score(installed, tmp_path, f1).score(REFERENCES, HYPOTHESES)


def test_a_broken_labeller_is_an_error(installed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed("f1chexbert", F1CheXbert=F1CheXbert)
    touch(tmp_path / "cache" / "chexbert" / "chexbert.pth")
    cache(tmp_path, "bert-base-uncased", *BERT)
    labeller = adapters.CheXbert.load()
    for given, complaint in [
        ([[None] * 14], "chexbert gave 1 rows of labels, not 3 of 14"),
        ([[None] * 13] * 3, "chexbert gave 3 rows of labels, not 3 of 14"),
        ([["yes"] * 14] * 3, "chexbert gave labels that mean nothing: ..'yes'"),
    ]:
        monkeypatch.setattr(labeller, "_label", lambda texts, given=given: given)
        with pytest.raises(RadloomError, match=complaint):
            labeller.label(REFERENCES)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (torch.ones(2, 2048), r"inception gave features of shape \(2, 2048\), not \(3, any\)"),
        (torch.ones(3, 0), r"inception gave features of shape \(3, 0\)"),
        (torch.full((3, 2048), torch.inf), "inception gave features that hold NaN or infinity"),
        (None, "inception broke: AttributeError"),
    ],
)
def test_a_broken_image_adapter_is_an_error(installed: Any, tmp_path: Path, given: Any, complaint: str) -> None:
    class FeatureExtractorInceptionV3(nn.Module):
        def __init__(self, **options: Any) -> None:
            super().__init__()

        def forward(self, x: Tensor) -> tuple[Any]:
            return (given,)

    installed("torch_fidelity.feature_extractor_inceptionv3", FeatureExtractorInceptionV3=FeatureExtractorInceptionV3)
    touch(tmp_path / "torch" / "checkpoints" / adapters.Inception.weights)
    network = adapters.Inception.load()
    with pytest.raises(RadloomError, match=complaint):
        network.features(PIXELS)
    for pixels in (PIXELS * 255, PIXELS * 2 - 1, PIXELS * np.nan, PIXELS[:, 0], (PIXELS * 255).astype(np.uint8)):
        with pytest.raises(RadloomError, match=r"bring them to \[0, 1\]|give floating \(n, 1, height, width\)"):
            network.features(pixels)


def test_sides_must_fit(installed: Any, tmp_path: Path) -> None:
    scorer = bert_score(installed, tmp_path, torch.ones(3))
    for references, hypotheses in [(REFERENCES, HYPOTHESES[:2]), ([], [])]:
        with pytest.raises(RadloomError, match="give one reference for each"):
            scorer.score(references, hypotheses)


# -- around a package ------------------------------------------------------------------------------------------------


def test_a_package_leaves_no_traces(capsys: pytest.CaptureFixture[str]) -> None:
    before = socket.getaddrinfo, list(warnings.filters), transformers.PreTrainedTokenizerBase.__dict__.keys()
    with pytest.raises(OSError, match="no network connection"), foreign():
        print("a package that talks")
        warnings.simplefilter("ignore")
        assert huggingface_hub.constants.is_offline_mode()
        socket.create_connection(("example.org", 443))
    assert (socket.getaddrinfo, warnings.filters, transformers.PreTrainedTokenizerBase.__dict__.keys()) == before
    assert not huggingface_hub.constants.is_offline_mode()
    assert capsys.readouterr() == ("", "a package that talks\n")


def test_tokenizers_have_what_the_packages_call(tmp_path: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "heart", "is", "en", "##larged", "."]
    touch(tmp_path / "bert" / "vocab.txt", "\n".join(words))
    tokenizer: Any = transformers.BertTokenizer.from_pretrained(str(tmp_path / "bert"))
    text = "The heart is enlarged."
    with foreign():
        assert tokenizer.encode_plus(tokenizer.tokenize(text))["input_ids"] == [2, 5, 6, 7, 8, 9, 10, 3]
        assert tokenizer.encode_plus(text=text)["input_ids"] == [2, 5, 6, 7, 8, 9, 10, 3]
        assert tokenizer.encode_plus("the", "heart")["input_ids"] == [2, 5, 3, 6, 3]
        assert tokenizer.batch_encode_plus([text, "heart"], padding=True)["input_ids"][1] == [2, 6, 3, 0, 0, 0, 0, 0]
        assert tokenizer.build_inputs_with_special_tokens([]) == [2, 3]
