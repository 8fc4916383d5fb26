"""MAViLT's parts in a recipe: saliency, tuning from coarse to fine; and evidence and statements beside them."""

from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM

import radloom
import tiny
from radloom.checkpoint import fingerprint
from radloom.corpora.manifest import Manifest
from radloom.language.consensus import usual_phrases
from radloom.language.model import LanguageModel
from radloom.recipes.recipe import load_recipe
from radloom.recipes.runner import run
from radloom.reports.cleaning import clean_sections

LOOP = {"steps": 2, "batch_size": 4, "learning_rate": 1e-3, "log_every": 1, "precision": "fp32"}
SALIENCY = {"classifier": "classifier", "share": 0.5}


def recipe(base: Path) -> dict:
    language = {"kind": "language", "corpora": ["made-up"], "codec": "codec", "saliency": SALIENCY, "train": LOOP}
    seeing = {"classifier": "classifier", "statements": True, "variants": 1}
    return {
        "name": "tiny",
        "about": "A test.",
        "transform": {"size": 32},
        "corpora": {"made-up": {"kind": "folder", "path": "raw"}},
        "stages": [
            {
                "name": "classifier",
                "kind": "classifier",
                "corpora": ["made-up"],
                "network": {"size": 32},
                "train": LOOP,
            },
            {
                "name": "codec",
                "kind": "codec",
                "corpora": ["made-up"],
                "network": {
                    "channels": [16, 16, 16],
                    "encoder_blocks": [1, 1, 1],
                    "decoder_blocks": [1, 1, 1],
                    "codes": 16,
                    "code_dim": 8,
                },
                "loss": {"perceptual": 0, "clinical": 0, "phi": 0, "adversarial": 0},
                "saliency": SALIENCY | {"method": "grad-cam"},
                "train": LOOP,
            },
            language
            | {
                "name": "align",
                "base": {"source": "hub", "name": str(base)},
                "mix": {"report": 0.5, "image": 0.5, "question": 0, "text": 0, "max_length": 384},
                "rates": {"trained": "added-tokens"},
            },
            language | {"name": "generate", "start": "align", "rates": {"layer_decay": 0.8}},
            language
            | seeing
            | {"name": "instruct", "start": "generate", "mix": {"question": 0.5, "evidence_noise": 1}},
        ],
        "model": {"classifier": "classifier", "codec": "codec", "language": "instruct"},
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's folder."""
    root = tmp_path_factory.mktemp("mavilt")
    corpus = tiny.write_corpus(root / "raw")
    corpus.write(root / "run" / "corpora" / "made-up")
    (root / "tiny.yaml").write_text(yaml.safe_dump(recipe(tiny.make_base(root / "base"))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("radloom.classifier.model.load_imagenet", lambda network: network)
        run(load_recipe(str(root / "tiny.yaml")), root, root / "run")
    return root / "run"


def test_the_finished_model_reads_draws_and_answers(trained: Path, corpus: Manifest) -> None:
    model = radloom.load(trained / "model")
    image = corpus.path(corpus.rows[0].images[0])
    how = {"max_tokens": 4}
    assert isinstance(model.report(str(image), **how).findings, str)
    assert model.image("The lungs are clear.")[0].shape == (32, 32)
    assert isinstance(model.ask(str(image), "Is the heart enlarged?", **how), str)
    assert model.language.sight is not None and len(model.language.sight.calls) == 14  # set by the training studies
    train = [clean_sections(row.report) for row in corpus.split("train") if row.report and row.images]
    assert model.language.phrases == usual_phrases(train)


def test_aligning_moves_added_tokens_alone(trained: Path) -> None:
    aligned, generated = (LanguageModel.load(trained / name / "model") for name in ("align", "generate"))
    first, second = aligned.model.state_dict(), generated.model.state_dict()
    layers = [name for name in first if ".layers." in name]
    original = AutoModelForCausalLM.from_pretrained(trained.parent / "base").state_dict()
    assert layers and all(torch.equal(first[name], original[name].bfloat16().float()) for name in layers)
    assert any(not torch.equal(first[name], second[name]) for name in layers)


def test_saliency_is_computed_once_for_what_weighs_by_it(trained: Path) -> None:
    assert (trained / "classifier" / "saliency" / "grad-cam-made-up" / "saliency.npy").is_file()
    tables = {p.parent.name: sorted(q.stem for q in p.parent.glob("*.npy")) for p in trained.rglob("store.json")}
    assert sorted(map(tuple, tables.values())) == [
        ("codes", "evidence", "saliency"),  # instruct, train and val
        ("codes", "evidence", "saliency"),
        ("codes", "saliency"),  # align and generate
        ("codes", "saliency"),
        ("saliency",),  # codec
    ]


def test_the_note_of_a_stage_names_the_classifier_of_its_saliency(trained: Path) -> None:
    noted = yaml.safe_load((trained / "codec" / "stage.yaml").read_text())
    assert noted["begun_from"] == {"saliency": fingerprint(trained / "classifier" / "model")}
