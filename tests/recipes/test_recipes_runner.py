"""A whole recipe, classifier and codec, on ten made-up studies."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from PIL import Image

from radloom.checkpoint import fingerprint
from radloom.classifier.evidence import NEVER
from radloom.classifier.model import load_classifier
from radloom.classifier.signs import load_signs
from radloom.codec.network import load_codec
from radloom.corpora import KINDS
from radloom.corpora.images import XrayImages
from radloom.corpora.manifest import Manifest
from radloom.errors import ImageError, ManifestError, RecipeError
from radloom.imaging import Transform
from radloom.recipes.card import model_card
from radloom.recipes.recipe import CorpusConfig, Recipe, load_recipe
from radloom.recipes.runner import run
from radloom.recipes.sizes import sizes
from radloom.recipes.stages import Workshop
from radloom.study import Report, View
from tiny import write_corpus

RECIPE = """
name: tiny
about: A test.
transform: {size: 32}
corpora:
  made-up: {kind: folder, path: raw}
  train-only: {kind: folder, path: raw}
stages:
  - name: classifier
    kind: classifier
    corpora: [made-up]
    network: {size: 32}
    train: {steps: 2, batch_size: 4, learning_rate: 1e-3, ema: 0.9, log_every: 1, save_minutes: 0}
  - name: codec-warm
    kind: codec
    corpora: [made-up, train-only]
    network: {channels: [16, 16, 16], encoder_blocks: [1, 1, 1], decoder_blocks: [1, 1, 1], codes: 16, code_dim: 8}
    loss: {perceptual: 0, clinical: 0, phi: 0, adversarial: 0}
    train: {steps: 3, batch_size: 4, learning_rate: 1e-3, log_every: 1}
  - name: codec
    kind: codec
    corpora: [made-up]
    start: codec-warm
    classifier: classifier
    loss: {perceptual: 0, clinical_size: 32, adversarial_start: 0}
    train: {steps: 2, batch_size: 4, learning_rate: 1e-3, log_every: 1, precision: fp32}
model: {classifier: classifier, codec: codec}
"""


@pytest.fixture(autouse=True)
def _random_instead_of_imagenet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radloom.classifier.model.load_imagenet", lambda network: network)


@pytest.fixture
def folder(tmp_path: Path, corpus: Manifest) -> Path:
    """Of a run whose corpora are prepared."""
    return begin(tmp_path / "run", corpus)


def begin(run_folder: Path, corpus: Manifest) -> Path:
    corpus.write(run_folder / "corpora" / "made-up")
    Manifest(corpus.split("train").rows, corpus.root, corpus.corpus).write(run_folder / "corpora" / "train-only")
    return run_folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that is through; only to be read."""
    root = tmp_path_factory.mktemp("trained")
    (root / "tiny.yaml").write_text(RECIPE)
    whole = begin(root / "run", write_corpus(root / "raw"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("radloom.classifier.model.load_imagenet", lambda network: network)
        assert run(load_recipe(str(root / "tiny.yaml")), root, whole) == whole / "model"
    return whole


@pytest.fixture
def finished(trained: Path, tmp_path: Path) -> Path:
    """The folder of such a run, to be changed."""
    return shutil.copytree(trained, tmp_path / "finished")


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Recipe]:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE)
    return lambda *changes: load_recipe(str(path), changes)


def test_trains_every_stage_and_assembles_the_model(trained: Path) -> None:
    folder, model = trained, trained / "model"
    assert {p.name for p in model.iterdir()} == {"classifier", "codec", "model.json", "README.md"}
    head = json.loads((model / "model.json").read_text())
    assert head == {"format": 1, "recipe": "tiny", "about": "A test.", "parts": ["classifier", "codec"]}
    for part in ("classifier", "codec"):
        assert fingerprint(model / part) == fingerprint(folder / part / "model")
    assert load_codec(model / "codec")[1] == load_classifier(model / "classifier")[1] == Transform(32)
    assert fingerprint(folder / "codec-warm" / "model") != fingerprint(folder / "codec" / "model")
    noted = yaml.safe_load((folder / "codec" / "stage.yaml").read_text())
    assert noted["start"] == "codec-warm"
    assert noted["train"]["precision"] == "fp32"
    terms = json.loads((folder / "codec" / "log.jsonl").read_text().splitlines()[-1])
    assert {"l1", "clinical", "phi", "adversarial", "adversarial/discriminator"} <= terms.keys()
    assert "perceptual" not in terms


