"""A whole model that is random and tiny, pictures that look a little like chests, and made-up corpora.

The model is written by the functions that write trained ones. It draws 64 x 64 pixels from 16 codes and takes every
image for a frontal view.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SENTENCES = (
    "The heart is normal in size and the lungs are clear.",
    "There is a large right pleural effusion with adjacent atelectasis.",
    "No pneumothorax or focal consolidation is seen.",
    "Is the heart enlarged? Yes, there is moderate cardiomegaly.",
)
SIDE = 64
MAX_TOKENS = 12


def draw_chest(seed: int = 0, size: tuple[int, int] = (80, 72)) -> np.ndarray:
    """(H, W) uint8: bright body, two dark lungs of random width, a bright heart on the image's right."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]] / np.array(size)[:, None, None]
    random = np.random.default_rng(seed)
    picture = np.full(size, 0.7) + 0.05 * random.standard_normal(size)
    for centre in (0.3, 0.7):
        lung = ((x - centre) / (0.14 + 0.04 * random.random())) ** 2 + ((y - 0.45) / 0.35) ** 2 < 1
        picture[lung] -= 0.45
    heart = ((x - 0.56) / (0.1 + 0.08 * random.random())) ** 2 + ((y - 0.6) / 0.18) ** 2 < 1
    picture[heart] += 0.3
    return (picture.clip(0, 1) * 255).astype(np.uint8)


