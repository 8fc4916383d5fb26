"""One verb, two engines: every given part x every wanted part, weights, bad requests."""

import itertools
import warnings
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import radloom
import tiny
from radloom.classifier.evidence import CHANNELS
from radloom.completion import Asked, ReportWarning, as_parts, planned
from radloom.errors import CheckpointError, RadloomError, ReportError
from radloom.imaging import ImageWarning
from radloom.settings import Denoising, Engine
from radloom.study import Part, Report, Study, View

PARTS = tuple(part.value for part in Part)
SUBSETS = [s for n in range(3) for s in itertools.combinations(PARTS, n)]


@pytest.fixture(scope="module")
def there() -> dict:
    chest = tiny.draw_chest().astype(np.float32) / 255
    return {"frontal": chest, "lateral": 1 - chest, "report": Report(findings="The lungs are clear.")}


@pytest.mark.parametrize("given", SUBSETS)
def test_every_part_is_made_from_every_subset(any_to_any_model: radloom.Model, there: dict, given: tuple) -> None:
    missing = [part for part in PARTS if part not in given]
    study = Study(uid="s1", **{part: there[part] for part in given})
    for n in range(1, len(missing) + 1):
        for want in itertools.combinations(missing, n):
            whole = any_to_any_model.complete(study, want, steps=2, engine="diffusion")
            assert whole.uid == "s1"
            for part in PARTS:
                value = getattr(whole, part)
                assert (value is not None) == (part in given or part in want)
                if part in given:
                    assert value is there[part]
            for view in set(want) - {"report"}:
                image = getattr(whole, view)
                assert image.shape == (tiny.SIDE, tiny.SIDE) and 0 <= image.min() and image.max() <= 1


@pytest.mark.doubting
def test_a_picture_that_is_no_chest_xray_is_warned_of(model: radloom.Model) -> None:
    board = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((10, 10))).astype(np.float32)
    with pytest.warns(ImageWarning, match="The lateral image does not look like a chest X-ray"):
        assert model.complete(Study(lateral=board), ["report"]).report


def test_a_batch_of_different_studies_gives_what_its_members_give(any_to_any_model: radloom.Model, there: dict) -> None:
    studies = [Study(frontal=there["frontal"]), Study(report=there["report"]), Study()]
    together = any_to_any_model.completions(studies, ["lateral"], seeds=[4, 5, 6], steps=3)
    for study, seed, whole in zip(studies, [4, 5, 6], together, strict=True):
        alone = any_to_any_model.complete(study, ["lateral"], seed=seed, steps=3)
        assert np.allclose(alone.lateral, whole.lateral, atol=2e-3)


def test_what_is_made_depends_on_seed_prompt_and_weights(any_to_any_model: radloom.Model, there: dict) -> None:
    model = any_to_any_model

    def latents(study: Study, seed: int = 0, **how: object) -> np.ndarray:
        return np.asarray(model.complete(study, ["lateral"], seed=seed, steps=3, guidance=4.0, **how).lateral)  # type: ignore[arg-type]

    one = Study(frontal=there["frontal"], report=there["report"])
    first = latents(one)
    assert np.array_equal(first, latents(one))
    assert not np.array_equal(first, latents(one, seed=1))
    only = latents(one, weights={"report": 0.0})
    assert np.allclose(only, latents(Study(frontal=there["frontal"])), atol=1e-3)