@pytest.fixture
def with_signs(tmp_path: Path) -> Recipe:
    """The recipe with a reader of signs."""
    data = yaml.safe_load(RECIPE)
    data["stages"].append({"name": "signs", "kind": "signs", "corpora": ["made-up"], "classifier": "classifier"})
    data["model"]["signs"] = "signs"
    (tmp_path / "signs.yaml").write_text(yaml.safe_dump(data))
    return load_recipe(str(tmp_path / "signs.yaml"))


def test_a_reader_of_signs_is_one_more_part(finished: Path, with_signs: Recipe) -> None:
    model = run(with_signs, finished.parent, finished)
    reader = load_signs(model / "signs", fingerprint(model / "classifier"))
    assert (reader.thresholds == NEVER).all()  # six studies say none
    assert json.loads((finished / "signs" / "done.json").read_text()) == {"scores": {}}
    assert "| signs | signs | - | - |  |" in (model / "README.md").read_text()
    assert json.loads((model / "model.json").read_text())["parts"] == ["classifier", "codec", "signs"]


def test_sides_are_read_where_reports_name_some(finished: Path, with_signs: Recipe) -> None:
    place = finished / "corpora" / "made-up"
    told = Manifest.read(place)
    texts = ("Right pleural effusion.", "Left atelectasis.")
    rows = [replace(row, report=Report(texts[i % 2])) for i, row in enumerate(told)]
    Manifest(rows, told.root, told.corpus).write(place)
    forget_manifests(finished)
    model = run(with_signs, finished.parent, finished)
    sides = load_signs(model / "signs").sides
    assert sides.apart.weight.any() and sides.usual.any()
    scores = json.loads((finished / "signs" / "done.json").read_text())["scores"]
    assert 0 <= scores["accuracy[side]"] <= 1 and scores["share[side told]"] == 0  # too few to be certain


def test_a_reader_of_signs_needs_reports(finished: Path, with_signs: Recipe) -> None:
    place = finished / "corpora" / "made-up"
    told = Manifest.read(place)
    Manifest([replace(row, report=Report()) for row in told], told.root, told.corpus).write(place)
    forget_manifests(finished)
    with pytest.raises(RecipeError, match=r"signs: made-up has no X-ray with a report in train; add some\."):
        run(with_signs, finished.parent, finished)


def test_same_recipe_same_weights_whatever_the_interruptions(
    tiny: Callable[..., Recipe], trained: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = folder
    reads, read = 0, XrayImages.__getitem__

    def killed_at(count: int) -> Callable[..., object]:
        def item(self: XrayImages, index: int) -> object:
            nonlocal reads
            reads += 1
            if reads == count:
                raise KeyboardInterrupt
            return read(self, index)

        return item

    for count in (6, 8):  # in the classifier's second step, then, after that step is done again, as it is scored
        reads = 0
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(XrayImages, "__getitem__", killed_at(count))
            run(tiny(), folder.parent, parts)
        assert not (parts / "classifier" / "done.json").exists()
    assert run(tiny(), folder.parent, parts, until="codec-warm") == parts / "codec-warm" / "model"
    assert not (parts / "model").exists()
    again = run(tiny(), folder.parent, parts)
    for part in ("classifier", "codec"):
        assert fingerprint(trained / "model" / part) == fingerprint(again / part)


def test_a_classifier_goes_on_from_an_earlier_one(finished: Path, tmp_path: Path) -> None:
    plan = yaml.safe_load(RECIPE)
    first = plan["stages"][0]
    train = first["train"] | {"learning_rate": 1e-9, "ema": None}
    second = {k: v for k, v in first.items() if k != "network"} | {"name": "again", "start": "classifier"}
    plan |= {"stages": [first, second | {"train": train}], "model": {"classifier": "again"}}
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(plan))
    run(load_recipe(str(tmp_path / "two.yaml")), tmp_path, finished)
    begun, ended = (load_classifier(finished / name / "model")[0] for name in ("classifier", "again"))
    assert ended.config.size == 32  # of the classifier begun from, not the default
    assert begun.head.weight.abs().max() > 0
    assert (begun.head.weight - ended.head.weight).abs().max() < 1e-6


