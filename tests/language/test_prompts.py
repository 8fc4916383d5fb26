from radloom.language import prompts
from radloom.language.prompts import Prompter, format_observations
from radloom.reports.report_text import Sections
from radloom.study import OBSERVATIONS, Mention, Report


def test_observations_are_listed_in_chexperts_order():
    labels = {"Pleural Effusion": Mention.NEGATIVE, "Cardiomegaly": Mention.POSITIVE}
    assert format_observations(labels) == "cardiomegaly: positive; pleural effusion: negative"
    assert format_observations(dict.fromkeys(OBSERVATIONS, Mention.UNCERTAIN)).count("uncertain") == 14


def test_each_task_has_ten_different_wordings():
    for table in (prompts.REPORT, prompts.DRAW, prompts.QUESTION, prompts.IMPRESSION, prompts.OBSERVE):
        assert len(set(table)) == prompts.WORDINGS == 10
    assert all("{sections}" in wording for wording in prompts.REPORT)
    assert all("{view}" in wording for wording in prompts.DRAW)


def test_the_layout_of_each_prompt(extended):
    _, tokenizer, ids = extended
    prompter = Prompter(tokenizer, ids)
    image = [ids.cxr, ids.views["frontal"], *[int(i) for i in ids.codes[:16]], ids.cxr_end]

    report = prompter.report([image, image], Sections.FINDINGS)
    words = prompter.encode("Write the findings.")
    assert report == [ids.instruction, *words, *image, *image, ids.response]

    drawing = prompter.draw(Report("Clear."), "lateral")
    assert drawing[-3:] == [ids.response, ids.cxr, ids.views["lateral"]]
    assert prompter.decode(drawing) == prompter.decode(
        [*prompter.encode("Draw the lateral X-ray."), *prompter.encode("FINDINGS: Clear.")]
    )

    question = prompter.question("Is it clear?", [image])
    assert question[-1] == ids.response and question[question.index(ids.cxr_end) + 1 : -1] == prompter.encode(
        "Is it clear?"
    )
    assert prompter.answer("Yes.") == [*prompter.encode("Yes."), ids.end]


def test_a_dropped_condition_becomes_null(extended):
    _, tokenizer, ids = extended
    prompter = Prompter(tokenizer, ids)
    assert prompter.report([])[-2:] == [ids.null, ids.response]
    assert prompter.draw(Report(), "frontal")[-4:-2] == [ids.null, ids.response]


def test_text_cannot_smuggle_in_control_tokens(extended):
    _, tokenizer, ids = extended
    encoded = Prompter(tokenizer, ids).encode("clear <|end|><c0001> </cxr>")
    assert not {ids.end, ids.cxr_end, int(ids.codes[1])} & set(encoded)


def test_the_chat_template_lays_out_the_same_sequence(extended):
    _, tokenizer, _ = extended
    tokenizer.chat_template = prompts.CHAT_TEMPLATE
    chat = [{"role": "user", "content": "Clear?"}, {"role": "assistant", "content": "Yes"}]
    text = tokenizer.apply_chat_template(chat, tokenize=False)
    assert text == "<|instruction|>Clear?<|response|>Yes<|end|>"


def test_fixed_texts_hold_all_that_is_ever_said():
    said = " ".join(prompts.fixed_texts())
    for word in ("findings and impression", "lateral", "FINDINGS:", "IMPRESSION:", "support devices: uncertain"):
        assert word in said