def test_of_candidates_the_one_is_kept_that_agrees_best_with_the_report(
    any_to_any_model: radloom.Model, there: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = any_to_any_model
    drawn: list[np.ndarray] = []

    def prefer(nth: int) -> Any:
        def agreement(values: np.ndarray, report: Report, view: View) -> np.ndarray:
            assert (report, view) == (there["report"], View.LATERAL) and values.shape == (3, len(CHANNELS))
            drawn.append(values)
            return np.arange(3.0) == nth

        return agreement

    def views(candidates: int = 3) -> list[np.ndarray]:
        studies = [Study(report=there["report"])] * 2
        made = model.completions(studies, ["lateral"], seeds=[4, 5], steps=2, candidates=candidates)
        return [np.asarray(study.lateral) for study in made]

    alone = views(candidates=1)
    kept = []
    for nth in range(3):
        monkeypatch.setattr("radloom.completion.agreement", prefer(nth))
        kept.append(views())
    assert len(drawn) == 6
    assert np.allclose(kept[0], alone, atol=2e-3)  # the first candidate has the seed itself
    for one, other in combinations([*kept[0], *kept[1], *kept[2]], 2):
        assert not np.allclose(one, other, atol=2e-3)  # neighbouring seeds share no candidate


def test_candidates_need_a_report_and_a_view_to_draw(any_to_any_model: radloom.Model, there: dict) -> None:
    model, seen, told = any_to_any_model, Study(frontal=there["frontal"]), Study(report=there["report"])
    for study, want, how in (
        (seen, ["lateral"], {}),
        (seen, ["report"], {"engine": "diffusion"}),
        (Study(), ["frontal", "report"], {"together": True}),
    ):
        with pytest.raises(RadloomError, match="no report before the views to choose candidates by"):
            model.complete(study, want, candidates=2, **how)
    with pytest.raises(RadloomError, match="candidates 0 is out of range"):
        model.complete(told, ["lateral"], candidates=0)
    with pytest.raises(RadloomError, match="candidates is a setting of the diffusion engine"):
        model.image("Clear lungs.", engine="language", candidates=2)
    assert len(model.image("Clear lungs.", n=2, candidates=2, steps=2)) == 2
    whole = model.complete(Study(), ["frontal", "report"], candidates=2, steps=2)
    assert whole.report and np.shape(whole.frontal) == (tiny.SIDE, tiny.SIDE)
    both = model.complete(told, ["frontal", "lateral"], candidates=2, steps=2, together=True)
    assert np.shape(both.lateral) == (tiny.SIDE, tiny.SIDE)


def test_candidates_of_a_whole_corpus_count_where_there_is_a_report(
    any_to_any_model: radloom.Model, there: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, studies = any_to_any_model, [Study(report=there["report"]), Study(lateral=there["lateral"])]
    how: dict[str, Any] = {"seeds": [1, 2], "steps": 2}
    first, second = model.completions(studies, ["frontal"], candidates=2, **how)
    _, alone = model.completions(studies, ["frontal"], **how)
    assert np.shape(first.frontal) == (tiny.SIDE, tiny.SIDE)
    assert np.allclose(second.frontal, alone.frontal, atol=2e-3)
    plans = planned(model, [Asked.of(study.parts, ["frontal"]) for study in studies], candidates=2)
    assert [plan.denoising.candidates for plan in plans.values()] == [2, 1]  # as the files of the drawings say
    own = replace(model.config, complete=replace(model.config.complete, candidates=2))
    monkeypatch.setattr(model, "config", own)  # as a default it is no reason to refuse anything
    assert model.complete(studies[1], ["report"]).report
    assert np.allclose(model.completions(studies, ["frontal"], **how)[1].frontal, alone.frontal, atol=2e-3)


def test_guidance_begins_where_it_is_told_to(any_to_any_model: radloom.Model, there: dict) -> None:
    model = any_to_any_model.any_to_any
    prompts, told = model.report_vectors([there["report"]]), torch.tensor([True])
    asked: list[tuple[int, bool]] = []

    def lateral(**how: Any) -> torch.Tensor:
        asked.clear()
        return model.make(prompts, told, [Part.LATERAL], seeds=[0], steps=4, **how)[Part.LATERAL]

    told_of = model.denoisers.register_forward_pre_hook(
        lambda _, given: asked.append((int(given[1][Part.LATERAL]), bool(given[3][Part.LATERAL])))
    )
    try:
        plain = lateral()
        assert torch.equal(plain, lateral(guidance=4.0, guided_below=0)) and all(prompted for _, prompted in asked)
        partly = lateral(guidance=4.0, guided_below=500)
        unprompted = [step for step, prompted in asked if not prompted]
        assert unprompted == [step for step, prompted in asked if prompted and step < 500] and unprompted
        assert len({step for step, _ in asked}) == 4 > len(unprompted)
        whole = lateral(guidance=4.0)
        assert sum(not prompted for _, prompted in asked) == 4
    finally:
        told_of.remove()
    assert not torch.equal(partly, plain) and not torch.equal(partly, whole)


def test_parts_are_made_in_turn_each_also_from_those_before(any_to_any_model: radloom.Model, there: dict) -> None:
    how: dict[str, Any] = {"engine": "diffusion", "seed": 5, "steps": 2}
    study, told = Study(lateral=there["lateral"]), []
    whole = any_to_any_model.completions(
        [study],
        ["frontal", "report"],
        seeds=[5],
        engine="diffusion",
        steps=2,
        progress=lambda done, steps: told.append((done, steps)),
    )[0]
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    first = any_to_any_model.complete(study, ["report"], **how)
    assert whole.report == first.report
    assert np.array_equal(whole.frontal, any_to_any_model.complete(first, ["frontal"], **how).frontal)  # type: ignore[arg-type]
    assert not np.array_equal(whole.frontal, any_to_any_model.complete(study, ["frontal"], **how).frontal)  # type: ignore[arg-type]


def test_parts_are_made_together_where_asked_to(any_to_any_model: radloom.Model, there: dict) -> None:
    asked: list[set[Part]] = []
    told_of = any_to_any_model.any_to_any.denoisers.register_forward_pre_hook(
        lambda _, given: asked.append({*given[0]})
    )
    try:
        for together in (False, True):
            asked.clear()
            any_to_any_model.complete(Study(), ["frontal", "lateral"], steps=2, guidance=1.0, together=together)
            apart = [{Part.FRONTAL}] * 2 + [{Part.LATERAL}] * 2
            assert asked == ([{Part.FRONTAL, Part.LATERAL}] * 4 if together else apart)  # each step also unprompted
        asked.clear()
        seen = Study(frontal=there["frontal"])
        any_to_any_model.complete(seen, ["lateral", "report"], steps=2, guidance=1.0, together=True)
        assert asked == [{Part.LATERAL, Part.REPORT}] * 2
    finally:
        told_of.remove()


def test_report_of_views_is_the_language_models_unless_named(any_to_any_model: radloom.Model, there: dict) -> None:
    study = Study(frontal=there["frontal"])
    read = any_to_any_model.complete(study, ["report"]).report
    assert read == any_to_any_model.reports([study], seeds=[0])[0]
    assert any_to_any_model.complete(study, ["report"], engine="language").report == read
    drawn = any_to_any_model.complete(Study(report=there["report"]), ["frontal"], engine=Engine.LANGUAGE).frontal
    assert np.array_equal(drawn, any_to_any_model.image(there["report"], engine="language")[0])


def test_each_part_is_made_by_what_does_it_best(any_to_any_model: radloom.Model, there: dict) -> None:
    seen = Study(frontal=there["frontal"])
    whole = any_to_any_model.complete(seen, ["lateral", "report"], seed=2, steps=2)
    read = any_to_any_model.complete(seen, ["report"], seed=2)
    assert whole.report == read.report
    drawn = any_to_any_model.complete(read, ["lateral"], seed=2, steps=2, engine="diffusion")
    assert np.array_equal(whole.lateral, drawn.lateral)  # type: ignore[arg-type]
    both = any_to_any_model.completions(
        [seen], ["lateral", "report"], seeds=[2], steps=2, engine={Part.REPORT: "diffusion"}
    )
    assert both[0].report == any_to_any_model.complete(seen, ["report"], seed=2, steps=2, engine="diffusion").report


def makers(model: radloom.Model, given: tuple, want: tuple, **how: Any) -> dict[str, str]:
    """What makes each wanted part."""
    asked = Asked.of([Part(part) for part in given], want)
    return {part.value: maker.value for part, maker in planned(model, [asked], **how)[asked].makers.items()}


def test_what_makes_what(any_to_any_model: radloom.Model, model: radloom.Model) -> None:
    both = {"frontal": "diffusion", "report": "diffusion"}
    want = ("frontal", "report")
    assert makers(any_to_any_model, (), want) == both
    assert makers(any_to_any_model, ("lateral",), want) == {"frontal": "diffusion", "report": "language"}
    assert makers(any_to_any_model, ("lateral",), want, together=True) == both
    assert makers(any_to_any_model, ("lateral",), want, together=False)["report"] == "language"
    assert makers(any_to_any_model, ("lateral",), want, engine="language") == dict.fromkeys(want, "language")
    assert makers(any_to_any_model, ("lateral",), want, engine={"report": "diffusion"}) == both
    mixed = makers(any_to_any_model, ("lateral",), want, engine={"report": "language"}, together=True)
    assert mixed == {"frontal": "diffusion", "report": "language"}
    assert makers(model, ("lateral",), want) == dict.fromkeys(want, "language")


def test_a_batch_does_not_change_what_makes_a_report(any_to_any_model: radloom.Model, there: dict) -> None:
    seen = Study(uid="seen", frontal=there["frontal"])
    batch = [Study(uid="new"), seen, Study(uid="other")]
    new, read, other = any_to_any_model.completions(batch, ["report"], seeds=[1, 2, 3], steps=2)
    assert [new.uid, read.uid, other.uid] == ["new", "seen", "other"]
    assert read.report == any_to_any_model.complete(seen, ["report"], seed=2).report
    assert new.report == any_to_any_model.complete(Study(), ["report"], seed=1, steps=2).report


@pytest.mark.parametrize("how", [{"sampler": "euler"}, {"steps": 0}, {"guidance": float("nan")}, {"guidance": 101.0}])
def test_what_cannot_be_denoised_is_refused_before_anything_is_made(
    any_to_any_model: radloom.Model, there: dict, how: dict
) -> None:
    told: list[tuple[int, int]] = []
    studies, want = [Study(frontal=there["frontal"])], ["lateral", "report"]
    with pytest.raises(RadloomError, match=next(iter(how))):
        any_to_any_model.completions(studies, want, seeds=[0], progress=lambda *n: told.append(n), **how)
    assert not told
    with pytest.raises(RadloomError, match=next(iter(how))):
        Denoising(**how)


def test_progress_only_grows(any_to_any_model: radloom.Model, there: dict) -> None:
    for how in ({"steps": 3}, {"engine": "language"}):
        told: list[float] = []
        any_to_any_model.completions(
            [Study(frontal=there["frontal"])],
            ["lateral", "report"],
            seeds=[0],
            progress=lambda done, total, told=told: told.append(done / total),  # type: ignore[misc]
            **how,
        )
        assert told == sorted(told) and len(set(told)) > 3 and told[-1] == 1.0
        assert sum(share == 1.0 for share in told) == 1


def test_where_the_language_model_writes_nothing_no_view_is_drawn_from_it(
    any_to_any_model: radloom.Model, there: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(any_to_any_model), "reports", lambda self, studies, **_: [Report()] * len(studies))
    with pytest.raises(ReportError, match=r"^With the seed 7 the language model wrote no report to draw from"):
        any_to_any_model.complete(Study(frontal=there["frontal"]), ["lateral"], seed=7, engine="language")
    seen = Study(frontal=there["frontal"])
    whole = any_to_any_model.complete(seen, ["lateral", "report"], seed=7, steps=2)
    alone = any_to_any_model.complete(seen, ["lateral"], seed=7, steps=2)
    assert not whole.report and np.array_equal(whole.lateral, alone.lateral)  # type: ignore[arg-type]


def test_of_a_report_that_the_model_made_nobody_is_warned(
    any_to_any_model: radloom.Model, there: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(any_to_any_model.any_to_any), "room", 2)
    with warnings.catch_warnings(action="error", category=ReportWarning):
        seen = any_to_any_model.complete(Study(frontal=there["frontal"]), ["lateral", "report"], steps=1)
    with pytest.warns(ReportWarning, match="diffusion reads the first 2"):
        any_to_any_model.complete(Study(report=seen.report), ["lateral"], steps=1)


def test_drawings_are_diffused_where_the_model_can_unless_told_otherwise(any_to_any_model: radloom.Model) -> None:
    text, how = "The lungs are clear.", {"seed": 3, "steps": 2, "sampler": "ddim", "guidance": 2.0}
    [drawn] = any_to_any_model.image(text, view="lateral", **how)
    study = Study(report=Report(findings=text))
    assert np.array_equal(drawn, any_to_any_model.complete(study, ["lateral"], engine="diffusion", **how).lateral)
    [other] = any_to_any_model.image(text, view="lateral", seed=3, engine=Engine.LANGUAGE, temperature=1.0)
    assert not np.array_equal(drawn, other)


def test_drawings_of_both_views_come_in_the_order_asked_for(any_to_any_model: radloom.Model) -> None:
    reports, views = [Report(f"{word}.") for word in ("Clear", "Large", "Small")], [View("lateral"), *View]
    told: list[tuple[int, int]] = []
    drawn = any_to_any_model.images(
        reports, views, seeds=[1, 2, 3], steps=2, progress=lambda done, total: told.append((done, total))
    )
    for report, view, seed, image in zip(reports, views, [1, 2, 3], drawn, strict=True):
        assert np.allclose(image, any_to_any_model.image(report, view=view, seed=seed, steps=2)[0], atol=2e-3)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("how", "says"),
    [
        (
            {"temperature": 1.0},
            "^temperature is a setting of the language engine; leave it out, or name engine language.$",
        ),
        (
            {"engine": "language", "steps": 2},
            "^steps is a setting of the diffusion engine; leave it out, or name engine",
        ),
        ({"beams": 2}, "Unknown setting of drawings 'beams'"),
        ({"guidence": 2.0}, "did you mean 'guidance'"),
        ({"guidance": float("nan")}, "^guidance nan is out of range"),
        ({"steps": 0}, "^steps is 0"),
        ({"engine": "difusion"}, "did you mean 'diffusion'"),
    ],
)
def test_settings_of_drawings_that_are_refused(any_to_any_model: radloom.Model, how: dict, says: str) -> None:
    with pytest.raises(RadloomError, match=says):
        any_to_any_model.image("Clear lungs.", **how)


def test_text_that_diffusion_cannot_read(any_to_any_model: radloom.Model) -> None:
    with pytest.raises(ReportError, match="to draw from is empty"):
        any_to_any_model.images([Report()], [View.FRONTAL], seeds=[0])
    with pytest.warns(ReportWarning, match=r"tokens long; diffusion reads the first 46\. Shorten it") as told:
        any_to_any_model.image("effusion " * 100, n=2, steps=2)
    assert sum(warning.category is ReportWarning for warning in told) == 1


def test_without_the_engine_the_language_model_completes(model: radloom.Model, there: dict) -> None:
    assert not model.has_diffusion
    whole = model.complete(Study(frontal=there["frontal"]), ["lateral", "report"])
    assert whole.lateral is not None and whole.report is not None
    with pytest.raises(RadloomError, match=r"no any-to-any part; train one with the recipe any-to-any/nano"):
        model.complete(Study(), ["report"], engine="diffusion")
    with pytest.raises(RadloomError, match=r"no any-to-any part"):
        model.completions([Study(frontal=there["frontal"])], ["lateral"], seeds=[0], engine={"lateral": "diffusion"})
    with pytest.raises(RadloomError, match=r"no any-to-any part"):
        model.image("Clear lungs.", engine="diffusion")
    with pytest.raises(CheckpointError, match="no any-to-any part"):
        _ = model.any_to_any
    with pytest.raises(RadloomError, match="Nothing is given"):
        model.complete(Study(), ["report"])


@pytest.mark.parametrize(
    ("given", "want", "how", "says"),
    [
        ((), (), {}, "Nothing is wanted"),
        (("frontal",), ("frontal",), {}, "The frontal is both given and wanted"),
        (("frontal",), ("latral",), {}, "did you mean 'lateral'"),
        (("frontal",), ("report",), {"engine": "difusion"}, "did you mean 'diffusion'"),
        (("frontal",), ("lateral",), {"sampler": "euler"}, "Unknown sampler 'euler'"),
        (("frontal",), ("lateral",), {"steps": 0}, "steps is 0"),
        (("frontal",), ("lateral",), {"weights": {"report": 1.0}}, "weight is given for the report"),
        (("frontal",), ("lateral",), {"weights": {"frontal": -1.0}}, "weight of frontal is -1"),
        (("frontal",), ("lateral",), {"weights": {"frontal": 0.0}}, "weight 0"),
        (("frontal",), ("lateral",), {"guidence": 1.0}, "did you mean 'guidance'"),
        ((), ("report",), {"engine": "language"}, "Nothing is given"),
        (("frontal",), ("report",), {"guidance": 0}, "^guidance counts for the diffusion engine alone"),
        (("frontal",), ("report",), {"steps": 5}, "^steps counts for the diffusion engine alone"),
        (
            ("frontal", "lateral"),
            ("report",),
            {"weights": {"frontal": 0.0}},
            "^weights counts for the diffusion engine",
        ),
        (("frontal",), ("report",), {"engine": "language", "together": True}, "^together counts for the diffusion"),
        (("frontal",), ("lateral",), {"engine": {"latral": "language"}}, "did you mean 'lateral'"),
        (("frontal",), ("lateral",), {"engine": {"report": "language"}}, "An engine is named for the report, which is"),
        (("frontal",), ("lateral",), {"engine": {"lateral": "difusion"}}, "did you mean 'diffusion'"),
        (("report",), ("frontal",), {"engine": "language", "guidance": 2.0}, "or name engine diffusion"),
    ],
)
def test_bad_requests(any_to_any_model: radloom.Model, there: dict, given, want, how, says: str) -> None:
    with pytest.raises(RadloomError, match=says):
        any_to_any_model.complete(Study(**{part: there[part] for part in given}), want, **how)


def test_parts_are_ordered_and_each_once() -> None:
    assert as_parts(["report", "frontal", "report"]) == as_parts("report, frontal") == [Part.FRONTAL, Part.REPORT]


def test_fingerprint_changes_with_the_engine(any_to_any_model: radloom.Model, model: radloom.Model) -> None:
    assert any_to_any_model.fingerprint != model.fingerprint


def test_another_codec_is_refused(tmp_path: Path) -> None:
    folder = tiny.make_model(tmp_path / "a", completing=True)
    other = tiny.make_model(tmp_path / "b", seed=1, completing=True)
    (folder / "any-to-any" / "config.json").write_text((other / "any-to-any" / "config.json").read_text())
    with pytest.raises(CheckpointError, match="was trained with codec"):
        _ = radloom.load(folder).any_to_any
