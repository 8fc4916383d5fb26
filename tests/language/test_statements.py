import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from radloom.checkpoint import fingerprint
from radloom.classifier.evidence import EvidenceScale
from radloom.errors import CheckpointError, RadloomError, RecipeError
from radloom.language.consensus import usual_phrases
from radloom.language.decoding import generate_codes, generate_statements, generate_text
from radloom.language.model import LanguageModel, Sight
from radloom.language.prompts import Prompter
from radloom.language.statements import (
    LEAST,
    calibrated_thresholds,
    matched_thresholds,
    positive_probabilities,
)
from radloom.language.tasks import MixConfig, TaskMix, collate
from radloom.language.vocabulary import POSITIVE, STATES, ImageVocabulary, TokenIds
from radloom.reports.labeller import label
from radloom.reports.report_text import Sections, report_from_text
from radloom.study import OBSERVATIONS, Mention, Report

SEEING = ImageVocabulary(codes=32, grid=(4, 4), evidence=("heart", "heart-side"), levels=3, statements=True)
SCALE = EvidenceScale(cuts=((-1.0, 1.0), (-1.0, 1.0)), spread=(1.0, 1.0))
LABELS = {"Cardiomegaly": Mention.POSITIVE, "Edema": Mention.UNCERTAIN, "Pneumothorax": Mention.NEGATIVE}


@pytest.fixture
def vocabulary():
    """In place of the one of the folder's fixtures."""
    return SEEING


@pytest.fixture
def language(extended):
    model, tokenizer, ids = extended
    return LanguageModel(model, tokenizer, SEEING, ids, "codes-1", Sight(SCALE, "classifier-1"), [0.5] * 14)


@pytest.fixture
def prompts(extended):
    _, tokenizer, ids = extended
    prompter = Prompter(tokenizer, ids)
    return [prompter.report([ids.image(torch.arange(16), "frontal", levels)]) for levels in ([0, 0], [2, 1])]


@pytest.fixture
def seen_store(rows, tmp_path):
    """Random codes, and evidence 0 of every image."""
    from radloom.corpora.tokens import TokenStore

    paths = [ref.path for row in rows for ref in row.images]
    codes = np.random.default_rng(0).integers(0, 32, (len(paths), 16))
    index = {path: [i] for i, path in enumerate(paths)}
    tables = {"codes": codes, "evidence": np.zeros((len(paths), 2), np.float32)}
    return TokenStore(tables, index, (4, 4), "codec-1")


def test_every_token_has_its_own_id_and_is_no_text(extended):
    _, tokenizer, ids = extended
    added = [*ids.evidence.flatten().tolist(), *ids.statements.flatten().tolist()]
    assert ids.evidence.shape == (2, 3) and ids.statements.shape == (14, 4)
    assert len(set(added) | set(ids.codes.tolist())) == len(added) + 32
    assert not set(added) & set(ids.text.tolist())
    assert tokenizer.convert_ids_to_tokens(int(ids.evidence[1, 2])) == "<see:heart-side:2>"
    assert tokenizer.convert_ids_to_tokens(int(ids.statements[2, POSITIVE])) == "<say:cardiomegaly:positive>"


def test_an_image_begins_with_its_evidence(extended):
    _, _, ids = extended
    image = ids.image(torch.arange(16), "frontal", [2, 0])
    assert image[2:4] == [int(ids.evidence[0, 2]), int(ids.evidence[1, 0])]
    assert ids.decode_codes(image[4:-1]).tolist() == list(range(16))
    assert ids.is_image(torch.tensor(image)).tolist() == [False, False] + [True] * 19
    with pytest.raises(ValueError, match="0 levels of evidence given; this model has 2 channels"):
        ids.image(torch.arange(16), "frontal")


def test_statements_are_read_back(extended):
    _, _, ids = extended
    said = ids.say(LABELS)
    assert len(said) == 14
    assert ids.said([ids.end, *said, *ids.text[:5].tolist()]) == LABELS


