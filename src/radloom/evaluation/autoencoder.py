"""What the latent of a report keeps of it: the most that reports made by diffusion can get.

Reports are cleaned, as they were for training, sent through the report autoencoder and compared with themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from radloom.diffusion.autoencoder import token_f1
from radloom.diffusion.model import AnyToAny
from radloom.evaluation.bench import Bench
from radloom.evaluation.labels import constant_labels
from radloom.evaluation.table import CONSTANT, CONSTANT_LABELS, Results, Tally
from radloom.reports.cleaning import clean_sections
from radloom.reports.labeller import NAME as LABELLER
from radloom.reports.labeller import verdicts
from radloom.reports.report_text import report_from_text, report_to_text
from radloom.scores.baselines import constant_report
from radloom.scores.classification import score_f1
from radloom.scores.names import CERTAIN, score_name
from radloom.scores.statistics import mean
from radloom.study import OBSERVATIONS, Mention, Report

TASK = "autoencoder"

SECTIONS = "findings and impression"


def score_autoencoder(
    bench: Bench, model: AnyToAny, batch_size: int = 16, progress: Callable[[int, int], None] | None = None
) -> None:
    """Score the reports of the split, written again from their latents, beside one report for everybody.

    Args:
        bench: gathers the scores.
        model: whose autoencoder is scored.
        batch_size: reports at a time.
        progress: told of reports done and in all.
    """
    rows = [row for row in bench.split if row.report]
    truth = [clean_sections(row.report) for row in rows]
    systems = {bench.name: written_again(model, truth, batch_size, progress)}
    known = [clean_sections(row.report) for row in bench.train if row.report]
    if known:
        systems[CONSTANT] = [report_from_text(constant_report([report_to_text(report) for report in known]))] * len(
            rows
        )
    tally = Tally(TASK, bench.name, [row.uid for row in rows])
    draw = bench.bootstrap(tally.studies)
    said, ids = _verdicts(truth), [model.tokenizer.encode(report) for report in truth]

    def content(stated: np.ndarray) -> Results:
        return score_f1(_positive(said), stated, OBSERVATIONS, SECTIONS, LABELLER, CERTAIN, bootstrap=draw)

    for system, reports in systems.items():
        words = [token_f1(a, model.tokenizer.encode(b)) for a, b in zip(ids, reports, strict=True)]
        found = _verdicts(reports)
        same = score_name("verdict_agreement", "14 observations", SECTIONS, LABELLER)
        tally.add(system, {score_name("token_f1", SECTIONS): draw(mean(words))})
        tally.add(system, {same: draw(mean((said == found).mean(1)))})
        tally.add(system, content(_positive(found)))
        tally.count(system, score_name("different_texts", SECTIONS), len(set(reports)))
    if known:
        best = constant_labels(_positive(_verdicts(known)))
        tally.add(CONSTANT_LABELS, content(np.repeat(best[None], len(rows), axis=0)))
    bench.scores += tally.scores


def written_again(
    model: AnyToAny, reports: Sequence[Report], batch_size: int, progress: Callable[[int, int], None] | None = None
) -> list[Report]:
    """Reports as their latents give them back."""
    longest = model.config.autoencoder.longest
    again: list[Report] = []
    for start in range(0, len(reports), batch_size):
        ids = model.tokenizer.batch(reports[start : start + batch_size], longest).to(model.device)
        again += model.write(model.autoencoder.encode(ids))
        if progress:
            progress(len(again), len(reports))
    return again


def _verdicts(reports: Sequence[Report]) -> np.ndarray:
    """What each report says of each observation: (n, 14) of mentions, or None where it says nothing."""
    return np.array([verdicts(report) for report in reports], object)


def _positive(verdicts: np.ndarray) -> np.ndarray:
    return np.asarray(verdicts == Mention.POSITIVE, bool)