def test_finished_stages_are_not_trained_again(tiny: Callable[..., Recipe], finished: Path) -> None:
    logs = {p: p.stat().st_mtime_ns for p in finished.glob("*/log.jsonl")}
    assert len(logs) == 3
    first = fingerprint(finished / "model" / "codec")
    plan = tiny()
    more = {name: replace(corpus, workers=3) for name, corpus in plan.corpora.items()}  # as on another computer
    assert fingerprint(run(replace(plan, corpora=more), finished.parent, finished) / "codec") == first
    assert logs == {p: p.stat().st_mtime_ns for p in finished.glob("*/log.jsonl")}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("codec-warm.train.steps=4", r"codec-warm was begun with other settings \(train\.steps\)"),
        ("codec-warm.network.codes=8", r"codec-warm was begun with other settings \(network\.codes\)"),
        ("transform.size=48", r"finished was begun with other settings \(size\)"),
    ],
)
def test_changed_settings_of_an_existing_run(
    tiny: Callable[..., Recipe], finished: Path, change: str, match: str
) -> None:
    with pytest.raises(RecipeError, match=match):
        run(tiny(change), finished.parent, finished, until="codec-warm")


def test_what_leaves_the_weights_as_they_are_may_change(tiny: Callable[..., Recipe], finished: Path) -> None:
    named = ("workers=2", "save_minutes=9", "log_every=3", "highest_is_best=false")  # of no score
    changes = (f"codec-warm.train.{name}" for name in named)
    assert run(tiny(*changes), finished.parent, finished, until="codec-warm") == finished / "codec-warm" / "model"


def test_a_corpus_prepared_anew_is_noticed(tiny: Callable[..., Recipe], finished: Path) -> None:
    place = finished / "corpora" / "made-up"
    told = Manifest.read(place)
    other = {"train": "val", "val": "train"}
    Manifest([replace(row, split=other[row.split]) for row in told], told.root, told.corpus).write(place)
    with pytest.raises(RecipeError, match=r"classifier was begun with other settings \(manifests\.made-up\)"):
        run(tiny(), finished.parent, finished)
    forget_manifests(finished)  # as in notes of earlier versions, which get them now
    assert run(tiny(), finished.parent, finished, until="classifier")
    told.write(place)
    with pytest.raises(RecipeError, match=r"classifier was begun with other settings \(manifests\.made-up\)"):
        run(tiny(), finished.parent, finished)


def test_images_of_a_prepared_corpus_that_were_moved(
    tiny: Callable[..., Recipe], corpus: Manifest, tmp_path: Path
) -> None:
    shutil.copytree(corpus.root, tmp_path / "moved")
    for name in ("made-up", "train-only"):
        Manifest(corpus.rows, tmp_path / "moved", name).write(tmp_path / "prepared" / name)
    (tmp_path / "moved").rename(tmp_path / "again")
    plan = tiny()
    places = {name: replace(c, path=f"prepared/{name}") for name, c in plan.corpora.items()}
    with pytest.raises(ManifestError, match=r"in a recipe: `images` of the corpus"):
        run(replace(plan, corpora=places), tmp_path, tmp_path / "run", until="classifier")
    moved = {name: replace(c, images="again") for name, c in places.items()}
    assert run(replace(plan, corpora=moved), tmp_path, tmp_path / "run", until="classifier").is_dir()


def test_a_card_names_the_corpora_that_were_used(tiny: Callable[..., Recipe], finished: Path) -> None:
    plan = tiny()
    card = model_card(replace(plan, corpora=plan.corpora | {"unused": CorpusConfig("mimic", "x")}), finished)
    assert "`made-up`" in card and "`train-only`" in card and "unused" not in card and "MIMIC" not in card
    assert "`radloom train FILE --data DIR`" in card  # no recipe of the package is called so


def forget_manifests(run_folder: Path) -> None:
    """Take the corpora's fingerprints out of the notes of all stages."""
    for note in run_folder.glob("*/stage.yaml"):
        settings = yaml.safe_load(note.read_text())
        settings.pop("manifests", None)
        note.write_text(yaml.safe_dump(settings))


