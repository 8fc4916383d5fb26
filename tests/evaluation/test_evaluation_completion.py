"""Every direction is scored over the same studies, and scores move with what they measure."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import radloom
from evaluation.conftest import NewBench, found, value
from radloom.corpora.manifest import Manifest
from radloom.evaluation.bench import another
from radloom.evaluation.completion import (
    BESIDE,
    BY_LANGUAGE,
    DIRECTIONS,
    WHOLE,
    Direction,
    Made,
    completable,
    score_completions,
)
from radloom.evaluation.glossary import MEASURES
from radloom.evaluation.run import evaluate
from radloom.evaluation.table import REAL
from radloom.imaging import read_image, write_png
from radloom.prediction import read_study
from radloom.settings import Engine
from radloom.study import Part, Report

ALONE = Direction((Part.REPORT,), (Part.FRONTAL,))


def test_the_twelve_directions_are_those_of_the_paper() -> None:
    assert {str(d) for d in DIRECTIONS} == {
        *("T->F", "T->L", "F->T", "F->L", "L->T", "L->F"),
        *("L+F->T", "T+F->L", "T+L->F", "T->F+L", "F->L+T", "L->F+T"),
    }
    assert str(WHOLE) == "nothing->F+L+T"
    assert {str(d) for d in BY_LANGUAGE} == {"T->F", "T->L", "F->T", "L->T", "L+F->T"}


@pytest.fixture(scope="module")
def board(any_to_any_model: radloom.Model, studies: Manifest, tmp_path_factory: pytest.TempPathFactory):
    model = any_to_any_model
    quick = replace(model.config, complete=replace(model.config.complete, steps=1, guidance=1.0))
    kept, model.config = model.config, quick
    try:
        out = tmp_path_factory.mktemp("completed")
        return evaluate(model, studies, out, name="tiny", tasks=["complete"], adapters=[]), out
    finally:
        model.config = kept


def test_every_direction_and_engine_has_its_scores(board) -> None:
    scored, out = board
    assert not [score for score in scored.scores if score.why.startswith("error")], scored.scores
    names = {score.name for score in scored.scores}
    for direction in (*DIRECTIONS, WHOLE, *BESIDE):
        for part in direction.want:
            kind = "bleu4[findings, " if part is Part.REPORT else "auroc_micro[14 observations, "
            assert any(n.startswith(f"{kind}{direction}, {part}, diffusion") for n in names), (direction, part)
    for direction in BY_LANGUAGE:
        assert any(f"{direction}, {direction.want[0]}, language" in name for name in names)
    assert {name.partition("[")[0] for name in names} <= MEASURES.keys()
    for pair in ("F and L of T->F+L", "L and T of F->L+T", "F and L of nothing->F+L+T", "F and L of T->F+L together"):
        assert {f"similarity_gain[{pair}]", f"disagreement_gain[{pair}]", f"similarity[{pair}]"} <= names
    assert (out / "index.html").stat().st_size > 10_000


def test_real_parts_score_as_real_and_shuffled_ones_worse(new_bench: NewBench, tmp_path: Path) -> None:
    bench = new_bench()
    rows = completable(bench.split)
    shown = {row.uid: read_study(bench.split, row).frontal for row in rows}
    files = {uid: write_png(np.asarray(image), tmp_path / f"{uid}.png") for uid, image in shown.items()}
    own = {row.uid: row.report for row in rows}
    reading = Direction((Part.FRONTAL,), (Part.REPORT,))
    score_completions(
        bench,
        rows,
        {
            (ALONE, Engine.DIFFUSION): Made({Part.FRONTAL: files}, {}),
            (reading, Engine.LANGUAGE): Made({}, own),
        },
        None,
    )
    scores = found(bench)
    name = "frechet[T->F, frontal, diffusion, radloom-classifier]"
    assert value(scores[name, "oracle"]) < 0.05 * value(scores[name, REAL])
    assert value(scores["bleu4[findings, F->T, report, language, r2gen]", "oracle"]) == pytest.approx(1)
    assert value(scores["bleu4[findings, F->T, report, language, r2gen]", "shuffle gap"]) > 0.1


def test_parts_made_in_turn_are_compared_with_real_ones_those_of_others_and_those_made_apart(
    new_bench: NewBench, any_to_any_model: radloom.Model, tmp_path: Path
) -> None:
    bench = new_bench()
    rows = completable(bench.split)
    views: dict[Part, dict[str, Path]] = {Part.FRONTAL: {}, Part.LATERAL: {}}
    for row in rows:
        study = read_study(bench.split, row)
        for part, files in views.items():
            files[row.uid] = write_png(np.asarray(study.view(part.value)), tmp_path / f"{row.uid}-{part}.png")
    other = dict(zip(views[Part.LATERAL], reversed(views[Part.LATERAL].values()), strict=True))
    text, both = (Part.REPORT,), Direction((Part.REPORT,), (Part.FRONTAL, Part.LATERAL))
    made = {
        both: Made(views, {}),
        Direction(text, (Part.FRONTAL,)): Made({Part.FRONTAL: views[Part.FRONTAL]}, {}),
        Direction(text, (Part.LATERAL,)): Made({Part.LATERAL: other}, {}),
    }
    score_completions(
        bench, rows, {(d, Engine.DIFFUSION): parts for d, parts in made.items()}, any_to_any_model.any_to_any
    )
    scores = found(bench)

    def seen(part: Part, files: dict[str, Path]) -> tuple[np.ndarray, np.ndarray]:
        """Vectors, and chances of the observations."""
        pixels = torch.stack([bench.vision.transform(read_image(files[row.uid])) for row in rows])
        vectors = any_to_any_model.any_to_any.pixel_vectors(bench.vision.classifier, pixels, part.view).numpy()
        return vectors, bench.vision.classifier.probabilities(pixels)[:, :14].detach().numpy()

    frontal, lateral = (seen(part, files) for part, files in views.items())
    apart = seen(Part.LATERAL, other)
    shuffled = [x[another([row.patient for row in rows])] for x in lateral]
    measures = {
        "similarity": lambda a, b: float((a[0] * b[0]).sum(1).mean()),
        "disagreement": lambda a, b: float(np.abs(a[1] - b[1]).mean()),
    }
    for name, measure in measures.items():
        one = f"{name}[F and L of T->F+L]"
        assert value(scores[one, "oracle"]) == pytest.approx(measure(frontal, lateral), abs=1e-6)
        assert value(scores[one, REAL]) == pytest.approx(measure(frontal, lateral), abs=5e-3)
        assert value(scores[one, "shuffled"]) == pytest.approx(measure(frontal, shuffled), abs=1e-6)
        beside = value(scores[f"{name}[F and L of T->F+L, made apart]", "oracle"])
        assert beside == pytest.approx(measure(frontal, apart), abs=1e-6)
        assert beside != pytest.approx(measure(frontal, lateral), abs=1e-6)
        gain = value(scores[f"{name}_gain[F and L of T->F+L]", "oracle"])
        assert gain == pytest.approx(measure(frontal, lateral) - beside, abs=1e-6)
        assert (one, "shuffle gap") in scores


def test_lines_become_parts(tmp_path: Path) -> None:
    lines = [{"uid": "a", "lateral": "x.png", "findings": "Clear.", "impression": ""}]
    made = Made.of(lines, tmp_path)
    assert made.views == {Part.FRONTAL: {}, Part.LATERAL: {"a": tmp_path / "x.png"}}
    assert made.reports == {"a": Report(findings="Clear.")}


def test_only_whole_studies_are_scored(studies: Manifest) -> None:
    val = studies.split("val")
    rows = [replace(val.rows[0], report=Report()), replace(val.rows[1], images=val.rows[1].images[:1]), *val.rows[2:]]
    assert {row.uid for row in completable(replace(val, rows=rows))} == {row.uid for row in val.rows[2:]}