def test_a_model_without_them_is_as_before(base):
    model, tokenizer = base
    plain = ImageVocabulary(codes=32, grid=(4, 4))
    ids = plain.extend(tokenizer, model)
    assert ids.say(LABELS) == [] and ids.said(range(len(tokenizer))) == {}
    assert len(ids.image(torch.arange(16), "frontal")) == 19
    with pytest.raises(ValueError, match="2 levels of evidence given; this model has 0 channels"):
        ids.image(torch.arange(16), "frontal", [0, 0])


def test_prompts_to_draw_end_with_what_the_text_says(extended):
    _, tokenizer, ids = extended
    prompter = Prompter(tokenizer, ids)
    prompt = prompter.draw(Report(findings="There is cardiomegaly. No pneumothorax."), "frontal")
    at = prompt.index(ids.response)
    assert ids.said(prompt[at - 14 : at]) == {"Cardiomegaly": Mention.POSITIVE, "Pneumothorax": Mention.NEGATIVE}
    assert not ids.said(prompter.draw(Report(), "frontal"))
    report = Report(findings="The lungs are clear.", impression="Cardiomegaly.")
    answer = prompter.report_answer(report, Sections.FINDINGS)
    assert ids.said(answer[:14]) == label(Report(findings=report.findings))  # of the section that is written alone
    assert prompter.decode(answer) == "FINDINGS: The lungs are clear."  # statements are not read out


def test_drawings_begin_with_evidence_under_the_grammar(extended):
    model, tokenizer, ids = extended
    prompts = [Prompter(tokenizer, ids).draw(Report(findings=t), "frontal") for t in ("Clear.", "Large heart, clear.")]
    codes = generate_codes(model, ids, prompts, seeds=[1, 2], temperature=4.0, top_p=1.0)
    assert codes.shape == (2, 16) and 0 <= int(codes.min()) <= int(codes.max()) < 32
    assert torch.equal(codes[1:], generate_codes(model, ids, prompts[1:], seeds=[2], temperature=4.0, top_p=1.0))
    # at temperature 0: the likeliest level of each channel first, then the likeliest codes after those
    (drawn,) = generate_codes(model, ids, prompts[:1], seeds=[0], temperature=0.0)
    sequence = list(prompts[0])
    for table in (ids.evidence[0], ids.evidence[1], *[ids.codes] * 16):
        logits = model(torch.tensor([sequence])).logits[0, -1]
        sequence.append(int(table[logits[table].argmax()]))
    assert ids.decode_codes(sequence[-16:]).tolist() == drawn.tolist()


@pytest.mark.parametrize("threshold", [0.0, 1.1])
def test_thresholds_decide_what_is_called_positive(extended, prompts, threshold):
    model, _, ids = extended
    answers = generate_text(model, ids, prompts, max_tokens=3, thresholds=[threshold] * 14)
    for answer in answers:
        said = ids.said(answer[:14])
        assert len(ids.said(ids.say(dict.fromkeys(OBSERVATIONS, Mention.NEGATIVE)))) == 14
        assert all((said.get(o) is Mention.POSITIVE) == (threshold == 0) for o in OBSERVATIONS)
        assert set(answer[14:]) <= set(ids.text.tolist()) and len(answer) <= 17


def test_statements_come_before_text_and_one_by_one_as_in_a_batch(extended, prompts):
    model, _, ids = extended
    how = {"max_tokens": 6, "thresholds": [0.25] * 14, "temperature": 1.0}
    both = generate_text(model, ids, prompts, seeds=[3, 4], **how)
    assert generate_text(model, ids, prompts[1:], seeds=[4], **how)[0] == both[1]
    for answer in both:
        assert [token in row for token, row in zip(answer[:14], ids.statements, strict=True)] == [True] * 14