def test_a_setting_that_came_with_a_later_version_has_its_default(tiny: Callable[..., Recipe], finished: Path) -> None:
    note = finished / "classifier" / "stage.yaml"
    settings = yaml.safe_load(note.read_text())
    assert settings.pop("start", "absent") is None
    assert settings["train"].pop("precision") == "auto"
    note.write_text(yaml.safe_dump(settings))
    assert run(tiny(), finished.parent, finished, until="classifier") == finished / "classifier" / "model"
    note.write_text(yaml.safe_dump(settings | {"of_old": 1}))
    with pytest.raises(RecipeError, match=r"begun with other settings .*of_old"):
        run(tiny(), finished.parent, finished, until="classifier")


def test_a_stage_whose_start_was_trained_anew_is_not_taken_for_finished(
    tiny: Callable[..., Recipe], finished: Path
) -> None:
    shutil.rmtree(finished / "codec-warm")
    with pytest.raises(RecipeError, match=r"codec was begun with other settings \(begun_from\.start\)"):
        run(tiny("codec-warm.train.seed=5"), finished.parent, finished)


def test_one_image_in_train_of_one_corpus_and_val_of_another(tiny: Callable[..., Recipe], folder: Path) -> None:
    other = Manifest.read(folder / "corpora" / "made-up").split("val")
    moved = [replace(row, uid=f"other-{row.uid}", patient=f"other-{row.patient}", split="train") for row in other]
    Manifest(moved, other.root, "another").write(folder / "corpora" / "train-only")
    with pytest.raises(ManifestError, match=r"are the same image.*Keep it in one split"):
        run(tiny(), folder.parent, folder)


def test_until_an_unknown_stage(tiny: Callable[..., Recipe], folder: Path) -> None:
    with pytest.raises(RecipeError, match=r"No stage is called 'codex' \(did you mean 'codec'\?\)"):
        run(tiny(), folder.parent, folder, until="codex")
    assert not (folder / "classifier").exists()


