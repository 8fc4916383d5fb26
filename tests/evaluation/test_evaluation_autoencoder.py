"""Reports written again from their latents are compared with themselves, beside one report for everybody."""

from collections.abc import Callable
from pathlib import Path

import pytest

import radloom
from evaluation.conftest import NewBench, found, value
from radloom.corpora.manifest import Manifest
from radloom.evaluation import autoencoder
from radloom.evaluation.autoencoder import score_autoencoder
from radloom.evaluation.glossary import MEASURES
from radloom.evaluation.run import evaluate
from radloom.evaluation.table import CONSTANT, CONSTANT_LABELS, Score
from radloom.study import Report

WHOLE = "findings and impression"
WORDS = f"token_f1[{WHOLE}]"
SAME = f"verdict_agreement[14 observations, {WHOLE}, rule-labeller]"
MICRO = f"f1_micro[14 observations, {WHOLE}, rule-labeller, uncertain=negative]"


def test_the_task_runs_where_it_is_named(any_to_any_model: radloom.Model, studies: Manifest, tmp_path: Path) -> None:
    board = evaluate(any_to_any_model, studies, tmp_path, name="tiny", tasks=["autoencoder"])
    assert not [score for score in board.scores if score.why.startswith("error")], board.scores
    assert {name.partition("[")[0] for name in (score.name for score in board.scores)} <= MEASURES.keys()
    for name in (WORDS, SAME):
        ours, constant = board.find(name), board.find(name, CONSTANT)
        assert ours and constant and ours.interval and constant.interval
        assert 0 <= ours.interval.low <= ours.interval.high <= 1
    assert board.find(MICRO, CONSTANT_LABELS)


def test_reports_that_come_back_whole_score_best(
    any_to_any_model: radloom.Model, new_bench: NewBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scores(again: Callable[[list[Report]], list[Report]]) -> dict[tuple[str, str], Score]:
        monkeypatch.setattr(autoencoder, "written_again", lambda model, reports, *rest: again(reports))
        bench = new_bench()
        score_autoencoder(bench, any_to_any_model.any_to_any)
        return found(bench)

    perfect = scores(lambda reports: reports)
    spoiled = scores(lambda reports: [Report("There is a large right pneumothorax."), *reports[1:]])
    for name in (WORDS, SAME, MICRO):
        assert value(perfect[name, "oracle"]) == 1 > value(spoiled[name, "oracle"])
    assert value(perfect[WORDS, CONSTANT]) < 1
    assert value(perfect[f"different_texts[{WHOLE}]", CONSTANT]) == 1


def test_a_model_without_report_latents_is_told(model: radloom.Model, studies: Manifest, tmp_path: Path) -> None:
    board = evaluate(model, studies, tmp_path, name="tiny", tasks=["autoencoder"])
    assert board.scores[0].why.startswith("error: This model has no any-to-any part")
