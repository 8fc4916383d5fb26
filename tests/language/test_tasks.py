from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from radloom.classifier.saliency import SaliencyConfig
from radloom.corpora.tokens import TokenStore
from radloom.errors import ManifestError, RecipeError
from radloom.language.tasks import MixConfig, TaskMix, collate
from radloom.reports.report_text import Sections
from radloom.study import View

SURE = MixConfig(drop_text=0.0, two_views=0.0)
STAGE_2 = MixConfig(
    report=0.2,
    image=0.2,
    question=0.55,
    text=0.05,
    views=(View.FRONTAL,),
    sections=(Sections.IMPRESSION,),
    first_study=True,
)


@pytest.fixture
def mix(rows, store, extended):
    """A function that makes a mix of the made-up corpus."""
    _, tokenizer, ids = extended

    def make(config=SURE, seed=0, rows=rows):
        return TaskMix(rows, store, tokenizer, ids, config, seed)

    return make


def examples(mix, epoch=0):
    return [mix.item(i, epoch) for i in range(len(mix))]


def responses(example):
    """Each run of trained tokens."""
    runs, open_run = [], False
    for token, label in zip(example["input_ids"].tolist(), example["labels"].tolist(), strict=True):
        if label != -100:
            assert label == token
            if not open_run:
                runs.append([])
            runs[-1].append(token)
        open_run = label != -100
    return runs


@pytest.mark.parametrize("config", [SURE, replace(SURE, report=0.5, image=0.2), replace(STAGE_2, drop_text=0.0)])
@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_both_directions_of_every_pair_occur_in_each_epoch(mix, config, epoch):
    seen = {(e["tags"]["task"], e["tags"]["uid"], e["tags"]["view"]) for e in examples(mix(config), epoch)}
    pairs = [(uid, view) for uid in "abc" for view in View] + [("d", View.FRONTAL)]
    for uid, view in pairs:
        if view in config.views:
            assert ("report", uid, view) in seen and ("image", uid, view) in seen


def test_the_mix_is_filled_up_to_its_shares(mix):
    counts = Counter(e["tags"]["task"] for e in examples(mix()))
    assert counts["report"] == counts["image"] == 7
    assert counts["question"] == counts["text"] == round(7 / 0.3 * 0.2)


def test_fill_tasks_go_through_all_their_studies_epoch_by_epoch(mix):
    made = mix(replace(SURE, report=0.8, text=0.1, question=0.1))
    seen = Counter()
    for epoch in range(4):
        seen.update(e["tags"]["uid"] for e in examples(made, epoch) if e["tags"]["task"] == "text")
    assert made.counts["text"] == 2
    assert seen == dict.fromkeys("abcd", 2)


def test_an_example_depends_on_seed_epoch_and_index_alone(mix):
    def sequences(made, epoch):
        return [e["input_ids"].tolist() for e in examples(made, epoch)]

    made = mix()
    first = sequences(made, 0)
    torch.rand(3)
    assert [made.item(i, 0)["input_ids"].tolist() for i in reversed(range(len(made)))][::-1] == first
    assert sequences(mix(), 0) == first
    assert sequences(mix(), 1) != first
    assert sequences(mix(seed=1), 0) != first


def test_the_loss_is_on_responses_and_their_ends_alone(mix, extended):
    _, _, ids = extended
    for example in examples(mix()):
        runs, task = responses(example), example["tags"]["task"]
        assert all(run[-1] == ids.end for run in runs)
        if task == "image":
            (run,) = runs
            assert len(run) == 18 and run[-2] == ids.cxr_end
            assert set(ids.decode_codes(run[:16]).tolist()) <= set(range(32))
        else:
            assert not set(ids.codes.tolist()) & {token for run in runs for token in run}
        assert (example["input_ids"] == ids.instruction).sum() == len(runs)


def test_a_drawing_is_one_of_the_variants_of_the_images_own_codes(mix, extended, store):
    _, _, ids = extended
    variants = set()
    for epoch in range(6):
        for example in examples(mix(), epoch):
            if example["tags"]["task"] == "image":
                path = f"{example['tags']['uid']}-{example['tags']['view']}.png"
                codes = ids.decode_codes(responses(example)[0][:16]).tolist()
                variants.add([store.codes(path, v).tolist() for v in (0, 1)].index(codes))
    assert variants == {0, 1}


def test_several_questions_share_one_image(mix, extended):
    _, _, ids = extended
    asked = [e for e in examples(mix(replace(SURE, questions=3)), 2) if e["tags"]["task"] == "question"]
    assert {e["tags"]["uid"]: len(responses(e)) for e in asked} == {"b": 3, "e": 1}
    assert all((e["input_ids"] == ids.cxr).sum() == 1 for e in asked)


def test_two_views_are_shown_frontal_first(mix, extended):
    _, _, ids = extended
    for example in examples(mix(replace(SURE, two_views=1.0))):
        if example["tags"]["task"] == "report":
            shown = [t for t in example["input_ids"].tolist() if t in ids.views.values()]
            views = [View.FRONTAL] if example["tags"]["uid"] == "d" else list(View)
            assert shown == [ids.views[view] for view in views]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_conditions_are_dropped_for_guidance(mix, extended, share):
    _, _, ids = extended
    for example in examples(mix(replace(SURE, drop_text=share, drop_images=share))):
        dropped = bool((example["input_ids"] == ids.null).any())
        assert dropped == (share == 1.0 and example["tags"]["task"] in ("report", "image"))
        if dropped and example["tags"]["task"] == "report":
            assert not (example["input_ids"] == ids.cxr).any()


