from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from radloom.classifier.evidence import CHANNELS
from radloom.codec.network import Codec
from radloom.errors import RecipeError
from radloom.recipes.recipe import as_yaml, load_recipe, names, source
from radloom.recipes.stages import TrainClassifier, TrainCodec, TuneLanguage
from radloom.settings import Sampling
from radloom.study import OBSERVATIONS

TRAIN = {"steps": 2, "batch_size": 3, "learning_rate": 0.001}
PLAIN = {"perceptual": 0, "clinical": 0, "phi": 0}


def recipe() -> dict:
    return {
        "name": "tiny",
        "about": "A test.",
        "transform": {"size": 32},
        "corpora": {"made-up": {"kind": "folder", "path": "raw"}},
        "stages": [
            {"name": "classifier", "kind": "classifier", "corpora": ["made-up"], "train": dict(TRAIN)},
            {"name": "codec", "kind": "codec", "corpora": ["made-up"], "train": dict(TRAIN), "loss": dict(PLAIN)},
        ],
        "model": {"codec": "codec"},
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path, recipe())


def write(folder: Path, data: object) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "tiny.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False))
    return path


def refused(path: Path | str, match: str, *changes: str) -> None:
    with pytest.raises(RecipeError, match=match):
        load_recipe(str(path), changes)


@pytest.mark.parametrize("name", names())
def test_every_recipe_of_the_package_loads(name: str) -> None:
    loaded = load_recipe(name)
    assert loaded.name == name
    assert loaded.about
    assert loaded.stages
    assert source(name).read_text().startswith("#")  # says what it is for


@pytest.mark.parametrize("name", names())
def test_two_views_and_a_report_fit_a_sequence(name: str) -> None:
    loaded = load_recipe(name)
    codes = (loaded.transform.size // Codec.stride) ** 2
    for stage in loaded.stages:
        if isinstance(stage, TuneLanguage):
            view = codes + 3 + (len(CHANNELS) if stage.classifier else 0)
            report = Sampling().max_tokens + (len(OBSERVATIONS) if stage.statements else 0)
            assert 2 * view + report < 0.9 * stage.mix.max_length  # the instruction takes some tokens too


def test_a_recipe_file(file: Path) -> None:
    loaded = load_recipe(str(file))
    assert [type(stage) for stage in loaded.stages] == [TrainClassifier, TrainCodec]
    assert loaded.transform.size == 32
    assert loaded.corpora["made-up"].path == "raw"


def test_changes(file: Path) -> None:
    loaded = load_recipe(
        str(file),
        [
            "codec.train.steps=7",
            "codec.train.learning_rate=1e-4",
            "codec.network.channels=[16, 16, 16]",
            "transform.fit=crop",
            "corpora.made-up.path=elsewhere",
        ],
    )
    classifier, codec = loaded.stages
    assert isinstance(codec, TrainCodec)
    assert isinstance(classifier, TrainClassifier)
    assert (codec.train.steps, classifier.train.steps) == (7, 2)
    assert codec.train.learning_rate == 1e-4
    assert codec.network.channels == (16, 16, 16)
    assert loaded.transform.fit == "crop"
    assert loaded.corpora["made-up"].path == "elsewhere"


def test_unknown_recipe(tmp_path: Path) -> None:
    refused("llm-cxr/nan", r"Unknown recipe 'llm-cxr/nan' \(did you mean 'llm-cxr/nano'\?\)")
    refused(tmp_path / "none.yaml", r"none\.yaml does not exist; .*llm-cxr/nano")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("codec.train.stpes=7", r"codec\.train: unknown key 'stpes' \(did you mean 'steps'\?\)"),
        ("codc.train.steps=7", r"no stage or key 'codc' \(did you mean 'codec'\?\)"),
        ("transfrom.size=7", r"no stage or key 'transfrom' \(did you mean 'transform'\?\)"),
        ("codec.train.batch_size=0", r"train\.batch_size is 0; give 1 or more"),
        ("transform.size=250", r"transform\.size is 250; the codec needs a multiple of 16"),
        ("codec.train.steps=seven", r"codec\.train\.steps: expected int, got 'seven'"),
        ("codec.train.precision=bfloat16", r"codec\.train\.precision: 'bfloat16' is not one of 'auto', 'bf16', 'fp32'"),
        ("codec.train.steps", r"write KEY=VALUE"),
        ("codec=7", r"name a key of stage 'codec'"),
        ("codec.train.steps.x=7", r"'steps' is not a group of settings"),
        ("codec.train.steps=[7", r"'\[7' is not a YAML value"),
        ("stages=7", r"no stage or key 'stages'"),
        ("codec.kind=codek", r"codec: kind 'codek' is not one of .* \(did you mean 'codec'\?\)"),
        ("codec.start=later", r"codec\.start: no earlier stage is called 'later'"),
        ("codec.corpora=[made-ip]", r"codec\.corpora: the recipe has no corpus 'made-ip' \(did you mean 'made-up'\?\)"),
        ("codec.loss.phi=1", r"codec: loss\.clinical, loss\.phi and loss\.distilled need a classifier stage"),
        ("codec.frozen_codes=true", r"codec: frozen_codes needs a codec whose codes are kept; name it as start"),
        ("model.codec=codex", r"model\.codec: no stage is called 'codex' \(did you mean 'codec'\?\)"),
        ("corpora.made-up.kind=indianna", r"Unknown kind of corpus 'indianna' .did you mean 'indiana'"),
        ("transform.size=0", r"size 0 is not a number of pixels"),
    ],
)
def test_changes_that_cannot_be_made(file: Path, change: str, match: str) -> None:
    refused(file, match, change)


