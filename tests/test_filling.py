"""A manifest with its missing parts made: marked, resumable, readable by all that reads manifests."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import tiny
from radloom.corpora.checks import leak_check
from radloom.corpora.manifest import DROPPED, Manifest
from radloom.errors import ManifestError, RadloomError
from radloom.filling import MADE, fill
from radloom.study import Part, Question, Report, View

HOW = {"steps": 2}


@pytest.fixture
def holes(corpus: Manifest) -> Manifest:
    """Study 0 lacks the lateral view, 1 the report, 2 both; the others nothing."""
    rows = list(corpus.rows)
    for i in (0, 2):
        rows[i] = replace(rows[i], images=tuple(r for r in rows[i].images if r.view is View.FRONTAL))
    for i in (1, 2):
        rows[i] = replace(rows[i], report=Report(), labels={})
    return Manifest(rows, corpus.root, corpus.corpus)


def test_missing_parts_are_made_and_marked(any_to_any_model, holes: Manifest, tmp_path: Path) -> None:
    filled, done = fill(any_to_any_model, holes, ["lateral", "report"], tmp_path / "out", **HOW)
    assert (done.new, done.before) == (3, 0)
    assert [row.made for row in filled][:4] == [
        (Part.LATERAL,),
        (Part.REPORT,),
        (Part.LATERAL, Part.REPORT),
        (),
    ]
    again = Manifest.read(tmp_path / "out")
    assert again.rows == filled.rows
    for row in again:
        assert row.image(View.FRONTAL) and row.image(View.LATERAL)
        assert all(again.path(ref).is_file() for ref in row.images)
    drawn = again.path(again.rows[0].image(View.LATERAL))  # type: ignore[arg-type]
    assert "Synthetic" in Image.open(drawn).text["Comment"]  # type: ignore[attr-defined]
    assert again.rows[3].report == holes.rows[3].report


def test_lines_say_what_made_each_part(any_to_any_model, holes: Manifest, tmp_path: Path) -> None:
    fill(any_to_any_model, holes, ["lateral", "report"], tmp_path / "out", **HOW)
    lines = [json.loads(line) for line in (tmp_path / "out" / MADE).read_text().splitlines()]
    assert [line["engines"] for line in lines] == [
        {"lateral": "diffusion"},
        {"report": "language"},
        {"lateral": "diffusion", "report": "language"},
    ]


@pytest.mark.parametrize("how", [{"guidance": 3.0}, {"sampler": "euler"}, {"guidence": 2.0}, {"together": True}])
def test_settings_that_play_no_part_in_any_study_are_refused(
    any_to_any_model, holes: Manifest, tmp_path: Path, how: dict
) -> None:
    with pytest.raises(RadloomError, match=r"counts for the diffusion|Unknown sampler|did you mean"):
        fill(any_to_any_model, holes, ["report"], tmp_path / "out", engine="language", **how)
    assert not (tmp_path / "out").exists()


def test_breaks_that_only_unicode_knows_are_none_of_lines(
    any_to_any_model, holes: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "The lungs\u2028are\x85clear."
    monkeypatch.setattr(type(any_to_any_model), "reports", lambda self, studies, **how: [Report(words)] * len(studies))
    filled, _ = fill(any_to_any_model, holes, ["report"], tmp_path / "out")
    assert [row.report.findings for row in filled if Part.REPORT in row.made] == [words, words]


def test_it_goes_on_where_it_was(any_to_any_model, holes: Manifest, tmp_path: Path) -> None:
    whole, _ = fill(any_to_any_model, holes, ["lateral"], tmp_path / "a", batch_size=2, **HOW)
    fill(any_to_any_model, holes, ["lateral"], tmp_path / "b", batch_size=1, **HOW)
    lines = (tmp_path / "b" / MADE).read_text().splitlines(keepends=True)
    (tmp_path / "b" / MADE).write_text(lines[0] + lines[1][:10])  # as a kill leaves it
    cut, done = fill(any_to_any_model, holes, ["lateral"], tmp_path / "b", batch_size=1, **HOW)
    assert (done.new, done.before, done.repaired) == (1, 1, True)
    assert (tmp_path / "b" / MADE).read_text() == "".join(lines)
    assert [row.made for row in cut] == [row.made for row in whole]
    with pytest.raises(RadloomError, match="begun with another sampling"):
        fill(any_to_any_model, holes, ["lateral"], tmp_path / "b", steps=3)


def test_nothing_missing_or_wanted(any_to_any_model, corpus: Manifest, tmp_path: Path) -> None:
    with pytest.raises(RadloomError, match="studies that lack nothing wanted"):
        fill(any_to_any_model, corpus, ["lateral"], tmp_path / "out", **HOW)
    with pytest.raises(RadloomError, match="Nothing is wanted"):
        fill(any_to_any_model, corpus, [], tmp_path / "out", **HOW)


def test_manifests_of_earlier_versions_are_read(corpus: Manifest, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    corpus.write(tmp_path / "old")
    file = tmp_path / "old" / "manifest.parquet"
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(["made"]), file)
    assert [row.made for row in Manifest.read(tmp_path / "old")] == [()] * len(corpus)


def test_one_study_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from typer.testing import CliRunner

    from radloom.cli import app

    model = tiny.make_model(tmp_path / "both", completing=True)
    chest = tiny.write_chest(tmp_path / "chest.png")
    out = tmp_path / "out"
    command = ["complete", "--frontal", str(chest), "--want", "lateral,report", "-n", "2", "--steps", "2"]
    run = CliRunner().invoke(app, [*command, "-m", str(model), "-o", str(out), "--json"])
    assert run.exit_code == 0, run.output
    data = json.loads(run.stdout)
    names = ["lateral-1.png", "report-1.txt", "lateral-2.png", "report-2.txt"]
    assert [set(report) for report in data["reports"]] == [{"findings", "impression"}] * 2
    assert data["given"] == ["frontal"] and sorted(data["files"]) == sorted(names)
    assert sorted(p.name for p in out.iterdir()) == sorted([*names, "study.json"])
    noted = json.loads((out / "study.json").read_text())
    assert noted["seeds"] == [0, 1] and noted["engines"] == {"lateral": "diffusion", "report": "language"}
    assert noted["denoising"]["steps"] == 2 and noted["denoising"]["together"] is False
    again = CliRunner().invoke(app, [*command, "-m", str(model), "-o", str(out), "--seed", "3"])
    assert again.exit_code == 0 and json.loads((out / "study.json").read_text())["seeds"] == [3, 4]
    fewer = CliRunner().invoke(app, [*command[:-4], "--steps", "2", "-m", str(model), "-o", str(out)])
    assert fewer.exit_code == 2 and "holds lateral-1.png of another completion; name another folder" in fewer.output
    assert not (out / "lateral.png").exists()
    (out / "study.json").write_text("{}")
    foreign = CliRunner().invoke(app, [*command, "-m", str(model), "-o", str(out)])
    assert foreign.exit_code == 2 and "study.json is of something else; name another folder" in foreign.output
    text = tmp_path / "report.txt"
    text.write_text("Größeres Herz.", encoding="utf-8")
    options = ["--report", str(text), "--want", "frontal", "--together", "--steps", "1", "--weights", "report=2"]
    options += ["--candidates", "2"]
    run = CliRunner().invoke(app, ["complete", *options, "-m", str(model), "-o", str(tmp_path / "b"), "--json"])
    assert run.exit_code == 0, run.output
    noted = json.loads(run.stdout)
    assert noted["denoising"]["candidates"] == 2
    assert noted["given"] == ["report"] and noted["denoising"]["together"] and noted["weights"] == {"report": 2.0}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "Nothing is wanted"),
        (["--want", "lateral"], "Name the folder"),
        (["--want", "latral", "-o", "OUT"], "did you mean 'lateral'"),
        (["--want", "frontal", "--frontal", "CHEST", "-o", "OUT"], "both given and wanted"),
        (["--want", "lateral", "--frontal", "CHEST", "--weights", "frontal", "-o", "OUT"], "write PART=WEIGHT"),
        (["FOLDER", "--want", "lateral", "--frontal", "CHEST", "-o", "OUT"], "a manifest brings its own parts"),
        (["CHEST", "--want", "lateral", "-o", "OUT"], "is an image, not a manifest; give it with --frontal"),
        (["report", "--want", "lateral", "-o", "OUT"], "name several parts as --want lateral,report"),
        (["FOLDER", "--want", "lateral", "-n", "2", "-o", "OUT"], "-n is of one study"),
        (["--want", "lateral", "--split", "val", "-o", "OUT"], "--split is of a manifest"),
        (["--want", "lateral", "--batch", "3", "-o", "OUT"], "--batch is of a manifest"),
        (["--want", "frontal", "--report", "missing.txt", "-o", "OUT"], "missing.txt cannot be read"),
        (["--want", "frontal", "--report", "LATIN", "-o", "OUT"], "is no text in UTF-8"),
        (["--want", "lateral", "--report", "", "-o", "OUT"], "empty"),
        (["--want", "lateral", "--report", "Clear.", "--replace", "-o", "OUT"], "--replace is of a manifest"),
    ],
)
def test_bad_requests_are_one_line(tmp_path: Path, options: list[str], says: str) -> None:
    from typer.testing import CliRunner

    from radloom.cli import app

    names = {"OUT": str(tmp_path / "out"), "CHEST": str(tiny.write_chest(tmp_path / "chest.png"))}
    (tmp_path / "latin.txt").write_bytes("Größeres Herz".encode("latin-1"))
    names["FOLDER"] = str(tmp_path)
    names["LATIN"] = str(tmp_path / "latin.txt")
    model = tiny.make_model(tmp_path / "both", completing=True)
    run = CliRunner().invoke(app, ["complete", *(names.get(o, o) for o in options), "-m", str(model)])
    assert run.exit_code == 2
    assert says in run.stderr and run.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_synthetic_corpus_has_no_real_picture(any_to_any_model, holes: Manifest, tmp_path: Path) -> None:
    asked = Question("q", "Is the heart enlarged?", "No", "closed", "presence")
    about_image = replace(asked, qid="r", image=holes.rows[0].images[0].path)
    rows = [replace(holes.rows[0], questions=(asked, about_image)), *holes.rows[1:]]
    given = replace(holes, rows=rows)
    drawn, done = fill(any_to_any_model, given, ["frontal"], tmp_path / "out", redraw=True, **HOW)
    assert (done.new, done.unfit) == (8, {"studies without the parts asked for": 2})
    before = {row.uid: row for row in given}
    assert {row.uid for row in drawn} == before.keys() - {"s1", "s2"}
    real = {given.path(ref).read_bytes() for row in given for ref in row.images}
    for row in drawn:
        old = before[row.uid]
        assert (row.patient, row.split, row.corpus) == (old.patient, old.split, old.corpus)
        assert (row.report, row.labels, row.made) == (old.report, old.labels, (Part.FRONTAL,))
        assert [ref.view for ref in row.images] == [View.FRONTAL]
        assert drawn.path(row.images[0]).is_relative_to(tmp_path / "out")
        assert drawn.path(row.images[0]).read_bytes() not in real
    assert drawn.rows[0].questions == (asked,)
    assert (tmp_path / "out" / DROPPED).read_text().count("no report to draw") == 2
    leak_check([given, drawn])
    assert drawn.synthetic().rows == drawn.rows
    with pytest.raises(ManifestError, match="no image that a model made"):
        given.synthetic()


def test_a_synthetic_corpus_is_drawn_from_reports_alone(any_to_any_model, corpus: Manifest, tmp_path: Path) -> None:
    corpus = replace(corpus, rows=corpus.rows[:1])
    drawn, _ = fill(any_to_any_model, corpus, ["frontal"], tmp_path / "a", redraw=True, **HOW)
    blind = replace(corpus, rows=[replace(row, images=()) for row in corpus])
    same, _ = fill(any_to_any_model, blind, ["frontal"], tmp_path / "b", redraw=True, **HOW)
    files = [m.path(m.rows[0].images[0]) for m in (drawn, same)]
    assert files[0].read_bytes() == files[1].read_bytes()
    with pytest.raises(RadloomError, match="leave the report out"):
        fill(any_to_any_model, corpus, ["frontal", "report"], tmp_path / "c", redraw=True)


def test_two_studies_of_one_name_are_refused(any_to_any_model, holes: Manifest, tmp_path: Path) -> None:
    twice = Manifest([*holes.rows, replace(holes.rows[0], corpus="another")], holes.root, "both")
    with pytest.raises(RadloomError, match="occurs twice in the manifest; complete its corpora one by one"):
        fill(any_to_any_model, twice, ["lateral"], tmp_path / "out", **HOW)
    assert not (tmp_path / "out").exists()
