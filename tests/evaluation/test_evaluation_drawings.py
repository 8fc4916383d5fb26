"""Drawings beside real images: the real ones score as real, and planted faults are caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import radloom
from evaluation.conftest import NewBench, found, value
from radloom.corpora.manifest import Manifest
from radloom.errors import RadloomError
from radloom.evaluation.bench import Bench, derangement, spread
from radloom.evaluation.drawings import drawable, likelihoods, retrieved, score_drawings
from radloom.evaluation.table import CONSTANT, REAL
from radloom.imaging import Transform, write_png
from radloom.study import View

Change = Callable[[np.ndarray], np.ndarray]

FRECHET = "frechet[frontal, radloom-classifier]"


def real(bench: Bench, folder: Path, change: Change = lambda image: image) -> dict[str, Path]:
    """The real images as a model would draw them, or changed."""
    drawn = {}
    for row in bench.split:
        [pixels] = bench.vision.pixels(bench.split, [row.images[0]])
        image = change(Transform.to_image(pixels)).astype(np.float32)
        drawn[row.uid] = write_png(image, folder / f"{row.uid}.png")
    return drawn


def test_real_images_in_place_of_drawings_lie_nearest(new_bench: NewBench, tmp_path: Path) -> None:
    same, noisy = new_bench(), new_bench()
    drawn = real(same, tmp_path / "same")
    score_drawings(same, drawn, samples=[[path] * 2 for path in drawn.values()], adapters=[])
    noise = np.random.default_rng(0)
    spoilt = real(noisy, tmp_path / "noisy", lambda x: np.clip(x + noise.normal(0, 0.3, x.shape), 0, 1))
    score_drawings(noisy, spoilt, adapters=[])
    ours, theirs = found(same), found(noisy)
    assert value(ours[FRECHET, "oracle"]) < 0.05 * value(theirs[FRECHET, "oracle"])  # what 8 bits leave
    assert value(ours[FRECHET, CONSTANT]) > value(ours[FRECHET, "oracle"])
    assert ours[FRECHET, REAL].interval is not None
    assert value(ours["precision[frontal, radloom-classifier, k=5]", "oracle"]) == 1
    micro = "auroc_micro[14 observations, prompted, frontal, radloom-classifier, rule-labeller]"
    assert value(ours[micro, "oracle"]) == pytest.approx(value(ours[micro, REAL]), abs=0.05)
    assert "unavailable" in ours["ms_ssim[2 samples of one report, frontal]", "oracle"].why  # 64 pixels are too few
    assert [exhibit.title for exhibit in same.exhibits][-1] == "Real and drawn, frontal"


def test_a_drawing_on_another_range_is_refused(new_bench: NewBench, tmp_path: Path) -> None:
    bench = new_bench()
    drawn = real(bench, tmp_path, lambda x: x / 255)
    with pytest.raises(RadloomError, match=r"show nothing: .*Were they saved on another range"):
        score_drawings(bench, drawn, adapters=[])


@pytest.mark.parametrize("change", [lambda x: x / 2, lambda x: (x + 1) / 2, lambda x: x / 8])
def test_a_range_that_was_shifted_or_squeezed_is_told(new_bench: NewBench, tmp_path: Path, change: Change) -> None:
    bench = new_bench()
    score_drawings(bench, real(bench, tmp_path, change), adapters=[])
    assert any("another range of grey" in warning for warning in bench.warnings)


def test_one_grey_drawing_is_told_and_the_rest_scored(new_bench: NewBench, tmp_path: Path) -> None:
    bench = new_bench()
    drawn = real(bench, tmp_path)
    write_png(np.full((64, 64), 0.5, np.float32), next(iter(drawn.values())))
    score_drawings(bench, drawn, adapters=[])
    assert "1 of 6 frontal drawings are of one grey." in bench.warnings
    assert found(bench)[FRECHET, "oracle"].interval is not None


def test_inverted_drawings_are_told(new_bench: NewBench, tmp_path: Path) -> None:
    inverted, plain = new_bench(), new_bench()
    score_drawings(inverted, real(inverted, tmp_path / "inverted", lambda x: 1 - x), adapters=[])
    score_drawings(plain, real(plain, tmp_path / "plain"), adapters=[])
    assert any("look inverted" in warning for warning in inverted.warnings)
    assert not any("inverted" in warning or "range" in warning for warning in plain.warnings)


def test_drawings_that_follow_nothing_are_told(new_bench: NewBench, tmp_path: Path) -> None:
    bench = new_bench()
    drawn = real(bench, tmp_path)
    score_drawings(bench, dict.fromkeys(drawn, next(iter(drawn.values()))), adapters=[])
    assert any("do not show that the model follows the report" in warning for warning in bench.warnings)


def test_a_study_without_a_drawing_is_an_error(new_bench: NewBench, studies: Manifest) -> None:
    with pytest.raises(RadloomError, match="6 of 6 studies have no prediction"):
        score_drawings(new_bench(), {}, adapters=[])


def test_a_split_without_that_view_is_an_error(new_bench: NewBench, studies: Manifest) -> None:
    val = studies.split("val")
    rows = [replace(row, images=tuple(ref for ref in row.images if ref.view is View.LATERAL)) for row in val]
    bench = new_bench(replace(val, rows=rows))
    assert drawable(bench.split, View.FRONTAL) == []
    with pytest.raises(RadloomError, match="no study with a report and a frontal view"):
        score_drawings(bench, {}, adapters=[])


def test_the_own_report_is_found_and_ties_share_the_place() -> None:
    labels = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    likely = likelihoods(np.array([[0.9, 0.1], [0.1, 0.9], [0.1, 0.1], [0.1, 0.1]]), labels)
    assert retrieved(likely, 1).tolist() == [1, 1, 0.5, 0.5]
    assert retrieved(likely, 2).tolist() == [1, 1, 1, 1]
    assert retrieved(likely[::-1].copy(), 1).tolist() == [0, 0, 0, 0]


def test_a_report_with_uncertain_mentions_fits_no_better_than_one_without() -> None:
    chances = np.array([[0.9, 0.1], [0.2, 0.1]])
    uncertain, absent = (likelihoods(chances, np.array([[x, 0.0], [1.0, 0.0]])) for x in (np.nan, 0.0))
    assert (uncertain == absent).all()


def test_samples_are_compared_with_as_many_real_images(
    new_bench: NewBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radloom.evaluation.drawings.diversity", lambda images: float(len(images)))
    bench = new_bench()
    drawn = real(bench, tmp_path)
    score_drawings(bench, drawn, samples=[list(drawn.values())[:4]] * 3, adapters=[])
    name = "ms_ssim[4 samples of one report, frontal]"
    assert value(found(bench)[name, "oracle"]) == value(found(bench)[name, REAL]) == 4
    assert (found(bench)[name, "oracle"].n, found(bench)[name, REAL].n) == (3, 1)  # six real images make one group


@pytest.mark.parametrize("n", [2, 3, 10, 101])
def test_a_derangement_moves_everything_and_keeps_everything(n: int) -> None:
    order = derangement(n)
    assert sorted(order) == list(range(n))
    assert not (order == np.arange(n)).any()
    assert (derangement(n) == order).all()


def test_items_are_spread_evenly() -> None:
    assert spread(range(10), 3) == [0, 3, 6]
    assert spread([1, 2], 5) == [1, 2]


def test_the_tiny_model_is_what_sees(model: radloom.Model, new_bench: NewBench, studies: Manifest) -> None:
    bench = new_bench()
    refs = [row.images[0] for row in studies.split("val")]
    features = bench.vision.features(studies, refs)
    chances = bench.vision.chances(features)
    expected = model.classifier.probabilities(bench.vision.pixels(studies, refs)).numpy()
    np.testing.assert_allclose(chances, expected, atol=1e-5)