def test_a_stage_uses_only_earlier_ones(tmp_path: Path) -> None:
    data = recipe()
    data["stages"][1] |= {"classifier": "classifier"}
    load_recipe(str(write(tmp_path, data)))
    data["stages"].reverse()
    refused(write(tmp_path, data), r"codec\.classifier: no earlier stage is called 'classifier'")
    data["stages"][0] |= {"classifier": "codec"}
    refused(write(tmp_path, data), r"codec\.classifier: no earlier stage is called 'codec'")  # nor itself


def test_unknown_keys_name_the_nearest(tmp_path: Path) -> None:
    refused(write(tmp_path, recipe() | {"modle": {}}), r"unknown key 'modle' \(did you mean 'model'\?\)")
    refused(write(tmp_path, recipe() | {3: 4}), r"unknown key 3\b")
    data = recipe()
    data["stages"][0]["trian"] = data["stages"][0].pop("train")
    refused(write(tmp_path, data), r"classifier: unknown key 'trian' \(did you mean 'train'\?\)")
    del data["stages"][0]["trian"]
    refused(write(tmp_path, data), r"classifier: missing key 'train'")


def test_missing_parts_of_a_recipe(tmp_path: Path) -> None:
    for key in ("name", "transform", "corpora", "model"):
        data = recipe()
        del data[key]
        refused(write(tmp_path, data), f"missing key '{key}'")


@pytest.mark.parametrize("stages", [None, 5, {"name": "codec"}, [{"kind": "codec"}], [{"name": 3}]])
def test_stages_that_are_no_list_of_named_stages(tmp_path: Path, stages: object) -> None:
    refused(write(tmp_path, recipe() | {"stages": stages}), r"tiny\.yaml: 'stages' is not a list of stages")


@pytest.mark.parametrize("text", ["a: [1", "- 1\n- 2\n", "", "\x00"])
def test_a_file_that_is_no_recipe(tmp_path: Path, text: str) -> None:
    refused(write(tmp_path, text), r"tiny\.yaml")


@pytest.mark.parametrize("name", ["model", "corpora", "../codec", "a/b", "a.b", ""])
def test_stage_names_are_folder_names(tmp_path: Path, name: str) -> None:
    data = recipe()
    data["stages"][1]["name"] = data["model"]["codec"] = name
    refused(write(tmp_path, data), "cannot be a stage's name")


def test_two_stages_of_one_name(tmp_path: Path) -> None:
    data = recipe()
    data["stages"][1]["name"] = data["model"]["codec"] = "classifier"
    refused(write(tmp_path, data), "classifier: two stages have this name")


