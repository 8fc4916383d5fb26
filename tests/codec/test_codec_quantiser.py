import pytest
import torch
import torch.nn.functional as F

from radloom.codec.quantiser import Quantiser


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def as_map(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors (n, d) as encoder outputs (1, d, n, 1)."""
    return vectors.T[None, :, :, None]


def begun(codebook: torch.Tensor, **arguments: float) -> Quantiser:
    quantiser = Quantiser(len(codebook), codebook.shape[1], **arguments)
    quantiser.codebook.copy_(codebook)
    quantiser.sums.copy_(codebook)
    quantiser.begun.fill_(True)
    return quantiser


@pytest.mark.parametrize("training", [False, True])
def test_code_is_the_nearest_entry(training: bool) -> None:
    codebook = unit(50, 8)
    quantiser = begun(codebook).train(training)
    z = 3 * torch.randn(2, 8, 4, 5)
    quantised = quantiser(z)
    directions = F.normalize(z.permute(0, 2, 3, 1).reshape(-1, 8), dim=1)
    distances = (directions[:, None] - codebook[None]).square().sum(-1)
    nearest = distances.argmin(1)
    assert torch.equal(quantised.codes.flatten(), nearest)
    assert quantised.codes.shape == (2, 4, 5)
    assert quantised.codes.dtype == torch.int64
    vectors = codebook[nearest].view(2, 4, 5, 8).permute(0, 3, 1, 2)
    torch.testing.assert_close(quantised.vectors, vectors, rtol=0, atol=1e-6)
    assert quantised.commitment.mean().item() == pytest.approx(distances.min(1).values.mean().item(), rel=1e-5)


def test_lookup_gives_the_vectors_of_codes() -> None:
    quantiser = begun(unit(50, 8)).eval()
    quantised = quantiser(torch.randn(2, 8, 3, 3))
    torch.testing.assert_close(quantiser.lookup(quantised.codes), quantised.vectors, rtol=0, atol=1e-6)


def test_gradient_passes_straight_through_to_the_encoder() -> None:
    quantiser = begun(unit(50, 8)).eval()
    z = torch.randn(2, 8, 3, 3, requires_grad=True)
    direction = torch.randn(2, 8, 3, 3)
    (through,) = torch.autograd.grad((quantiser(z).vectors * direction).sum(), z)
    (straight,) = torch.autograd.grad((F.normalize(z, dim=1) * direction).sum(), z)
    torch.testing.assert_close(through, straight)
    assert through.abs().sum() > 0


def test_commitment_pulls_the_encoder_towards_the_code() -> None:
    codebook = unit(6, 8)
    z = (codebook[2] + 0.2 * unit(8, seed=1)).view(1, 8, 1, 1).requires_grad_()
    quantiser = begun(codebook).eval()
    before = quantiser(z)
    (gradient,) = torch.autograd.grad(before.commitment.mean(), z)
    assert quantiser(z - 0.1 * gradient).commitment.mean() < before.commitment.mean()


def test_eval_mode_changes_nothing_and_repeats_itself() -> None:
    quantiser = begun(unit(50, 8)).eval()
    before = {k: v.clone() for k, v in quantiser.state_dict().items()}
    z = torch.randn(2, 8, 4, 4)
    assert torch.equal(quantiser(z).codes, quantiser(z).codes)
    assert all(torch.equal(before[k], v) for k, v in quantiser.state_dict().items())


def test_codebook_begins_among_the_first_outputs() -> None:
    cone = F.normalize(torch.tensor([[1.0] + [0.0] * 7]) + 0.05 * unit(64, 8), dim=1)
    quantiser = Quantiser(32, 8).train()
    assert (quantiser.codebook @ cone.T).max(1).values.min() < 0.9
    quantised = quantiser(as_map(cone))
    assert quantiser.begun
    assert (quantiser.codebook @ cone.T).max(1).values.min() > 0.99
    assert len(quantised.codes.unique()) > 10


def test_codebook_moves_to_the_mean_of_what_it_stands_for() -> None:
    codebook = torch.eye(4)[:2]
    data = F.normalize(torch.tensor([[1.0, 0.5, 0, 0], [1.0, 0.3, 0, 0]]), dim=1)
    quantiser = begun(codebook, decay=0.9, revive_below=0.0).train()
    quantiser(as_map(data))
    expected = F.normalize(0.9 * codebook[0] + 0.1 * data.sum(0), dim=0)
    torch.testing.assert_close(quantiser.codebook[0], expected)
    torch.testing.assert_close(quantiser.codebook[1], codebook[1])
    assert quantiser.counts.tolist() == pytest.approx([0.9 + 0.1 * 2, 0.9])


def test_dead_codes_are_revived_and_usage_grows() -> None:
    clusters = unit(64, 8, seed=1)
    generator = torch.Generator().manual_seed(2)

    def batch() -> torch.Tensor:
        picks = clusters[torch.randint(64, (256,), generator=generator)]
        return as_map(picks + 0.05 * torch.randn(256, 8, generator=generator))

    narrow = F.normalize(clusters[:1] + 0.01 * unit(64, 8, seed=3), dim=1)  # all entries in one place
    torch.manual_seed(0)
    revived, stuck = begun(narrow, decay=0.9).train(), begun(narrow, decay=0.9, revive_below=0.0).train()
    usage = {}
    for _ in range(150):
        z = batch()
        usage = {name: q(z).codes.unique().numel() / 64 for name, q in (("revived", revived), ("stuck", stuck))}
    assert usage["revived"] > 0.8
    assert usage["stuck"] < usage["revived"] - 0.2


def test_a_dead_code_becomes_an_output_of_the_batch() -> None:
    codebook = torch.eye(4)[:3]
    data = F.normalize(torch.tensor([[1.0, 0.1, 0, 0], [0.1, 1.0, 0, 0]]), dim=1)
    quantiser = begun(codebook, decay=0.5, revive_below=0.5).train()
    for _ in range(3):
        quantiser(as_map(data))
    assert (quantiser.codebook[2] @ data.T).max() > 0.99
    torch.testing.assert_close(quantiser.codebook.norm(dim=1), torch.ones(3))


def test_vectors_are_those_of_the_codes_even_if_these_are_replaced_in_the_same_step() -> None:
    codebook = torch.eye(8)[:4]
    rare = F.normalize(torch.eye(8)[3] + 0.1 * torch.eye(8)[7], dim=0)
    data = torch.cat([torch.eye(8)[:1].expand(63, -1), rare[None]])
    quantiser = begun(codebook, decay=0.5, revive_below=0.9).train()
    quantiser.counts.zero_()  # entry 3 is drawn once, and all the same replaced
    quantised = quantiser(as_map(data))
    assert quantised.codes[0, -1, 0] == 3
    torch.testing.assert_close(quantised.vectors[0, :, -1, 0], codebook[3], rtol=0, atol=1e-6)


def test_codes_do_not_depend_on_autocast() -> None:
    quantiser = begun(unit(50, 8)).eval()
    z = torch.randn(2, 8, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        quantised = quantiser(z)
    assert quantised.vectors.dtype == torch.float32
    assert torch.equal(quantised.codes, quantiser(z).codes)
