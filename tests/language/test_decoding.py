from dataclasses import replace

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from radloom.errors import RadloomError
from radloom.language.decoding import generate_codes, generate_text
from radloom.language.prompts import Prompter
from radloom.language.vocabulary import ImageVocabulary
from radloom.study import Report

SEEDS = [11, 12, 13]


@pytest.fixture
def prompts(extended):
    """Three drawings, of different lengths, and their null prompts."""
    _, tokenizer, ids = extended
    prompter = Prompter(tokenizer, ids)
    texts = ("Clear.", "The heart is normal in size. The lungs are clear.", "Small effusion.")
    return [prompter.draw(Report(t), "frontal") for t in texts], [prompter.draw(Report(), "frontal")] * 3


@pytest.fixture
def questions(extended):
    _, tokenizer, ids = extended
    prompter = Prompter(tokenizer, ids)
    image = [[ids.cxr, ids.views["frontal"], *ids.codes[:16].tolist(), ids.cxr_end]]
    return [prompter.question("Is it?", image), prompter.question("Is there an effusion on the left?", []),
            prompter.report(image)]  # fmt: skip


def draw(extended, prompts, pick=slice(None), **options):
    model, _, ids = extended
    nulls = prompts[1][pick] if options.get("guidance", 1.0) != 1.0 else None
    return generate_codes(model, ids, prompts[0][pick], seeds=SEEDS[pick], null_prompts=nulls, **options)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_a_batch_draws_what_its_members_draw_one_by_one(extended, prompts, guidance):
    batch = draw(extended, prompts, guidance=guidance)
    assert batch.shape == (3, 16) and batch.dtype == torch.int64
    for i in range(3):
        assert torch.equal(draw(extended, prompts, slice(i, i + 1), guidance=guidance)[0], batch[i])


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_the_cache_changes_nothing(extended, prompts, guidance):
    with_cache = draw(extended, prompts, guidance=guidance)
    assert torch.equal(draw(extended, prompts, guidance=guidance, use_cache=False), with_cache)


def test_drawing_follows_the_models_own_distribution(extended, prompts):
    model, _, ids = extended
    codes = draw(extended, prompts, temperature=0.0)
    for prompt, row in zip(prompts[0], codes, strict=True):
        logits = model(torch.tensor([prompt + ids.codes[row].tolist()])).logits[0, len(prompt) - 1 : -1]
        assert torch.equal(logits[:, ids.codes].argmax(-1), row)


def test_guidance_of_one_is_none_and_more_of_it_changes_the_image(extended, prompts):
    model, _, ids = extended
    plain = draw(extended, prompts)
    one = generate_codes(model, ids, prompts[0], seeds=SEEDS, null_prompts=prompts[1], guidance=1.0)
    assert torch.equal(one, plain)
    assert not torch.equal(draw(extended, prompts, guidance=4.0), plain)


def test_seeds_decide(extended, prompts):
    model, _, ids = extended
    same = generate_codes(model, ids, prompts[0][:1] * 3, seeds=[5, 5, 6], temperature=2.0, top_p=1.0)
    assert torch.equal(same[0], same[1]) and not torch.equal(same[0], same[2])


@pytest.mark.parametrize("narrow", [{"top_p": 1e-6}, {"top_k": 1}, {"temperature": 1e-6}])
def test_narrow_sampling_is_greedy(extended, prompts, narrow):
    assert torch.equal(draw(extended, prompts, **narrow), draw(extended, prompts, temperature=0.0))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 0.0])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("use_cache", [True, False])
def test_useless_logits_still_give_exactly_one_image(extended, prompts, value, guidance, temperature, use_cache):
    extended[0].get_output_embeddings().weight.data.fill_(value)
    codes = draw(extended, prompts, guidance=guidance, temperature=temperature, use_cache=use_cache)
    assert codes.shape == (3, 16) and codes.min() >= 0 and codes.max() < 32


def test_a_model_that_wants_to_stop_draws_on(extended, prompts):
    model, _, ids = extended
    hidden = model.base_model(torch.tensor(prompts[0][:1])).last_hidden_state[0, -1].detach()
    head = model.get_output_embeddings()
    head.weight = torch.nn.Parameter(head.weight.detach().clone())
    head.weight.data[ids.end] = 1e4 * hidden
    assert model(torch.tensor(prompts[0][:1])).logits[0, -1].argmax() == ids.end
    assert draw(extended, prompts).shape == (3, 16)


@pytest.mark.parametrize("top_p", [0.5, 1.0])
def test_samples_have_the_frequencies_of_the_nucleus(extended, top_p):
    model, _, ids = extended
    prompt = [ids.instruction, ids.response, *ids.opening("frontal")]
    with torch.no_grad():
        probabilities = model(torch.tensor([prompt])).logits[0, -1, ids.codes].softmax(-1)
    ordered = probabilities.sort(descending=True)
    size = int((ordered.values.cumsum(0) < top_p).sum()) + 1 if top_p < 1 else 32
    nucleus = torch.zeros(32).index_copy(0, ordered.indices[:size], ordered.values[:size])
    one_code = replace(ids, vocabulary=ImageVocabulary(codes=32, grid=(1, 1)))
    draws = generate_codes(model, one_code, [prompt] * 1000, seeds=range(1000), top_p=top_p)[:, 0]
    frequency = torch.bincount(draws, minlength=32) / 1000
    assert frequency[nucleus == 0].sum() == 0
    assert (frequency - nucleus / nucleus.sum()).abs().max() < 0.05


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_a_batch_writes_what_its_members_write_one_by_one(extended, questions, temperature, guidance):
    model, tokenizer, ids = extended
    nulls = [Prompter(tokenizer, ids).report([])] * 3

    def write(pick, **more):
        return generate_text(
            model, ids, questions[pick], max_tokens=12, temperature=temperature, seeds=SEEDS[pick],
            null_prompts=nulls[pick], guidance=guidance, **more,
        )  # fmt: skip

    batch = write(slice(None))
    assert [write(slice(i, i + 1))[0] for i in range(3)] == batch
    assert write(slice(None), use_cache=False) == batch


