import torch

import tiny
from radloom.diffusion.autoencoder import AutoencoderConfig, Posterior, token_f1
from radloom.diffusion.stages import AutoencoderStage
from radloom.diffusion.text import END, PAD, START, ReportTokenizer
from radloom.study import Report

REPORTS = [Report(findings=text) for text in tiny.SENTENCES]


def test_it_learns_to_write_a_few_reports_again() -> None:
    tokenizer = ReportTokenizer.train(REPORTS, 320)
    torch.manual_seed(0)
    config = AutoencoderConfig(len(tokenizer), 96, 4, 8, 64, 1, 1, 4, dropout=0.0, word_dropout=0.3, kl=0.0)
    network = config.build().train()
    ids = tokenizer.batch(REPORTS, 96)
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    for _ in range(150):
        loss, _ = network(ids)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    latents = network.encode(ids)
    assert latents.shape == (len(REPORTS), 4, 8)
    again = [tokenizer.decode(row) for row in network.write(latents).tolist()]
    assert again == REPORTS
    assert [tokenizer.decode(row) for row in network.write(latents.roll(1, 0)).tolist()] == [REPORTS[-1], *REPORTS[:-1]]


def test_padding_and_batch_change_no_latent() -> None:
    model = tiny.make_any_to_any()
    together = model.autoencoder.encode(model.tokenizer.batch(REPORTS, 48))
    for i, report in enumerate(REPORTS):
        alone = model.autoencoder.encode(model.tokenizer.batch([report], 48))
        assert torch.allclose(together[i], alone[0], atol=1e-5)


def test_divergence_of_the_standard_normal_is_zero() -> None:
    zero = torch.zeros(3, 2, 4)
    assert torch.equal(Posterior(zero, zero).divergence(), torch.zeros(2, 4))
    assert torch.allclose(Posterior(zero + 2, zero).divergence(), torch.full((2, 4), 2.0))


def test_token_f1() -> None:
    assert token_f1([START, 5, 6, END], [START, 6, 5, END, PAD]) == 1
    assert token_f1([START, 5, 5, END], [START, 5, 7, END]) == 0.5
    assert token_f1([START, 5, END], [START, 7, END]) == 0
    assert token_f1([START, END], [START, END]) == 1


def test_evaluation_says_what_the_labeller_reads_after_writing_again() -> None:
    model = tiny.make_any_to_any()

    def stage() -> AutoencoderStage:
        return AutoencoderStage(model.autoencoder, model.tokenizer, REPORTS, REPORTS, lambda report: [report], 0)

    with torch.no_grad():
        bare = stage().evaluate()
        model.tokenizer.decode = lambda ids, left=list(REPORTS): left.pop(0)  # type: ignore[method-assign]
        whole = stage().evaluate()
    micro, agreement = (f"{m}[14 observations, rule-labeller]" for m in ("f1_micro", "verdict_agreement"))
    assert whole[micro] == whole[agreement] == 1 > bare[agreement] > bare[micro]
    assert whole["token_f1"] == bare["token_f1"] < 1
