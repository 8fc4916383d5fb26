"""One call runs and scores everything, writes what it found, and goes on where it was; files of other systems too."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import radloom
from evaluation.conftest import NewBench, write_lines
from radloom.corpora.manifest import Manifest
from radloom.errors import RadloomError
from radloom.evaluation.bench import Bench, Vision, another, others
from radloom.evaluation.classifier import calibration_error
from radloom.evaluation.compare import HEADLINES, as_markdown, compare, headline_of, overview
from radloom.evaluation.files import score_answer_file, score_image_folder, score_report_file
from radloom.evaluation.glossary import LOWER_IS_BETTER, MEASURES, NEITHER, SYSTEMS, better
from radloom.evaluation.page import render
from radloom.evaluation.run import NAMED_ONLY, TASKS, evaluate
from radloom.evaluation.table import CONSTANT, GAP, NEIGHBOUR, Board, Score, Tally
from radloom.scores.statistics import Bootstrap, mean
from radloom.study import Report, View

pytestmark = pytest.mark.usefixtures("meteor_read_once")


@pytest.fixture(scope="module")
def everything(model: radloom.Model, studies: Manifest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Board, Path]:
    out = tmp_path_factory.mktemp("scores")
    return evaluate(model, studies, out, name="tiny", adapters=[], views=list(View)), out


def test_every_task_is_scored_and_every_measure_and_column_explained(everything: tuple[Board, Path]) -> None:
    board, out = everything
    assert board.tasks() == [task for task in TASKS if task not in NAMED_ONLY]
    assert board.warnings[0].startswith("Only 6 studies are scored")
    text = (out / "README.md").read_text(encoding="utf-8")
    for score in board.scores:
        measure = score.name.partition("[")[0]
        assert measure in MEASURES or score.interval is None, score.name
        assert f"- `{measure}`:" in text or score.interval is None
        assert score.system == "tiny" or score.system in SYSTEMS


def test_no_score_is_a_blank(everything: tuple[Board, Path]) -> None:
    board, _ = everything
    for score in board.scores:
        if score.interval is None:
            assert re.match("(unavailable|error): .", score.why), score
        else:
            assert np.isfinite([score.interval.value, score.interval.low, score.interval.high]).all(), score
            assert score.n > 0
    assert not [score for score in board.scores if score.why.startswith("error")]


def test_the_board_on_disk_is_the_board(everything: tuple[Board, Path], model: radloom.Model) -> None:
    board, out = everything
    read = Board.read(out / "scores.json")
    assert read == Board.read(out)
    assert [(s.name, s.system, s.n, s.why) for s in read.scores] == [
        (s.name, s.system, s.n, s.why) for s in board.scores
    ]
    for ours, theirs in zip(board.scores, read.scores, strict=True):
        assert (ours.interval is None) == (theirs.interval is None)
        if ours.interval is not None and theirs.interval is not None:
            assert ours.interval == theirs.interval
            np.testing.assert_allclose(ours.interval.draws, theirs.interval.draws, rtol=1e-6)
    assert read.signature["model"] == model.fingerprint
    assert {"transform", "labeller", "bootstrap", "torch", "sampling", "manifest"} <= set(read.signature)


def test_the_page_holds_all_tables_and_pictures_and_fetches_nothing(everything: tuple[Board, Path]) -> None:
    board, out = everything
    page = (out / "index.html").read_text(encoding="utf-8")
    for score in board.scores:
        assert score.name in page
    assert page.count("data:image/svg+xml;base64,") >= 4
    assert page.count("data:image/png;base64,") >= 3
    assert not re.search(r"(src|href)=[\"']?(http|//)", page)


def test_the_page_says_what_scores_mean_and_which_end_is_better(everything: tuple[Board, Path]) -> None:
    page = (everything[1] / "index.html").read_text(encoding="utf-8")
    assert 'title="Structural similarity of original and reconstruction' in page
    assert 'title="A training report, answer, label or image drawn at random.' in page
    assert set(MEASURES) >= LOWER_IS_BETTER | NEITHER
    marks = {name: better(f"{name}[x]") for name in ("bleu4", "frechet", "words")}
    assert marks == {"bleu4": "\N{UPWARDS ARROW}", "frechet": "\N{DOWNWARDS ARROW}", "words": ""}
    assert re.search(r"frechet\[[^<]*<span class=\"better\">\N{DOWNWARDS ARROW}</span>", page)


def test_the_page_shows_texts_as_texts(everything: tuple[Board, Path]) -> None:
    board, _ = everything
    nasty = replace(board, warnings=("<script>alert(1)</script>",))
    assert "<script>" not in render(nasty, [])


def test_a_second_call_goes_on_with_the_predictions(
    everything: tuple[Board, Path], model: radloom.Model, studies: Manifest
) -> None:
    board, out = everything
    files = sorted((out / "predictions").glob("*.jsonl"))
    names = ["ask-shuffled-val", "ask-val", "image-frontal-val", "image-lateral-val", "report-val"]
    assert [file.stem for file in files] == names
    stamps = [file.stat().st_mtime_ns for file in files]
    again = evaluate(model, studies, out, name="tiny", adapters=[], views=list(View))
    assert [file.stat().st_mtime_ns for file in files] == stamps
    assert [(s.name, s.system, s.interval) for s in again.scores] == [
        (s.name, s.system, s.interval) for s in board.scores
    ]


def test_a_board_of_other_studies_is_left_alone(
    everything: tuple[Board, Path], model: radloom.Model, studies: Manifest
) -> None:
    _, out = everything
    before = (out / "scores.json").read_bytes()
    with pytest.raises(RadloomError, match="holds scores of another choice of studies;"):
        evaluate(model, studies, out, limit=2)
    assert (out / "scores.json").read_bytes() == before


def test_a_board_of_other_settings_is_left_alone(
    everything: tuple[Board, Path], model: radloom.Model, studies: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out = everything
    before = (out / "scores.json").read_bytes()
    monkeypatch.setattr(model, "config", replace(model.config, text=replace(model.config.text, max_tokens=20)))
    with pytest.raises(RadloomError, match="holds scores of another setting;"):
        evaluate(model, studies, out, adapters=[])
    assert (out / "scores.json").read_bytes() == before


def test_a_board_with_more_tasks_or_views_is_left_alone(
    everything: tuple[Board, Path], model: radloom.Model, studies: Manifest
) -> None:
    _, out = everything
    before = (out / "scores.json").read_bytes()
    with pytest.raises(
        RadloomError, match="also holds scores of classifier, codec, question, image, which would be lost"
    ):
        evaluate(model, studies, out, tasks=["report"], adapters=[])
    with pytest.raises(RadloomError, match="also holds scores of lateral, which would be lost"):
        evaluate(model, studies, out, adapters=[])
    assert (out / "scores.json").read_bytes() == before


def test_scores_of_files_leave_other_boards_alone(
    everything: tuple[Board, Path], studies: Manifest, vision: Vision, tmp_path: Path
) -> None:
    _, out = everything
    before = (out / "scores.json").read_bytes()
    reports, folder = tmp_path / "reports.jsonl", tmp_path / "drawn"
    for score, predictions in (
        (score_report_file, reports),
        (score_answer_file, reports),
        (score_image_folder, folder),
    ):
        with pytest.raises(RadloomError, match="holds scores of another file of predictions and another task"):
            score(predictions, studies, out, vision, name="other")
    assert (out / "scores.json").read_bytes() == before


def test_a_view_that_no_study_has_has_a_row_that_says_so(
    model: radloom.Model, studies: Manifest, tmp_path: Path
) -> None:
    frontal = [replace(row, images=tuple(i for i in row.images if i.view is View.FRONTAL)) for row in studies]
    board = evaluate(
        model, replace(studies, rows=frontal), tmp_path, tasks=["image"], adapters=[], views=[View.LATERAL]
    )
    assert [(s.name, s.why) for s in board.scores] == [
        ("image[lateral]", "unavailable: no study has both a report and a lateral view")
    ]
    with pytest.raises(RadloomError, match="No view is named"):
        evaluate(model, studies, tmp_path, adapters=[], views=[])


def test_drawings_are_scored_by_the_engine_that_is_named_and_never_mixed(
    any_to_any_model: radloom.Model, studies: Manifest, tmp_path: Path
) -> None:
    board = evaluate(any_to_any_model, studies, tmp_path, tasks=["image"], adapters=[], engine="language")
    assert board.signature["engine"] == board.signature["sampling"]["image"]["engine"] == "language"
    note = json.loads((tmp_path / "predictions" / "image-frontal-val.meta.json").read_text())
    assert note["sampling"]["engine"] == "language"
    assert [folder.name for folder in (tmp_path / "predictions").glob("samples-frontal-val-language-*")]
    with pytest.raises(RadloomError, match="holds scores of another engine"):
        evaluate(any_to_any_model, studies, tmp_path, tasks=["image"], adapters=[])


def test_an_unknown_task_names_the_known_ones(model: radloom.Model, studies: Manifest, tmp_path: Path) -> None:
    with pytest.raises(RadloomError, match="classifier, codec, report, question, image"):
        evaluate(model, studies, tmp_path, tasks=["reports"])


def test_a_task_that_fails_is_an_error_beside_the_others(
    model: radloom.Model, studies: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise RadloomError("the codec is broken; mend it.")

    monkeypatch.setattr("radloom.evaluation.run.score_reconstructions", fail)
    board = evaluate(model, studies, tmp_path, name="tiny", tasks=["codec", "classifier"])
    broken = board.find("codec")
    assert broken and broken.why == "error: the codec is broken; mend it."
    assert "RadloomError" in (tmp_path / "error-codec.txt").read_text(encoding="utf-8")
    assert board.find("accuracy[view, classifier]")
    monkeypatch.undo()
    again = evaluate(model, studies, tmp_path, name="tiny", tasks=["codec", "classifier"])
    assert again.find("codec") is None and not (tmp_path / "error-codec.txt").exists()


def test_nearest_neighbours_never_come_from_what_is_scored(
    model: radloom.Model, studies: Manifest, tmp_path: Path
) -> None:
    board = evaluate(model, studies, tmp_path, split="train", tasks=["report"], adapters=[])
    assert not [score for score in board.scores if score.system in (NEIGHBOUR, CONSTANT)]
    assert board.find("bleu4[findings, r2gen]")
    assert any("no training studies" in warning for warning in board.warnings)


def test_calibration_error_is_the_gap_between_chance_and_share() -> None:
    chances = np.array([[0.75], [0.75], [0.75], [0.75], [0.05]])
    truth = np.array([[1.0], [1.0], [0.0], [np.nan], [0.0]])
    error = calibration_error(chances, truth)(np.ones((1, 5)))[0]
    assert error == pytest.approx((3 * abs(0.75 - 2 / 3) + 0.05) / 4)


# -- files of other systems ------------------------------------------------------------------------------------------


@pytest.fixture
def vision(model: radloom.Model) -> Vision:
    return Vision(model.classifier, model.transform, model.judge)


def test_a_file_of_reports_scores_like_the_model_that_wrote_it(
    everything: tuple[Board, Path], studies: Manifest, vision: Vision, tmp_path: Path
) -> None:
    board, out = everything
    file = out / "predictions" / "report-val.jsonl"
    other = score_report_file(file, studies, tmp_path, vision, name="tiny", adapters=[])
    compared = compare(board, other)
    paired = [row.difference for row in compared if row.difference]
    assert len(paired) > 50
    assert {(gap.value, gap.p) for gap in paired} == {(0, 1)}
    assert {row.why for row in compared if not row.difference} <= {"a count, without draws", "no value on one side"}
    assert "| bleu4[findings, r2gen] |" in as_markdown(compared, "a", "b")


def test_many_boards_beside_one(everything: tuple[Board, Path], tmp_path: Path) -> None:
    board, _ = everything
    name = headline_of(board, HEADLINES[0][1])
    better = [
        replace(score, interval=replace(score.interval, value=score.interval.value + 1, draws=score.interval.draws + 1))
        if score.interval and (score.name, score.system) == (name, board.model)
        else score
        for score in board.scores
    ]
    blank = [heading for heading, headline, system in HEADLINES if not board.find(headline_of(board, headline), system)]
    assert blank == ["that of impressions"]  # which are too few here
    head, _, own, same, other = overview(board, [board, replace(board, scores=better)]).splitlines()
    assert head.startswith("| recipe | BLEU-4 | micro F1 | its shuffle gap |")
    assert f"| {board.find(name)} |" in own
    assert "| +0.000 [+0.000, +0.000] |" in same and "*" not in same
    assert "| +1.000 [+1.000, +1.000] * |" in other and other.count("*") == 1


def test_a_folder_of_drawings_scores_like_the_model_that_drew_them(
    everything: tuple[Board, Path], studies: Manifest, vision: Vision, tmp_path: Path
) -> None:
    board, out = everything
    lines = score_image_folder(
        out / "predictions" / "image-frontal-val.jsonl", studies, tmp_path / "a", vision, name="tiny", adapters=[]
    )
    folder = score_image_folder(
        out / "predictions" / "image-frontal-val", studies, tmp_path / "b", vision, name="tiny", adapters=[]
    )
    for other in (lines, folder):
        paired = {row.name: row.difference for row in compare(board, other) if row.difference}
        assert {"frechet[frontal, radloom-classifier]", "precision[frontal, radloom-classifier, k=5]"} <= set(paired)
        assert {gap.value for gap in paired.values()} == {0}


def test_a_file_of_answers(everything: tuple[Board, Path], studies: Manifest, vision: Vision, tmp_path: Path) -> None:
    board, out = everything
    other = score_answer_file(out / "predictions" / "ask-val.jsonl", studies, tmp_path, vision, name="other")
    name = "accuracy[closed, indiana, written by rule]"
    ours, theirs = board.find(name), other.find(name)
    assert ours and theirs and ours.interval == theirs.interval


def test_a_report_with_headings_is_taken_apart(studies: Manifest, vision: Vision, tmp_path: Path) -> None:
    lines = [
        {"uid": row.uid, "report": f"FINDINGS: {row.report.findings} IMPRESSION: {row.report.impression}"}
        for row in studies.split("val")
    ]
    board = score_report_file(write_lines(tmp_path / "p.jsonl", lines), studies, tmp_path, vision, name="x")
    score = board.find("bleu4[findings, r2gen]")
    assert score and score.interval and score.interval.value == pytest.approx(1, abs=1e-6)


def test_keys_that_are_not_read_are_named(studies: Manifest, vision: Vision, tmp_path: Path) -> None:
    lines = [{"uid": row.uid, "text": "Clear.", "impression": "Clear."} for row in studies.split("val")]
    board = score_report_file(
        write_lines(tmp_path / "p.jsonl", lines), studies, tmp_path, vision, name="x", adapters=[]
    )
    assert "Of p.jsonl the keys 'text' were not read." in board.warnings


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([{"uid": "CXR3", "findings": "a"}, {"uid": "CXR3", "findings": "b"}], "has uid 'CXR3' twice"),
        ([{"findings": "a"}], "object 1 has no 'uid'"),
        ([{"uid": "CXR3"}], "neither findings nor impression nor report"),
        ([{"uid": "CXR3", "findings": None}], "no text 'findings'"),
        ([["CXR3"]], "line 1 is not a JSON object"),
    ],
)
def test_bad_files_of_reports(
    lines: list[dict[str, str]], message: str, studies: Manifest, vision: Vision, tmp_path: Path
) -> None:
    file = write_lines(tmp_path / "p.jsonl", lines)
    with pytest.raises(RadloomError, match=message):
        score_report_file(file, studies, tmp_path / "out", vision, name="x")
    assert not (tmp_path / "out").exists()


def test_files_that_are_not_there(studies: Manifest, vision: Vision, tmp_path: Path) -> None:
    with pytest.raises(RadloomError, match="does not exist"):
        score_report_file(tmp_path / "no.jsonl", studies, tmp_path, vision, name="x")
    with pytest.raises(RadloomError, match=r"no\.json cannot be read"):
        Board.read(tmp_path / "no.json")
    (tmp_path / "scores.json").write_text("{}")
    with pytest.raises(RadloomError, match=r"is not a scores\.json of this version"):
        Board.read(tmp_path)


# -- tables and comparisons ------------------------------------------------------------------------------------------


def board_of(values: list[float], studies: list[str], model: str = "m") -> Board:
    tally = Tally("report", model, studies)
    tally.add(model, {"bleu4[findings]": Bootstrap(studies, 200)(mean(values)), "gone[x]": "unavailable: not there"})
    return Board(model, tuple(tally.scores), {})


def test_paired_scores_differ_with_an_interval_and_unpaired_ones_say_why() -> None:
    names = [f"s{i}" for i in range(40)]
    values = np.random.default_rng(0).random(40)
    a, b = board_of(values.tolist(), names), board_of((values + 0.05).tolist(), names)
    by_name = {row.name: row for row in compare(a, b)}
    gap = by_name["bleu4[findings]"].difference
    assert gap and gap.value == pytest.approx(0.05) and gap.low == pytest.approx(0.05) and gap.p < 0.02
    assert by_name["gone[x]"].why == "no value on one side"
    with pytest.raises(RadloomError, match=r"None of the 2 scores .* not paired: other studies"):
        compare(a, board_of(values.tolist(), names[::-1]))
    with pytest.raises(RadloomError, match="No system 'nearest'"):
        compare(a, b, system_a="nearest")
    with pytest.raises(RadloomError, match="no score in common"):
        compare(a, Board("m", (replace(a.scores[0], name="other[x]"),), {}))


def test_a_gap_keeps_its_p_value_on_disk(tmp_path: Path) -> None:
    tally = Tally("report", "m", [str(i) for i in range(30)])
    draw = Bootstrap(30, 100)
    tally.add("m", {"x[y]": draw(mean(np.arange(30.0)))})
    tally.add("shuffled", {"x[y]": draw(mean(np.arange(30.0) - 1))})
    tally.gaps()
    Board("m", tuple(tally.scores), {}).write(tmp_path)
    gap = Board.read(tmp_path).find("x[y]", GAP)
    assert gap and gap.interval and gap.interval.value == 1
    assert json.loads((tmp_path / "scores.json").read_text())["scores"][-1]["p"] == pytest.approx(2 / 101)


def test_scores_without_their_draws_are_refused(tmp_path: Path) -> None:
    board_of([1.0, 2.0], ["a", "b"]).write(tmp_path)
    (tmp_path / "draws.npz").unlink()
    with pytest.raises(RadloomError, match="keep the two files together"):
        Board.read(tmp_path)
    board_of([1.0, 2.0], ["a", "b"]).write(tmp_path)
    whole = (tmp_path / "draws.npz").read_bytes()
    (tmp_path / "draws.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RadloomError, match="was written by another call"):
        Board.read(tmp_path)


def test_scores_print_as_value_and_interval() -> None:
    board = board_of([0.0, 1.0, 1.0], ["a", "b", "c"])
    assert str(board.scores[0]) == "0.667 [0.000, 1.000]"
    assert str(board_of([1.0, 1.0], ["a", "b"]).scores[0]) == "1.000 [1.000, 1.000]"
    assert str(board_of([-0.0004, 0.0], ["a", "b"]).scores[0]) == "0.000 [0.000, 0.000]"
    assert str(board.scores[1]) == "unavailable: not there"
    count = Tally("report", "m", ["a"])
    count.count("m", "different_texts[findings]", 12)
    assert str(count.scores[0]) == "12"
    assert isinstance(count.scores[0], Score)


def test_a_single_study_has_no_shuffled_column(new_bench: NewBench, studies: Manifest) -> None:
    from radloom.evaluation.reports import score_written

    val = studies.split("val")
    bench: Bench = new_bench(replace(val, rows=val.rows[:1]))
    score_written(bench, {val.rows[0].uid: val.rows[0].report}, adapters=[])
    assert GAP not in {score.system for score in bench.scores}


def test_rows_are_shuffled_across_patients_and_keep_their_view() -> None:
    patients, views = ["a", "a", "b", "b", "c", "c", "c"], ["f", "l", "f", "l", "f", "l", "l"]
    order = another(patients, views)
    assert order is not None
    assert all(patients[place] != patients[row] and views[place] == views[row] for row, place in enumerate(order))
    assert another(["a", "a"]) is None


def test_written_reports_meet_ten_other_patients() -> None:
    patients = [str(i) for i in range(40)]
    orders = np.stack(others(patients))
    assert orders.shape == (10, 40)
    assert all(len({*column, own}) == 11 for own, column in enumerate(orders.T))
    assert len(others(["a", "b", "c"])) == 2
    assert others(["a", "a"]) == []


def test_scores_of_another_judge_or_labeller_are_not_paired(everything: tuple[Board, Path]) -> None:
    board, _ = everything
    judged = replace(board, signature={**board.signature, "judge": "other"})
    rows = {row.name: row for row in compare(board, judged)}
    assert "--judge" in rows["frechet[frontal, radloom-classifier]"].why
    assert rows["bleu4[findings, r2gen]"].difference
    with pytest.raises(RadloomError, match="can be compared: not paired: another classifier judged"):
        compare(board, judged, NEIGHBOUR, NEIGHBOUR)  # the classifier's features say what is near
    labelled = replace(board, signature={**board.signature, "labeller": "rule-labeller version 0"})
    rows = {row.name: row for row in compare(board, labelled)}
    assert "labeller" in rows["f1_micro[14 observations, findings, rule-labeller, uncertain=negative]"].why
    cut = replace(board, signature={k: v for k, v in board.signature.items() if k != "protocol"})
    rows = {row.name: row for row in compare(board, cut)}
    assert "references cut otherwise" in rows["bleu4[findings, r2gen]"].why
    other = replace(board, signature={**board.signature, "manifest": "other"})
    with pytest.raises(RadloomError, match="can be compared: not paired: other studies or texts"):
        compare(board, other)


def test_gaps_of_another_shuffling_are_not_paired(everything: tuple[Board, Path]) -> None:
    board, _ = everything
    before = replace(board, signature={k: v for k, v in board.signature.items() if k != "shuffled"})
    assert {row.name: row for row in compare(board, before)}["bleu4[findings, r2gen]"].difference
    gaps = {row.name: row for row in compare(board, before, GAP, GAP)}
    assert "shuffled among another number of patients" in gaps["bleu4[findings, r2gen]"].why
    told = {row.a.task: row.why for row in gaps.values() if not row.difference}
    assert "shuffled among" in told["report"] and "shuffled among" not in told.get("question", "")
    assert any(row.a.task == "question" for row in gaps.values())
    reports = [replace(one, scores=[s for s in one.scores if s.task == "report"]) for one in (board, before)]
    with pytest.raises(RadloomError, match="shuffled among another number of patients"):
        compare(*reports, GAP, GAP)
    *_, row = overview(reports[0], [reports[1]]).splitlines()
    assert "shuffled among another number" in row and "+0.000 [+0.000, +0.000]" in row


def test_an_unknown_adapter_names_the_known_ones(model: radloom.Model, studies: Manifest, tmp_path: Path) -> None:
    with pytest.raises(RadloomError, match=r"Unknown measure 'chexpert'.*chexbert"):
        evaluate(model, studies, tmp_path, adapters=["chexpert"])


def test_a_task_without_studies_is_told_only_where_it_was_asked_for(
    model: radloom.Model, studies: Manifest, tmp_path: Path
) -> None:
    bare = replace(studies, rows=[replace(row, report=Report(), labels={}) for row in studies])
    quiet = evaluate(model, bare, tmp_path / "a", adapters=[], limit=2)
    assert quiet.tasks() == ["codec"]
    asked = evaluate(model, bare, tmp_path / "b", tasks=["report"])
    assert asked.scores[0].why.endswith("has nothing for this task.")
    nothing = replace(bare, rows=[replace(row, images=()) for row in bare])
    with pytest.raises(RadloomError, match="'val' of indiana has nothing to score"):
        evaluate(model, nothing, tmp_path / "c")