def test_text_has_text_tokens_alone(extended, questions):
    model, _, ids = extended
    written = generate_text(model, ids, questions, max_tokens=40, temperature=5.0, seeds=SEEDS, min_tokens=40)
    assert [len(answer) for answer in written] == [40] * 3
    assert {token for answer in written for token in answer} <= set(ids.text.tolist())


def test_text_stops_at_its_end(extended, questions):
    model, _, ids = extended
    free = generate_text(model, ids, questions[:1], max_tokens=8)[0]
    logits = model(torch.tensor([questions[0] + free[:3]])).logits[0, -1]
    head = model.get_output_embeddings()
    hidden = model.base_model(torch.tensor([questions[0] + free[:3]])).last_hidden_state[0, -1].detach()
    head.weight = torch.nn.Parameter(head.weight.detach().clone())
    head.weight.data[ids.end] = hidden * (logits.max() + 1).detach() / hidden.square().sum()
    stopped = generate_text(model, ids, questions[:1], max_tokens=8)[0]
    assert len(stopped) <= 3 and stopped == free[: len(stopped)]
    assert len(generate_text(model, ids, questions[:1], max_tokens=8, min_tokens=6)[0]) >= 6


def test_text_is_told_of_while_it_grows(extended, questions):
    model, _, ids = extended
    how = {"max_tokens": 8, "temperature": 1.0, "seeds": SEEDS}
    told: list[list[list[int]]] = []
    answers = generate_text(model, ids, questions, **how, written=told.append)
    assert answers == generate_text(model, ids, questions, **how) == told[-1]
    for step, so_far in enumerate(told, 1):
        assert [answer[:step] for answer in answers] == so_far
    several: list[list[list[int]]] = []
    generate_text(model, ids, questions, **how, candidates=2, written=several.append)
    assert [several[0], several[2]] == [told[0], told[2]]  # the first one's words


def test_a_model_in_training_is_drawn_from_without_dropout_and_trains_on(extended, prompts):
    _, tokenizer, ids = extended
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=128,
        embd_pdrop=0.5,
        initializer_range=0.2,
    )
    model = GPT2LMHeadModel(config).train()
    first, second = (generate_codes(model, ids, prompts[0], seeds=SEEDS) for _ in range(2))
    assert torch.equal(first, second) and model.training


def test_progress_counts_every_step(extended, prompts):
    steps = []
    draw(extended, prompts, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(i, 16) for i in range(1, 17)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, "temperature -1.0"),
        ({"temperature": float("nan")}, "temperature nan"),
        ({"top_p": 0.0}, "top_p 0.0"),
        ({"top_k": 0}, "top_k 0"),
        ({"seeds": [1]}, "one seed"),
        ({"guidance": 2.0}, "null prompt"),
    ],
)
def test_wrong_sampling_parameters_are_named(extended, prompts, options, message):
    model, _, ids = extended
    with pytest.raises(RadloomError, match=message):
        generate_codes(model, ids, prompts[0], **{"seeds": SEEDS} | options)


def test_a_prompt_beyond_the_context_is_refused(extended, prompts):
    model, _, ids = extended
    with pytest.raises(RadloomError, match="context of 256"):
        generate_codes(model, ids, [prompts[0][0] * 30], seeds=[0])


def test_sampled_text_needs_seeds(extended, questions):
    model, _, ids = extended
    with pytest.raises(RadloomError, match="3 seeds"):
        generate_text(model, ids, questions, max_tokens=3, temperature=1.0)


def test_an_answer_is_one_of_its_choices(extended, questions):
    model, tokenizer, ids = extended
    prompter = Prompter(tokenizer, ids)
    choices = [[prompter.encode(text) for text in ("yes", "no", "not at all")], [], [prompter.encode("a small heart")]]
    free = generate_text(model, ids, questions, max_tokens=12)
    for temperature in (0.0, 1.5):
        options = {"max_tokens": 12, "temperature": temperature, "seeds": SEEDS}
        said = generate_text(model, ids, questions, choices=choices, **options)
        assert said[0] in choices[0] and said[2] == choices[2][0]
        alone = generate_text(model, ids, questions[:1], choices=choices[:1], max_tokens=12, temperature=temperature,
                              seeds=SEEDS[:1])  # fmt: skip
        assert alone == said[:1]
    assert generate_text(model, ids, questions, max_tokens=12, choices=choices)[1] == free[1]
    assert generate_text(model, ids, questions, max_tokens=12, choices=[[], [], []]) == free
    long = {"max_tokens": 12, "min_tokens": 5}
    mixed = generate_text(model, ids, questions, choices=choices, **long)
    assert mixed[0] in choices[0] and mixed[1] == generate_text(model, ids, questions, **long)[1]
    for wrong in ([[]], [[], [], [[]]]):
        with pytest.raises(RadloomError, match="choices for 3 prompts"):
            generate_text(model, ids, questions, max_tokens=12, choices=wrong)


def test_of_choices_the_likelier_is_taken(extended, questions):
    model, tokenizer, ids = extended
    choices = [[token] for token in Prompter(tokenizer, ids).encode("yes no left right heart")]
    logits = model(torch.tensor([questions[0]])).logits[0, -1]
    best = max(choices, key=lambda choice: logits[choice[0]])
    assert generate_text(model, ids, questions[:1], max_tokens=4, choices=[choices]) == [best]