@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_candidates_share_their_statements_and_do_not_depend_on_the_batch(extended, prompts, guidance):
    model, tokenizer, ids = extended
    nulls = [Prompter(tokenizer, ids).report([])] * 2

    def write(pick, **more):
        return generate_text(
            model, ids, prompts[pick], seeds=[3, 4][pick], null_prompts=nulls[pick], guidance=guidance,
            max_tokens=6, min_tokens=6, thresholds=[0.25] * 14, temperature=1.0, **more,
        )  # fmt: skip

    made = write(slice(None), candidates=3)
    assert len(made) == 6
    for candidates in (made[:3], made[3:]):
        assert len({tuple(c[:14]) for c in candidates}) == 1 and len({tuple(c) for c in candidates}) == 3
    assert made[::3] == write(slice(None))  # the first is what one alone would be
    assert write(slice(1, 2), candidates=3) == made[3:]
    assert write(slice(None), candidates=3, use_cache=False) == made
    with pytest.raises(RadloomError, match="candidates 0 is out of range"):
        write(slice(None), candidates=0)


def test_what_is_called_positive_may_be_given(extended, prompts):
    model, _, ids = extended
    positives = [[i == 3 for i in range(14)], [i != 3 for i in range(14)]]
    answers = generate_text(model, ids, prompts, max_tokens=2, thresholds=[0.5] * 14, positives=positives)
    for answer, called in zip(answers, positives, strict=True):
        assert [ids.said(answer).get(o) is Mention.POSITIVE for o in OBSERVATIONS] == called


def test_evidence_of_a_study_is_the_mean_of_its_images(rows, seen_store, extended):
    plain = mix(rows, seen_store, extended)
    values, said = plain.study_evidence()
    assert values.shape == (len({row.uid for row in rows if row.report and row.images}), 2)
    assert {"Cardiomegaly": Mention.POSITIVE} in said
    assert len(plain.reports()) == len(values)  # each study once, however many examples it makes


def test_too_few_thresholds(extended, prompts):
    model, _, ids = extended
    with pytest.raises(RadloomError, match="2 thresholds given; this model makes 14 statements"):
        generate_text(model, ids, prompts, max_tokens=3, thresholds=[0.5, 0.5])


def test_probabilities_are_those_of_the_model_after_its_own_statements(language, prompts):
    thresholds = [0.25] * 14
    found = positive_probabilities(language, prompts, thresholds, batch_size=1)
    assert np.allclose(found, positive_probabilities(language, prompts, thresholds), atol=1e-5)
    model, ids = language.model, language.ids
    stated = generate_text(model, ids, prompts, max_tokens=1, thresholds=thresholds)
    assert [answer[:14] for answer in stated] == generate_statements(model, ids, prompts, thresholds)[0]
    for row, prompt, answer in zip(found, prompts, stated, strict=True):
        for i in range(14):
            logits = model(torch.tensor([prompt + answer[:i]])).logits[0, -1]
            expected = logits[ids.statements[i]].softmax(-1)[POSITIVE].item()
            assert row[i] == pytest.approx(expected, abs=1e-5)


def test_calibrated_thresholds_call_as_many_positive_as_are(language, extended):
    prompter, ids = Prompter(extended[1], extended[2]), language.ids
    codes = torch.randint(0, 32, (40, 16), generator=torch.Generator().manual_seed(0))
    prompts = [prompter.report([ids.image(c, "frontal", [i % 3, i % 2])]) for i, c in enumerate(codes)]
    labels = [{"Cardiomegaly": Mention.POSITIVE} if i < 10 else {} for i in range(40)]
    thresholds = calibrated_thresholds(language, prompts, labels)
    stated, _ = generate_statements(language.model, ids, prompts, thresholds)
    called = sum(ids.said(s).get("Cardiomegaly") is Mention.POSITIVE for s in stated)
    assert 7 <= called <= 13  # what was stated before may shift between the last two rounds
    assert not any(ids.said(s).get("Edema") is Mention.POSITIVE for s in stated)


