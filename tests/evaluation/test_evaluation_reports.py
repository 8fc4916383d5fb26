"""What is right scores as right, baselines stand on the same rows, and planted faults are caught."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import radloom
from evaluation.conftest import NewBench, found, value
from radloom.corpora.manifest import Manifest
from radloom.errors import RadloomError
from radloom.evaluation.bench import Bench, Vision, others
from radloom.evaluation.labels import constant_labels
from radloom.evaluation.reports import score_written, stated
from radloom.evaluation.table import CONSTANT, CONSTANT_LABELS, GAP, NEIGHBOUR, RANDOM, SHUFFLED
from radloom.scores import adapters
from radloom.scores.meteor import meteor_data
from radloom.study import OBSERVATIONS, SIGNS, Mention, Report

pytestmark = pytest.mark.usefixtures("meteor_read_once")

MICRO = "f1_micro[14 observations, findings, rule-labeller, uncertain=negative]"


def truth(manifest: Manifest) -> dict[str, Report]:
    return {row.uid: row.report for row in manifest}


def test_the_truth_scores_best_and_another_patients_report_scores_less(new_bench: NewBench, studies: Manifest) -> None:
    bench = new_bench(studies)
    score_written(bench, truth(studies), adapters=[])
    scores = found(bench)
    for name in ("bleu4[findings, r2gen]", "rouge_l[findings, r2gen]", "sacrebleu[findings, 13a, exp]", MICRO):
        assert value(scores[name, "oracle"]) == pytest.approx(1, abs=1e-6)
        assert value(scores[name, SHUFFLED]) < 0.9
        assert value(scores[name, GAP]) == pytest.approx(1 - value(scores[name, SHUFFLED]), abs=1e-6)
    assert value(scores["made_up[findings a report, findings, rule-labeller, uncertain=negative]", "oracle"]) == 0
    assert value(scores["missed[findings a report, findings, rule-labeller, uncertain=negative]", SHUFFLED]) > 0
    assert not [warning for warning in bench.warnings if "findings section does not show" in warning]


def test_signs_are_scored_beside_the_observations(new_bench: NewBench, studies: Manifest) -> None:
    said = {"0": "The lungs are hyperexpanded.", "1": "Thoracic spondylosis.", "2": "No hyperinflation."}
    rows = [row for row in studies if row.report.findings]
    texts = {row.uid: Report(findings=said[str(i % 3)]) for i, row in enumerate(rows)}
    told = Manifest([replace(row, report=texts[row.uid]) for row in rows], studies.root, studies.corpus)
    bench = new_bench(told)
    ours = {row.uid: Report(findings="The lungs are hyperexpanded. Heart size is normal.") for row in rows}
    score_written(bench, ours, adapters=[])
    scores = found(bench)
    named = "findings, rule-labeller, uncertain=negative]"
    hyper = np.mean([i % 3 == 0 for i in range(len(rows))])
    assert value(scores[f"precision[Hyperinflation, {named}", "oracle"]) == pytest.approx(hyper)
    assert value(scores[f"recall[Hyperinflation, {named}", "oracle"]) == 1
    assert value(scores[f"f1[Degenerative Spine, {named}", "oracle"]) == 0
    assert value(scores[f"f1_micro[{len(SIGNS)} signs, {named}", CONSTANT_LABELS]) >= 0
    assert value(scores[f"recall_micro[{len(SIGNS)} signs, {named}", "oracle"]) == pytest.approx(
        hyper / np.mean([i % 3 != 2 for i in range(len(rows))])
    )


def test_texts_of_mimic_are_scored_by_its_protocol(new_bench: NewBench, studies: Manifest) -> None:
    bench = new_bench(Manifest(studies.split("val").rows, studies.root, "mimic-cxr"))
    score_written(bench, truth(bench.split), adapters=[])
    words = {score.name for score in bench.scores if score.name.startswith(("bleu4", "rouge_l", "cider", "meteor"))}
    assert words and all("r2gen-mimic" in name for name in words)


def test_studies_of_one_patient_are_drawn_together(new_bench: NewBench, studies: Manifest) -> None:
    rows = studies.split("val").rows
    bench = new_bench(Manifest([replace(r, patient=f"p{i // 2}") for i, r in enumerate(rows)], studies.root, "made up"))
    weights = bench.bootstrap([row.uid for row in rows]).weights()
    assert (weights[:, ::2] == weights[:, 1::2]).all() and len(np.unique(weights)) > 2
    assert bench.bootstrap([row.uid for row in rows], samples=7).weights().shape == (7, len(rows))


def test_the_shuffled_model_is_the_mean_over_other_patients(new_bench: NewBench, studies: Manifest) -> None:
    bench = new_bench(studies)
    score_written(bench, truth(studies), adapters=[])
    rows = [row for row in studies if row.report.findings]
    there = stated([row.report.findings for row in rows], "uncertain=negative")[:, 1:-1]  # not No Finding, not devices
    made_up = [(there[order] & ~there).sum(1).mean() for order in others([row.patient for row in rows])]
    score = found(bench)["made_up[findings a report, findings, rule-labeller, uncertain=negative]", SHUFFLED]
    assert len(set(made_up)) > 1 and value(score) == pytest.approx(np.mean(made_up))
    assert score.n == len(rows)


def test_every_system_stands_on_the_same_rows(new_bench: NewBench, studies: Manifest) -> None:
    train = studies.split("train")
    bench = new_bench(train, train)
    score_written(bench, truth(train), adapters=[])
    scores = found(bench)
    name = "rouge_l[findings, r2gen]"
    assert value(scores[name, NEIGHBOUR]) == pytest.approx(1)  # the nearest of the rows themselves
    assert value(scores[name, CONSTANT]) < 0.9
    assert value(scores[name, RANDOM]) < 0.9
    assert len({(score.n, score.studies) for score in bench.scores if "findings" in score.name}) == 1
    assert value(scores["different_texts[findings]", CONSTANT]) == 1


def test_uncertain_mentions_count_by_the_rule_that_the_name_states() -> None:
    texts = ["Possible right pleural effusion.", "Large right pleural effusion."]
    effusion = OBSERVATIONS.index("Pleural Effusion")
    assert stated(texts, "uncertain=negative")[:, effusion].tolist() == [False, True]
    assert stated(texts, "uncertain=positive")[:, effusion].tolist() == [True, True]


def test_a_corpus_that_lacks_a_section_and_training_reports(new_bench: NewBench, studies: Manifest) -> None:
    val = studies.split("val")
    rows = [replace(row, report=Report(findings=row.report.findings)) for row in val]
    bare = replace(studies, rows=[replace(row, report=Report()) for row in studies.split("train")])
    bench = new_bench(replace(val, rows=rows), bare)
    score_written(bench, truth(val), adapters=[])
    assert {score.system for score in bench.scores} == {"oracle", SHUFFLED, GAP}
    assert not [score for score in bench.scores if "impression" in score.name]


# -- planted faults --------------------------------------------------------------------------------------------------


def test_a_blind_model_is_told_so(new_bench: NewBench, studies: Manifest) -> None:
    bench = new_bench()
    blind = {uid: Report("There is a right pleural effusion.", "See findings.") for uid in truth(studies.split("val"))}
    score_written(bench, blind, adapters=[])
    gap = found(bench)[MICRO, GAP].interval
    assert gap is not None and gap.value == 0 and (gap.low, gap.high) == (0, 0)
    assert any(
        "findings section does not show that the model looks at the image" in warning for warning in bench.warnings
    )


def test_swapped_sections_are_told(new_bench: NewBench, studies: Manifest) -> None:
    right, swapped = new_bench(), new_bench()
    reports = truth(studies.split("val"))
    score_written(right, reports, adapters=[])
    turned = {uid: Report(report.impression, report.findings) for uid, report in reports.items()}
    score_written(swapped, turned, adapters=[])
    assert any("look swapped" in warning for warning in swapped.warnings)
    assert not any("look swapped" in warning for warning in right.warnings)


def test_a_study_without_a_prediction_is_an_error_and_a_strange_one_is_named(
    new_bench: NewBench, studies: Manifest
) -> None:
    reports = truth(studies.split("val"))
    left_out, *_ = reports
    with pytest.raises(RadloomError, match=rf"1 of 6 studies have no prediction, '{left_out}' first"):
        score_written(new_bench(), {uid: r for uid, r in reports.items() if uid != left_out}, adapters=[])
    bench = new_bench()
    score_written(bench, reports | {"nobody": Report("Clear.")}, adapters=[])
    assert "Predictions that this split has no studies for were not used: 'nobody'." in bench.warnings


class _Labels(adapters.LabelAdapter):
    name, weights, package, distribution, install = "chexbert", "fake", "sys", "fake", "pip install fake"

    @classmethod
    def missing(cls) -> list[str]:
        return []

    def __init__(self) -> None:
        self.seen: list[str] = []

    def _label(self, texts: list[str]) -> list[list[Mention | None]]:
        self.seen += texts
        effusion = OBSERVATIONS.index("Pleural Effusion")
        rows: list[list[Mention | None]] = [[None] * len(OBSERVATIONS) for _ in texts]
        for row, text in zip(rows, texts, strict=True):
            row[effusion] = Mention.POSITIVE if "effusion" in text else None
        return rows


class _Broken(adapters.TextAdapter):
    name, weights, package, distribution, install = "radgraph", "fake", "sys", "fake", "pip install fake"

    @classmethod
    def missing(cls) -> list[str]:
        return []

    def __init__(self) -> None:
        pass

    def _score(self, references: list[str], hypotheses: list[str]) -> dict[str, Any]:
        return {"radgraph_e": np.full(len(references), np.nan)}


def test_learned_measures_are_scored_and_a_broken_one_is_an_error_beside_the_rest(
    new_bench: NewBench, studies: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters.BertScore, "package", "a_package_that_nobody_has")
    bench = new_bench()
    score_written(bench, truth(studies.split("val")), (_Labels, _Broken, adapters.BertScore))
    scores = found(bench)
    assert value(scores["f1_micro[14 observations, findings, chexbert, uncertain=negative]", "oracle"]) == 1
    broken = scores["radgraph[findings]", "oracle"]
    assert broken.interval is None
    assert broken.why.startswith("error: Adapter radgraph gave radgraph_e that hold NaN")
    lacking = scores["bertscore[findings]", "oracle"]
    assert lacking.why.startswith("unavailable: ") and "pip install bert-score" in lacking.why
    assert value(scores["bleu4[findings, r2gen]", "oracle"]) == pytest.approx(1, abs=1e-6)


def test_meteor_without_its_tables_is_unavailable(
    new_bench: NewBench, studies: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radloom.evaluation.reports.meteor_data", meteor_data)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    bench = new_bench()
    score_written(bench, truth(studies.split("val")), adapters=[])
    score = found(bench)["meteor[findings, r2gen]", "oracle"]
    assert score.interval is None and "pip install --no-deps pycocoevalcap" in score.why


def test_the_labels_that_do_best_for_everybody_are_a_baseline(new_bench: NewBench, studies: Manifest) -> None:
    bench = new_bench(studies)
    score_written(bench, truth(studies), adapters=[])
    best = value(found(bench)[MICRO, CONSTANT_LABELS])
    assert best >= value(found(bench)[MICRO, CONSTANT])
    labels = np.array([[1, 0, 1], [1, 0, 0], [1, 1, 0], [0, 0, 0]], bool)
    assert constant_labels(labels).tolist() == [True, False, False]


def test_a_section_that_was_never_written_is_unavailable(new_bench: NewBench, studies: Manifest) -> None:
    bench = new_bench()
    score_written(bench, {uid: Report(findings=r.findings) for uid, r in truth(studies).items()}, adapters=[])
    assert found(bench)["words[impression]", "oracle"].why == "unavailable: nothing was written as impression"
    assert not [score for score in bench.scores if "impression" in score.name and score.interval]


def test_a_system_cannot_bear_the_name_of_a_baseline(studies: Manifest, model: radloom.Model) -> None:
    with pytest.raises(RadloomError, match="'random' is what a column of baselines is called"):
        Bench("random", studies, studies, Vision(model.classifier, model.transform))


def test_nothing_to_score_is_an_error(new_bench: NewBench, studies: Manifest) -> None:
    bare = replace(studies, rows=[replace(row, report=Report()) for row in studies])
    with pytest.raises(RadloomError, match="has no study with a report and an image"):
        score_written(new_bench(bare), {}, adapters=[])