def write_chest(path: Path, seed: int = 0, size: tuple[int, int] = (80, 72)) -> Path:
    """A picture of `draw_chest` as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_chest(seed, size)).save(path)
    return path


def make_base(folder: Path) -> Path:
    """A text-only causal LM with a byte-level BPE, as any Hugging Face folder: what `source: hub` reads."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(SENTENCES, vocab_size=400, special_tokens=["<s>", "</s>"], show_progress=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, bos_token="<s>", eos_token="</s>")
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_model(folder: Path, seed: int = 0, *, seeing: bool = False, completing: bool = False) -> Path:
    """A model folder that `radloom.load` reads; another seed gives another codec.

    With `seeing` it has evidence and statements, with `completing` the any-to-any part.
    """
    import torch

    from radloom.checkpoint import fingerprint
    from radloom.classifier.evidence import CHANNELS
    from radloom.classifier.model import ClassifierConfig, save_classifier
    from radloom.codec.network import CodecConfig, codes_fingerprint, save_codec
    from radloom.imaging import Transform
    from radloom.language.base import BaseConfig
    from radloom.language.model import LanguageModel, Sight
    from radloom.language.vocabulary import ImageVocabulary

    transform = Transform(size=SIDE)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        classifier = ClassifierConfig(size=SIDE).build()
        for layer in classifier.network.modules():
            if isinstance(layer, torch.nn.Conv2d):  # torch's own start lets the signal fade through so many layers
                torch.nn.init.kaiming_normal_(layer.weight)
        codec = CodecConfig((16, 16, 16), (1, 1, 1), (1, 1, 1), detail=8, codes=64, code_dim=8).build()
    with torch.no_grad():
        classifier.head.weight[-1], classifier.head.bias[-1] = 0.0, -2.0
    save_classifier(classifier, transform, folder / "classifier")
    save_codec(codec, transform, folder / "codec")
    grid = (SIDE // codec.stride, SIDE // codec.stride)
    language = LanguageModel.create(
        BaseConfig(source="hub", name=str(make_base(folder.with_name(f"{folder.name}-base")))),
        ImageVocabulary(codes=64, grid=grid, evidence=CHANNELS if seeing else (), statements=seeing),
        codebook=codec.quantiser.codebook,
        codec=codes_fingerprint(codec, transform),
        sight=Sight(_scale(classifier), fingerprint(folder / "classifier")) if seeing else None,
    )
    language.save(folder / "language")
    if completing:
        any_to_any = make_any_to_any(
            codec=codes_fingerprint(codec, transform),
            classifier=fingerprint(folder / "classifier"),
            channels=8,
            grid=grid,
            codebook=codec.quantiser.codebook,
        )
        any_to_any.save(folder / "any-to-any")
    head = {
        "format": 1,
        "recipe": "tiny",
        "about": "Random weights, for tests.",
        "text": {"temperature": 0.0, "max_tokens": MAX_TOKENS},
        "answer": {"temperature": 0.0, "max_tokens": MAX_TOKENS},
    }
    (folder / "model.json").write_text(json.dumps(head), encoding="utf-8")
    return folder


def make_any_to_any(
    *,
    codec: str = "",
    classifier: str = "",
    channels: int = 8,
    grid: tuple[int, int] = (4, 4),
    codebook: Any = None,
    environments: bool = True,
) -> Any:
    """A tiny random any-to-any model, in eval mode."""
    import torch

    from radloom.diffusion.alignment import AlignmentConfig
    from radloom.diffusion.autoencoder import AutoencoderConfig
    from radloom.diffusion.denoiser import DenoiserConfig
    from radloom.diffusion.environment import EnvironmentConfig
    from radloom.diffusion.model import AnyToAny, AnyToAnyConfig
    from radloom.diffusion.text import ReportTokenizer
    from radloom.study import Report

    tokenizer = ReportTokenizer.train([Report(findings=text) for text in SENTENCES], 320)
    words = len(tokenizer)
    config = AnyToAnyConfig(
        AlignmentConfig(words, width=32, image_width=32, text_width=32, text_layers=1, heads=2, longest=48),
        AutoencoderConfig(words, 48, slots=4, dim=8, width=32, encoder_layers=1, decoder_layers=1, heads=2),
        DenoiserConfig(
            channels=channels,
            grid=grid,
            slots=4,
            dim=8,
            prompt=32,
            tokens=2,
            blocks=(16, 32),
            heads=2,
            report_width=32,
            report_layers=1,
        ),
        codec,
        classifier,
        EnvironmentConfig(32, 16) if environments else None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AnyToAny(config, tokenizer)
        for parameter in model.denoisers.parameters():  # what begins at 0 would hide what it reads
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
    if codebook is not None:
        model.denoisers.image_std.fill_(float(codebook.std()))
    return model.eval()


def _scale(classifier: Any) -> Any:
    """Of the evidence in a few pictures."""
    import torch

    from radloom.classifier.evidence import EvidenceScale, evidence
    from radloom.imaging import Transform

    pictures = [Transform(size=SIDE)(draw_chest(i).astype(np.float32) / 255) for i in range(16)]
    return EvidenceScale.fit(evidence(classifier.eval(), torch.stack(pictures)).numpy())


def write_corpus(root: Path, name: str = "made-up") -> Any:
    """Six train and four val studies of two views, every second one with a large heart that its report mentions."""
    from radloom.corpora.manifest import ImageRef, Manifest, Row
    from radloom.study import Mention, Report, View

    rows = []
    for i, split in enumerate(["train"] * 6 + ["val"] * 4):
        images = []
        for view in View:
            rng = np.random.default_rng((i, view is View.LATERAL))
            pixels = rng.normal(60, 12, (40, 36))
            pixels[12:30, 16 : 24 + 6 * (i % 2)] += 120  # the heart, on the right of the picture
            path = root / f"{i}-{view}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
            images.append(ImageRef(path.name, view))
        size = "enlarged" if i % 2 else "normal in size"
        rows.append(
            Row(
                uid=f"s{i}",
                patient=f"p{i}",
                split=split,
                images=tuple(images),
                report=Report(findings=f"The heart is {size}. The lungs are clear."),
                labels={"Cardiomegaly": Mention.POSITIVE if i % 2 else Mention.NEGATIVE},
                corpus=name,
            )
        )
    return Manifest(rows, root, name)


def make_folder_corpus(folder: Path, studies: int = 6) -> Path:
    """A folder with a table: studies of two views, a report and a question, every third one in val."""
    rows = ["uid,split,frontal,lateral,findings,impression,qid,question,answer,answer_type"]
    for i in range(studies):
        for view in ("frontal", "lateral"):
            write_chest(folder / "images" / f"{i}-{view}.png", 2 * i + (view == "lateral"))
        split = "val" if i % 3 == 2 else "train"
        effusion = "There is a right pleural effusion." if i % 2 else "The lungs are clear."
        rows.append(
            f"s{i},{split},images/{i}-frontal.png,images/{i}-lateral.png,{effusion},See findings.,"
            f"q{i},Is there a pleural effusion?,{'Yes' if i % 2 else 'No'},closed"
        )
    (folder / "studies.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def make_indiana(folder: Path, studies: int = 6) -> Path:
    """The Indiana collection's layout: `splits.csv`, `images/`, `ecgen-radiology/`; every third study in val."""
    table = ["uid,image,view,split,in_r2gen,native_aspect_w_over_h,note"]
    for uid in range(1, studies + 1):
        names = {"frontal": f"CXR{uid}_1_IM-0001-1001", "lateral": f"CXR{uid}_1_IM-0001-2001"}
        for view, name in names.items():
            write_chest(folder / "images" / f"{name}.png", 2 * uid + (view == "lateral"), (64, 64))
            table.append(f"{uid},{name}.png,{view},{'train' if uid % 3 else 'val'},yes,0.82,")
        findings = "There is a right pleural effusion." if uid % 2 else "The lungs are clear. The heart is normal."
        _write_openi(folder / "ecgen-radiology" / f"{uid}.xml", uid, names.values(), findings)
    (folder / "splits.csv").write_text("\n".join(table) + "\n", encoding="utf-8")
    return folder


def make_nih(folder: Path, images: int = 6) -> Path:
    """NIH ChestX-ray14's layout: `metadata.csv` and `images/`, a patient an image."""
    table = ["image,patient_id,labels"]
    for i in range(images):
        write_chest(folder / "images" / f"{i:08d}_000.png", 100 + i)
        table.append(f"images/{i:08d}_000.png,p{i},{'Effusion|Cardiomegaly' if i % 2 else 'No Finding'}")
    (folder / "metadata.csv").write_text("\n".join(table) + "\n", encoding="utf-8")
    return folder


def make_vqa_rad(folder: Path, images: int = 20) -> Path:
    """VQA-RAD's layout: `qa.jsonl` and `images/`, a closed question an image; about a tenth becomes val."""
    lines = []
    for i in range(images):
        path = write_chest(folder / "images" / f"synpic{i}.png", 200 + i)
        question = {"question": "Is the heart enlarged?", "answer": "Yes" if i % 2 else "No"}
        kind = {"answer_type": "CLOSED", "question_type": "PRES"}
        lines.append(json.dumps({"qid": i, "image": f"images/{path.name}", **question, **kind}))
    (folder / "qa.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def make_mimic(folder: Path, studies: int = 4) -> Path:
    """MIMIC-CXR-JPG's layout with the reports of MIMIC-CXR: a frontal view a study, a patient each; the last in val."""
    metadata, splits = ["dicom_id,subject_id,study_id,ViewPosition"], ["dicom_id,study_id,subject_id,split"]
    for i in range(studies):
        patient, study, image = 10000000 + i, 50000000 + i, f"image-{i}"
        place = folder / "files" / "p10" / f"p{patient}"
        write_chest(place / f"s{study}" / f"{image}.jpg", 300 + i)
        (place / f"s{study}.txt").write_text(" FINDINGS:\n The lungs are clear.\n\n IMPRESSION:\n Normal.\n", "utf-8")
        metadata.append(f"{image},{patient},{study},{('PA', 'AP')[i % 2]}")
        splits.append(f"{image},{study},{patient},{'validate' if i == studies - 1 else 'train'}")
    for name, table in (("metadata", metadata), ("split", splits)):
        with gzip.open(folder / f"mimic-cxr-2.0.0-{name}.csv.gz", "wt") as file:
            file.write("\n".join(table) + "\n")
    return folder


def _write_openi(path: Path, uid: int, images: Iterable[str], findings: str) -> None:
    sections = {"INDICATION": "Cough.", "FINDINGS": findings, "IMPRESSION": "See findings."}
    texts = "".join(f'<AbstractText Label="{label}">{text}</AbstractText>' for label, text in sections.items())
    parents = "".join(f'<parentImage id="{image}"><caption>Chest</caption></parentImage>' for image in images)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<eCitation><uId id="CXR{uid}"/><MedlineCitation><Article><Abstract>{texts}</Abstract></Article>'
        f"</MedlineCitation><MeSH><major>normal</major></MeSH>{parents}</eCitation>",
        encoding="utf-8",
    )