def test_thresholds_call_as_many_positive_as_are():
    rng = np.random.default_rng(0)
    probabilities = 0.2 + 0.8 * rng.random((50, 14))
    labels = [{"Cardiomegaly": Mention.POSITIVE} if i < 7 else {"Edema": Mention.UNCERTAIN} for i in range(50)]
    thresholds = matched_thresholds(probabilities, labels)
    called = (probabilities >= np.array(thresholds)).sum(0)
    assert called[OBSERVATIONS.index("Cardiomegaly")] == 7
    assert called[OBSERVATIONS.index("Edema")] == 0  # uncertain is not positive
    assert matched_thresholds(probabilities / 100, labels)[OBSERVATIONS.index("Cardiomegaly")] == LEAST
    sure = matched_thresholds(np.full((50, 14), 0.99997), labels)
    assert sure[OBSERVATIONS.index("Cardiomegaly")] <= 0.99997 and sure[OBSERVATIONS.index("Edema")] > 1
    logits = matched_thresholds(probabilities - 5, labels, least=-np.inf, most=9.0)
    assert np.allclose(np.array(logits)[[2, 5]], [thresholds[2] - 5, 9.0], atol=1e-3)


def test_saved_and_loaded_whole(language, tmp_path):
    language.thresholds = [0.1 * i for i in range(14)]
    language.phrases = usual_phrases([Report(findings="The lungs are clear.")] * 5)
    read = LanguageModel.load(language.save(tmp_path / "model", dtype="float32"), codec="codes-1")
    assert (read.sight, read.thresholds, read.vocabulary) == (language.sight, language.thresholds, SEEING)
    assert read.phrases == language.phrases and read.phrases["findings"].counts["lungs are clear"] == 1
    assert torch.equal(read.ids.evidence, language.ids.evidence)
    changed = replace(language, phrases=usual_phrases([Report(findings="The lungs are hazy.")] * 5))
    assert fingerprint(changed.save(tmp_path / "other", dtype="float32")) != fingerprint(tmp_path / "model")
    with pytest.raises(CheckpointError, match="evidence of classifier classifier-1, not of other"):
        LanguageModel.load(tmp_path / "model", classifier="other")
    settings = tmp_path / "model" / "radloom.json"
    own = json.loads(settings.read_text())
    own["phrases"]["impression"]["totals"] = [0.0]
    settings.write_text(json.dumps(own))
    with pytest.raises(CheckpointError, match=r"phrases in .*radloom.json are not complete"):
        LanguageModel.load(tmp_path / "model")


def test_a_model_learns_them_later_and_keeps_what_it_knew(base, tmp_path):
    model, tokenizer = base
    plain = ImageVocabulary(codes=32, grid=(4, 4))
    ids = plain.extend(tokenizer, model)
    language = LanguageModel(model, tokenizer, plain, ids, "codes-1")
    prompt = torch.tensor([[ids.instruction, *ids.codes[:5].tolist(), ids.response]])
    before = model(prompt).logits[..., : len(tokenizer)].detach()
    known = len(tokenizer)
    language.extend(SEEING, Sight(SCALE, "classifier-1"))
    assert torch.equal(language.ids.codes, ids.codes)
    assert torch.allclose(model(prompt).logits[..., :known], before, atol=1e-5)
    assert TokenIds.of(tokenizer, SEEING).evidence.shape == (2, 3) and language.thresholds == [0.5] * 14
    with pytest.raises(CheckpointError, match="keeps the codes"):
        language.extend(ImageVocabulary(codes=64, grid=(4, 4)), None)
    with pytest.raises(
        CheckpointError, match="<say:atelectasis:negative> and 61 more tokens that this stage leaves out"
    ):
        language.extend(plain, None)


def mix(rows, store, extended, **changes):
    _, tokenizer, ids = extended
    config = MixConfig(**{"drop_text": 0.0, "two_views": 0.0} | changes)
    return TaskMix(rows, store, tokenizer, ids, config, 0, SCALE)


def examples(mix):
    return [mix.item(i, 0) for i in range(len(mix))]


