"""Any-to-any trained from raw images through all its stages, and what each stage trains."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

import radloom
import tiny
from radloom.config import from_dict
from radloom.corpora.manifest import Manifest
from radloom.diffusion.model import AnyToAny
from radloom.errors import CheckpointError, RecipeError
from radloom.recipes.any_to_any import TrainDenoisers
from radloom.recipes.recipe import load_recipe
from radloom.recipes.runner import run
from radloom.recipes.sizes import sizes, total
from radloom.recipes.stages import Workshop
from radloom.study import Study
from radloom.training import LoopConfig

LOOP = {"steps": 2, "batch_size": 4, "learning_rate": 1e-3, "log_every": 1, "precision": "fp32"}
CODEC = {"channels": [16] * 3, "encoder_blocks": [1] * 3, "decoder_blocks": [1] * 3, "codes": 16, "code_dim": 8}
REPORTS = {"vocabulary": 300, "longest": 32, "slots": 2, "dim": 4, "width": 32, "heads": 2}
DENOISERS = {"blocks": [16, 32], "heads": 2, "report_width": 32, "report_layers": 1}


def recipe(base: Path) -> dict:
    common = {"corpora": ["made-up"], "train": LOOP}
    sources = {"codec": "codec", "classifier": "classifier", "alignment": "alignment", "reports": "reports"}
    denoisers = common | sources | {"kind": "denoisers"}
    return {
        "name": "tiny",
        "about": "A test.",
        "transform": {"size": 64},
        "corpora": {"made-up": {"kind": "folder", "path": "raw"}},
        "stages": [
            common | {"name": "classifier", "kind": "classifier", "network": {"size": 32}},
            common
            | {
                "name": "codec",
                "kind": "codec",
                "network": CODEC,
                "loss": {"perceptual": 0, "clinical": 0, "phi": 0, "adversarial": 0},
            },
            common
            | {
                "name": "language",
                "kind": "language",
                "codec": "codec",
                "base": {"source": "hub", "name": str(base)},
                "mix": {"max_length": 384},
            },
            common | {"name": "reports", "kind": "report-autoencoder", "network": REPORTS},
            common
            | {
                "name": "alignment",
                "kind": "alignment",
                "classifier": "classifier",
                "reports": "reports",
                "network": {"width": 32, "text_width": 32, "heads": 2, "longest": 32},
            },
            denoisers | {"name": "apart", "network": DENOISERS},
            common
            | {
                "name": "together",
                "kind": "environments",
                "codec": "codec",
                "classifier": "classifier",
                "start": "apart",
                "network": {"width": 32, "report_width": 16},
            },
        ],
        "model": {
            "classifier": "classifier",
            "codec": "codec",
            "language": "language",
            "any-to-any": "together",
        },
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's folder."""
    root = tmp_path_factory.mktemp("any-to-any")
    tiny.write_corpus(root / "raw").write(root / "run" / "corpora" / "made-up")
    (root / "tiny.yaml").write_text(yaml.safe_dump(recipe(tiny.make_base(root / "base"))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("radloom.classifier.model.load_imagenet", lambda network: network)
        run(load_recipe(str(root / "tiny.yaml")), root, root / "run")
    return root / "run"


def test_the_finished_model_completes_a_study(trained: Path) -> None:
    model = radloom.load(trained / "model")
    assert model.has_diffusion
    image = trained.parent / "raw" / "0-frontal.png"
    whole = model.complete(Study(uid="s", frontal=image), ["lateral", "report"], steps=2)
    assert whole.uid == "s" and whole.frontal == image and whole.report is not None
    assert whole.lateral.shape == (64, 64)  # type: ignore[union-attr]


def test_environments_are_all_that_their_stage_adds(trained: Path) -> None:
    apart, together = (AnyToAny.load(trained / name / "model") for name in ("apart", "together"))
    before, after = apart.state_dict(), together.state_dict()
    assert apart.environments is None and together.environments is not None
    assert {name for name in after if not name.startswith("environments.")} == set(before)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert together.environments.means.norm(dim=1).min() > 0.1


def test_training_apart_moves_the_denoisers_and_nothing_else(trained: Path) -> None:
    apart = AnyToAny.load(trained / "apart" / "model").state_dict()
    fresh = AnyToAny.load(trained / "together" / "model").state_dict()
    for name in apart:
        if name.startswith(("alignment.", "autoencoder.")):
            assert torch.equal(apart[name], fresh[name])
    assert apart["denoisers.image_std"].min() > 0 and not torch.all(apart["denoisers.image_std"] == 1)


def test_features_of_images_are_computed_once_for_all_stages(trained: Path) -> None:
    stores = {p.parent.name: sorted(q.stem for q in p.parent.glob("*.npy")) for p in trained.rglob("store.json")}
    tables = sorted(map(tuple, stores.values()))
    assert tables.count(("features",)) == 2  # alignment, train and val
    assert tables.count(("codes", "features")) == 2  # denoisers and environments


def test_parts_of_another_codec_or_classifier_are_refused(trained: Path) -> None:
    for name in ("codec", "classifier"):
        with pytest.raises(CheckpointError, match=f"was trained with {name}"):
            AnyToAny.load(trained / "together" / "model", **{name: "0" * 16})


def test_denoisers_of_other_sizes_cannot_be_begun_from(trained: Path, tmp_path: Path) -> None:
    apart = load_recipe(str(trained.parent / "tiny.yaml")).stages[-2]
    stage = replace(apart, start="apart", network=replace(apart.network, report_width=64))
    with pytest.raises(RecipeError, match="have other sizes, at reports"):
        stage.run(workshop(trained, tmp_path))


def test_denoisers_of_another_prompt_space_cannot_be_begun_from(trained: Path, tmp_path: Path) -> None:
    apart = load_recipe(str(trained.parent / "tiny.yaml")).stages[-2]
    other = shutil.copytree(trained / "alignment" / "model", tmp_path / "other" / "model")
    weights = load_file(other / "model.safetensors")
    save_file({k: v.neg() if v.is_floating_point() else v for k, v in weights.items()}, other / "model.safetensors")
    stage = replace(apart, start="apart", alignment="other")
    with pytest.raises(RecipeError, match=r"were trained with other alignment; give apart\.alignment"):
        stage.run(workshop(trained, tmp_path / "stage"))


def test_denoisers_stand_on_the_parts_of_a_finished_model(trained: Path, tmp_path: Path) -> None:
    apart = load_recipe(str(trained.parent / "tiny.yaml")).stages[-2]
    stage = replace(apart, start="together", alignment="together", reports="together")
    stage.run(workshop(trained, tmp_path / "stage"))
    made = AnyToAny.load(tmp_path / "stage" / "model").alignment.state_dict()
    for name, weights in AnyToAny.load(trained / "together" / "model").alignment.state_dict().items():
        assert torch.allclose(weights.float(), made[name].float(), atol=1e-2)


def workshop(trained: Path, folder: Path) -> Workshop:
    """For a stage in `folder`; those beside it are used, and of others what the run made."""

    def output(name: str) -> Path:
        own = folder.parent / name / "model"
        return own if own.is_dir() else trained / name / "model"

    folder.mkdir(exist_ok=True)
    transform = load_recipe(str(trained.parent / "tiny.yaml")).transform
    return Workshop(lambda name: Manifest.read(trained / "corpora" / name), transform, output, folder)


def test_settings_are_read_strictly() -> None:
    with pytest.raises(RecipeError, match="did you mean 'dropout'"):
        from_dict(
            TrainDenoisers,
            {
                "name": "x",
                "corpora": [],
                "codec": "a",
                "classifier": "b",
                "alignment": "c",
                "reports": "d",
                "train": LOOP,
                "network": {"dropuot": 0.1},
            },
        )


def test_the_shipped_recipe_names_its_parts() -> None:
    found = load_recipe("any-to-any/nano")
    assert set(found.model) == {"classifier", "codec", "language", "signs", "any-to-any"}
    nano = load_recipe("nano")
    assert found.stages[: len(nano.stages)] == nano.stages


# -- sizes -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the language model out, whose architecture takes seconds to read."""
    monkeypatch.setattr("radloom.language.base.BaseConfig.layers_alone", lambda self: torch.nn.Identity())


def test_sizes_of_nano_are_those_of_the_shipped_weights(no_language: None) -> None:
    found = sizes(load_recipe("any-to-any/nano"))
    assert total(found) == 48_294_293
    shipped = AnyToAny.load(Path(radloom.__file__).parent / "weights" / "nano" / "any-to-any").named_parameters()
    held = sum(p.numel() for name, p in shipped if not name.endswith("logit_scale"))
    assert sum(found["any-to-any"].values()) == held


def test_the_paper_recipe_has_the_published_size(no_language: None) -> None:
    found = sizes(load_recipe("any-to-any/paper"))
    assert total(found) == pytest.approx(6.77e9, rel=0.05)
    parts = found["any-to-any"]
    assert parts["denoisers.images"] == parts["denoisers.laterals"]
    assert parts["alignment.images"] + parts["alignment.reports"] == pytest.approx(428e6, rel=0.02)  # CLIP ViT-L/14
    assert parts["autoencoder"] == pytest.approx(241e6, rel=0.02)  # Optimus
    assert sum(found["codec"].values()) == pytest.approx(83.7e6, rel=0.02)  # the KL autoencoder of Stable Diffusion


def test_the_u_net_is_that_of_stable_diffusion() -> None:
    paper = stage_of_paper("denoisers").network
    with torch.device("meta"):
        network = replace(paper, layers=2, channels=4, prompt=768, separate_views=False).build().images.network
    views = network.class_embedding
    own = sum(p.numel() for p in network.parameters()) - sum(p.numel() for p in views.parameters())
    assert own == 859_520_964


SHRUNK: dict[str, dict[str, Any]] = {
    "reports": {"vocabulary": 300, "longest": 32, "dim": 8, "width": 32, "encoder_layers": 1, "decoder_layers": 1},
    "alignment": {"width": 32, "image_width": 64, "image_layers": 2, "text_width": 32, "text_layers": 2, "longest": 32},
    "denoisers": {"blocks": (16, 32), "attention": (True, False), "layers": 1, "report_width": 32, "report_layers": 2},
}
SHRUNK["together"] = {"width": 32, "report_width": 16}


def stage_of_paper(name: str) -> Any:
    return next(stage for stage in load_recipe("any-to-any/paper").stages if stage.name == name)


def test_the_paper_recipe_trains_when_it_is_shrunk(trained: Path, tmp_path: Path) -> None:
    loop = LoopConfig(steps=1, batch_size=4, learning_rate=1e-3, precision="fp32")
    for name, network in SHRUNK.items():
        stage = stage_of_paper(name)
        uses = {key: key for key in stage.uses() if key in ("codec", "classifier")}
        heads = {"heads": 2} if hasattr(stage.network, "heads") else {}
        small = replace(stage.network, **network, **heads)
        replace(stage, corpora=("made-up",), train=loop, network=small, **uses).run(workshop(trained, tmp_path / name))
    apart, together = (AnyToAny.load(tmp_path / name / "model") for name in ("denoisers", "together"))
    assert apart.denoisers.laterals is not None and together.denoisers.laterals is not None
    assert apart.environments is None and together.environments is not None
    before, after = (x.denoisers.laterals.network.conv_in.weight for x in (apart, together))
    assert torch.equal(before, after)


def test_attention_is_named_for_each_resolution() -> None:
    with pytest.raises(RecipeError, match="attention has 2 entries for 3 blocks"):
        load_recipe("any-to-any/nano", ["denoisers.network.blocks=[16, 32, 64]"])


def test_a_stage_of_another_kind_has_no_sizes(no_language: None) -> None:
    with pytest.raises(RecipeError, match="classifier-2: goes back to classifier, of kind 'classifier'; name one"):
        sizes(load_recipe("any-to-any/nano", ["denoisers.codec=classifier-2"]))