def test_only_sections_that_are_there_are_asked_for(mix, extended):
    _, tokenizer, _ = extended
    for epoch in range(4):
        for example in examples(mix(), epoch):
            if example["tags"] == {"task": "report", "uid": "c", "view": "frontal"}:
                assert "FINDINGS" not in tokenizer.decode(responses(example)[0])
    narrow = mix(replace(SURE, sections=(Sections.FINDINGS,)))
    assert {e["tags"]["uid"] for e in examples(narrow) if e["tags"]["task"] == "report"} == {"a", "b", "d"}


def test_stage_2_shows_frontal_views_and_writes_impressions(mix, extended):
    _, tokenizer, ids = extended
    made = examples(mix(STAGE_2))
    assert not any((e["input_ids"] == ids.views[View.LATERAL]).any() for e in made)
    assert all("IMPRESSION" in tokenizer.decode(responses(e)[0]) for e in made if e["tags"]["task"] == "report")
    assert Counter(e["tags"]["task"] for e in made)["question"] > len(made) / 2


def test_only_the_first_study_of_a_patient_if_asked_for(mix, rows):
    again = replace(rows[3], uid="again")
    made = mix(replace(SURE, first_study=True), rows=[*rows, again])
    assert "again" not in {e["tags"]["uid"] for e in examples(made)}
    assert "again" in {e["tags"]["uid"] for e in examples(mix(rows=[*rows, again]))}


def test_questions_alone_make_an_epoch_too(mix):
    made = mix(MixConfig(report=0, image=0, question=1, text=0))
    assert Counter(e["tags"]["uid"] for e in examples(made)) == {"b": 1, "e": 1}


def test_long_sequences_are_cut_at_their_end(mix):
    made = mix(replace(SURE, max_length=20))
    assert max(len(e["input_ids"]) for e in examples(made)) == 20


def test_a_task_that_no_study_fits_is_named(mix, rows):
    with pytest.raises(RecipeError, match="'question'"):
        mix(rows=[row for row in rows if not row.questions])
    with pytest.raises(RecipeError, match="above 0"):
        mix(MixConfig(report=0, image=0, question=0, text=0))


def test_an_image_without_codes_is_named(mix, rows):
    stranger = replace(rows[0].images[0], path="other.png")
    with pytest.raises(ManifestError, match=r"other\.png"):
        mix(rows=[replace(rows[0], images=(stranger,))])


def test_batches_are_padded_on_the_right(mix):
    made = mix()
    items = [made.item(i, 0) for i in (0, len(made) - 1)]
    batch = collate(items, pad_id=5)
    shape = (2, max(len(e["input_ids"]) for e in items))
    assert all(batch[key].shape == shape for key in ("input_ids", "labels", "attention_mask"))
    for row, example in enumerate(items):
        length = len(example["input_ids"])
        assert torch.equal(batch["input_ids"][row, :length], example["input_ids"])
        assert batch["attention_mask"][row].tolist() == [1] * length + [0] * (shape[1] - length)
        assert (batch["labels"][row, length:] == -100).all() and (batch["input_ids"][row, length:] == 5).all()


def test_lengths_tell_drawings_and_reports_from_text(mix):
    made = mix()
    assert [made.length(i) for i in range(len(made))] == [len(made.item(i, 0)["input_ids"]) for i in range(len(made))]


def test_drawn_codes_weigh_as_salient_as_their_cells(rows, store, extended):
    _, tokenizer, ids = extended
    paths = [ref.path for row in rows for ref in row.images]
    cells = np.linspace(0, 2, 16, dtype=np.float16)
    tables = {
        "codes": np.stack([store.codes(path) for path in paths]),
        "saliency": np.tile(cells, (len(paths), 1)),
    }
    salient = TokenStore(tables, {path: [i] for i, path in enumerate(paths)}, (4, 4), "codec-1")
    made = examples(TaskMix(rows, salient, tokenizer, ids, SURE, saliency=SaliencyConfig("classifier", 0.5)))
    assert {e["tags"]["task"] for e in made} == {"report", "image", "question", "text"}
    for example in made:
        trained = example["labels"] != -100
        drawn = trained & torch.isin(example["input_ids"], ids.codes)
        if example["tags"]["task"] == "image":
            assert example["weights"][drawn].tolist() == pytest.approx((0.5 + 0.5 * cells).tolist(), abs=1e-3)
        assert (example["weights"][trained & ~drawn] == 1).all()


def test_matches_hold_reports_against_an_image(mix, extended):
    _, tokenizer, ids = extended
    made = [e for epoch in range(8) for e in examples(mix(replace(SURE, match=0.3, matches=3)), epoch)]
    made = [e for e in made if e["tags"]["task"] == "match"]
    answers = Counter(tokenizer.decode(r[:-1]).strip() for e in made for r in responses(e))
    assert answers.keys() == {"Yes", "No"} and min(answers.values()) > 0.25 * answers.total()
    for example in made:
        assert len(responses(example)) == 3 and (example["input_ids"] == ids.cxr).sum() == 1


def test_a_report_that_does_not_match_has_other_findings(rows, store, extended):
    _, tokenizer, ids = extended
    normal = [row for row in rows if row.uid in "ab"]
    same = [replace(row, labels={}) for row in normal]
    made = examples(TaskMix(same, store, tokenizer, ids, MixConfig(report=0, image=0, question=0, text=0, match=1)))
    assert {tokenizer.decode(r[:-1]).strip() for e in made for r in responses(e)} == {"Yes"}