def test_a_recipe_takes_stages_from_the_one_it_extends(file: Path, tmp_path: Path) -> None:
    base = load_recipe(str(file))
    first = base.stages[0]
    data = {
        "name": "more",
        "about": "More.",
        "extends": str(file),
        "stages": [*[s.name for s in base.stages], {"name": "again", "kind": "classifier", "start": first.name}],
        "model": {"classifier": "again"},
    }
    data["stages"][-1] |= {"corpora": ["made-up"], "train": {"steps": 1, "batch_size": 1, "learning_rate": 1e-3}}
    more = load_recipe(str(write(tmp_path / "more", data)))
    assert more.stages[:-1] == base.stages
    assert (more.transform, more.corpora, more.name) == (base.transform, base.corpora, "more")
    changed = {"name": first.name, "train": {"steps": 7}}
    data |= {"stages": [changed, *[s.name for s in base.stages[1:]]], "model": base.model}
    other = load_recipe(str(write(tmp_path / "changed", data)))
    assert other.stages[0].train.steps == 7
    assert other.stages[0] == replace(first, train=replace(first.train, steps=7))  # the rest of the group stays
    assert other.stages[1:] == base.stages[1:]


def test_a_stage_like_another(file: Path, tmp_path: Path) -> None:
    first = load_recipe(str(file)).stages[0]
    twin = {"name": "twin", "like": first.name, "train": {"steps": 9}}
    third = {"name": "third", "like": "twin", "train": {"batch_size": 3}}
    data = {"name": "more", "about": "More.", "extends": str(file), "stages": [twin, third], "model": {}}
    more = load_recipe(str(write(tmp_path / "more", data)))
    assert more.stages[0] == replace(first, name="twin", train=replace(first.train, steps=9))
    assert more.stages[1] == replace(first, name="third", train=replace(first.train, steps=9, batch_size=3))
    refused(write(tmp_path / "d", data | {"stages": [third]}), r"no stage is called 'twin'")


def test_a_change_of_one_stage_is_none_of_another(file: Path, tmp_path: Path) -> None:
    first = load_recipe(str(file)).stages[0]
    twin = {"name": "twin", "like": first.name}
    data = {"name": "more", "about": "More.", "extends": str(file), "stages": [first.name, twin], "model": {}}
    own, other = load_recipe(str(write(tmp_path / "more", data)), ["twin.train.steps=9"]).stages
    assert own == first and other == replace(first, name="twin", train=replace(first.train, steps=9))
    anchored = ["denoisers", "denoisers-2"]
    stages = load_recipe("any-to-any/nano", ["denoisers-2.network.dropout=0.3"]).stages
    assert [stage.network.dropout for stage in stages if stage.name in anchored] == [0.1, 0.3]


def test_what_cannot_be_extended(file: Path, tmp_path: Path) -> None:
    data = {"name": "more", "about": "More.", "extends": str(file), "stages": ["codecs"], "model": {}}
    refused(write(tmp_path / "a", data), r"no stage is called 'codecs'.* Name one before it")
    refused(write(tmp_path / "b", data | {"extends": "llm-cxr/nanno"}), r"Unknown recipe 'llm-cxr/nanno'")
    place = tmp_path / "c"
    loop = write(place, data)
    write(place, data | {"extends": str(loop)})
    refused(loop, r"extends .* in turn")


def test_a_recipe_extends_one_beside_it(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"name": "more", "about": "More.", "extends": file.name, "stages": ["codec"], "model": {"codec": "codec"}}
    (tmp_path / "more.yaml").write_text(yaml.safe_dump(data))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert [stage.name for stage in load_recipe(str(tmp_path / "more.yaml")).stages] == ["codec"]


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a//b", ".hidden", ""])
def test_a_recipe_is_named_as_a_folder(tmp_path: Path, name: str) -> None:
    refused(write(tmp_path, recipe() | {"name": name}), "cannot be a recipe's name")


def test_parts_of_the_model_are_of_their_kinds(tmp_path: Path) -> None:
    refused(
        write(tmp_path, recipe() | {"model": {"signs": "classifier"}}),
        r"of kind 'classifier'; name one of kind 'signs'",
    )
    refused(
        write(tmp_path, recipe() | {"model": {"codecs": "codec"}}), r"unknown part 'codecs' \(did you mean 'codec'\?\)"
    )


def test_a_recipe_as_yaml(file: Path) -> None:
    assert as_yaml(str(file)) == file.read_text()
    changed = as_yaml(str(file), ["codec.train.steps=9"])
    again = write(file.parent / "again", changed)
    assert load_recipe(str(again)) == load_recipe(str(file), ["codec.train.steps=9"])
    whole = as_yaml("any-to-any/nano", ["together.train.steps=5"])
    assert load_recipe(str(write(file.parent / "whole", whole))).stages[-1].train.steps == 5