def evidence_of(example, ids, trained):
    return [
        token
        for token, label in zip(example["input_ids"].tolist(), example["labels"].tolist(), strict=True)
        if token in ids.evidence and (label >= 0) == trained
    ]


def test_evidence_that_is_shown_is_shaken_and_evidence_that_is_drawn_is_not(rows, seen_store, extended):
    ids = extended[2]
    still = ids.see([1, 1])
    shaken = mix(rows, seen_store, extended, evidence_noise=3.0)
    drawn = [evidence_of(e, ids, True) for e in examples(shaken) if e["tags"]["task"] == "image"]
    shown = [evidence_of(e, ids, False) for e in examples(shaken) if e["tags"]["task"] == "report"]
    assert drawn and all(found == still for found in drawn)
    assert shown and any(found != still for found in shown)
    calm = mix(rows, seen_store, extended)
    assert all(set(evidence_of(e, ids, False)) <= set(still) for e in examples(calm))


def test_images_that_are_read_may_be_shown_by_their_evidence_alone(rows, seen_store, extended):
    ids = extended[2]
    bare = mix(rows, seen_store, extended, drop_codes=1.0)
    for example in examples(bare):
        tokens, codes = example["input_ids"], torch.isin(example["input_ids"], ids.codes)
        if example["tags"]["task"] == "image":
            assert int(codes.sum()) == 16  # what is drawn is drawn whole
        elif ids.cxr in tokens:
            assert not codes.any() and evidence_of(example, ids, False)
    sometimes = mix(rows, seen_store, extended, drop_codes=0.5)
    reports = [e for e in examples(sometimes) if e["tags"]["task"] == "report"]
    assert {bool(torch.isin(e["input_ids"], ids.codes).any()) for e in reports} == {True, False}
    with pytest.raises(RecipeError, match="drop_codes leaves nothing of an image without evidence"):
        TaskMix(rows, seen_store, extended[1], ids, MixConfig(drop_codes=0.5))


def test_tokens_are_weighted_by_their_kind(rows, seen_store, extended):
    ids = extended[2]
    weighted = mix(rows, seen_store, extended, evidence_weight=2.0, statement_weight=3.0)
    batch = collate(examples(weighted), ids.end)
    tokens, weights = batch["input_ids"], batch["weights"]
    trained = batch["labels"] >= 0
    assert weights[~trained].abs().sum() == 0
    evidence, statements = (torch.isin(tokens, table) & trained for table in (ids.evidence, ids.statements))
    assert set(weights[evidence].tolist()) == {2.0} and set(weights[statements].tolist()) == {3.0}
    assert set(weights[trained & ~evidence & ~statements].tolist()) == {1.0}


def test_reports_are_learned_with_what_they_say(rows, seen_store, extended):
    ids = extended[2]
    plain = mix(rows, seen_store, extended)
    reports = [e for e in examples(plain) if e["tags"]["task"] == "report"]
    for example in reports:
        response = example["labels"][example["labels"] >= 0].tolist()
        text = extended[1].decode(response, skip_special_tokens=True)
        assert ids.said(response[:14]) == label(report_from_text(text))  # of the sections that were asked for
    prompts, said = plain.report_prompts(5)
    assert len(prompts) == len(said) == 5 and all(prompt[-1] == ids.response for prompt in prompts)
    assert {"Cardiomegaly": Mention.POSITIVE} in said


def test_studies_with_a_finding_come_more_often(rows, seen_store, extended):
    often = mix(rows, seen_store, extended, abnormal=3)
    units = [unit.row.uid for unit in often.units["report"]]
    assert units.count("c") == 3 * 2 and units.count("a") == 2  # c alone is positive; two views each
    assert STATES[POSITIVE] is Mention.POSITIVE


@pytest.mark.parametrize("wrong", [{"abnormal": 0}, {"evidence_noise": -1.0}, {"statement_weight": -0.5}])
def test_settings_out_of_range_are_named(wrong):
    with pytest.raises(RecipeError, match=rf"mix\.{next(iter(wrong))} is "):
        MixConfig(**wrong)