def test_a_corpus_that_is_not_there(tiny: Callable[..., Recipe], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nowhere/raw is missing; name the folder that holds it with --data"):
        run(tiny(), tmp_path / "nowhere", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_corpus_that_is_prepared_is_read_where_it_lies(
    tiny: Callable[..., Recipe], corpus: Manifest, tmp_path: Path
) -> None:
    corpus.write(tmp_path / "prepared" / "made-up")
    changes = ["corpora.made-up.path=prepared/made-up", "codec-warm.corpora=[made-up]"]
    run(tiny(*changes), tmp_path, tmp_path / "run", until="classifier")
    assert not (tmp_path / "run" / "corpora" / "made-up" / "manifest.parquet").exists()
    assert (tmp_path / "run" / "classifier" / "done.json").is_file()


GOING_ON = """
name: going-on
about: A test.
transform: {size: 32}
corpora: {made-up: {kind: folder, path: raw}}
stages:
  - name: codec
    kind: codec
    corpora: [made-up]
    start: MODEL/codec
    classifier: MODEL/classifier
    loss: {perceptual: 0, clinical_size: 32, adversarial: 0}
    train: {steps: 1, batch_size: 4, learning_rate: 1e-3, log_every: 1}
model: {classifier: MODEL/classifier, codec: codec}
"""


@pytest.fixture
def going_on(trained: Path, tmp_path: Path) -> Callable[..., Recipe]:
    """A recipe that goes on from a trained model."""
    path = tmp_path / "going-on.yaml"
    path.write_text(GOING_ON.replace("MODEL", str(trained / "model")))
    return lambda *changes: load_recipe(str(path), changes)


def test_a_recipe_goes_on_from_a_trained_model(going_on: Callable[..., Recipe], trained: Path, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    model = run(going_on(), folder.parent, folder)
    assert fingerprint(model / "classifier") == fingerprint(trained / "model" / "classifier")
    assert fingerprint(model / "codec") != fingerprint(trained / "model" / "codec")
    begun = yaml.safe_load((folder / "codec" / "stage.yaml").read_text())["begun_from"]
    assert begun["start"] == fingerprint(trained / "model" / "codec")
    assert f"{trained}/model/codec`, whose licence goes on to apply" in (model / "README.md").read_text()
    assert before == {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    with pytest.raises(RecipeError, match=r"codec goes on from .*/model/codec, whose sizes are not the recipe's"):
        sizes(going_on())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("codec.start=nanu/codec", r"nanu/codec: No model 'nanu' \(did you mean 'nano'\?\)"),
        ("codec.start=nano/codecs", r"nano has no part 'codecs' \(did you mean 'codec'\?\); any-to-any, classifier"),
        ("codec.start=nano/codec", r"nano/codec sees X-rays by Transform\(size=256.*give the recipe that transform"),
        ("model.codec=nano/codec", r"nano/codec sees X-rays by Transform\(size=256"),
    ],
)
def test_a_trained_model_that_does_not_fit(
    going_on: Callable[..., Recipe], tmp_path: Path, change: str, message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        run(going_on(change), tmp_path, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_what_is_computed_by_a_trained_model_stays_in_the_run(tmp_path: Path) -> None:
    workshop = Workshop(lambda name: Manifest([], tmp_path, ""), Transform(32), lambda name: tmp_path, tmp_path / "a")
    assert workshop.beside("codec") == tmp_path / "codec"
    assert workshop.beside("nano/codec") == tmp_path / "trained" / "nano-codec"
    assert workshop.beside("../runs/own/model/codec") == tmp_path / "trained" / "runs-own-model-codec"


def test_every_kind_of_corpus_has_a_command_and_a_licence() -> None:
    from radloom.cli.base import prepare

    assert {command.name for command in prepare.registered_commands} == set(KINDS)
    assert all(kind.licence for kind in KINDS.values())
    with pytest.raises(RecipeError, match=r"Unknown kind of corpus 'mimick' .did you mean 'mimic'"):
        CorpusConfig("mimick", "x")


def test_no_image_in_a_split(tiny: Callable[..., Recipe], folder: Path) -> None:
    recipe = tiny("classifier.corpora=[train-only]")
    with pytest.raises(RecipeError, match=r"classifier: no image of train-only is in the split 'val'"):
        run(recipe, folder.parent, folder)


def write_table(corpus: Manifest) -> None:
    """Make the corpus' folder one that `prepare folder` reads."""
    table = ["uid,split,frontal,lateral,findings"]
    for row in corpus:
        views = [ref.path for view in View if (ref := row.image(view))]
        table.append(",".join([row.uid, row.split, *views, f'"{row.report.findings}"']))
    (corpus.root / "table.csv").write_text("\n".join(table) + "\n")


def test_corpora_are_prepared_on_the_way(tiny: Callable[..., Recipe], tmp_path: Path, corpus: Manifest) -> None:
    write_table(corpus)
    run(tiny("classifier.train.steps=1"), tmp_path, tmp_path / "run", until="classifier")
    prepared = Manifest.read(tmp_path / "run" / "corpora" / "made-up")
    assert len(prepared) == 10
    assert not (tmp_path / "run" / "corpora" / "train-only").exists()


def test_an_image_that_was_changed_to_the_worse_is_named(
    tiny: Callable[..., Recipe], folder: Path, corpus: Manifest
) -> None:
    for i, path in enumerate(corpus.root.glob("*.png")):
        Image.new("L", (1, 1), i).save(path)
    with pytest.raises(ImageError, match=r"-(frontal|lateral)\.png"):
        run(tiny(), folder.parent, folder)


@pytest.mark.slow
def test_two_processes_train_a_recipe_whose_corpus_one_prepares(tmp_path: Path, corpus: Manifest) -> None:
    write_table(corpus)
    recipe = yaml.safe_load(RECIPE)
    recipe |= {"stages": [recipe["stages"][1] | {"corpora": ["made-up"]}], "model": {"codec": "codec-warm"}}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "radloom"]
    command = ["train", "tiny.yaml", "--data", str(corpus.root.parent), "-o", "run"]
    done = subprocess.run([*launch, *command], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert load_codec(tmp_path / "run" / "model" / "codec")
    assert len((tmp_path / "run" / "codec-warm" / "log.jsonl").read_text().splitlines()) == 3
