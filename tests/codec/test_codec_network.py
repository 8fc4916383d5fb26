from pathlib import Path

import pytest
import torch

from radloom.checkpoint import fingerprint
from radloom.codec.network import Codec, CodecConfig, codes_fingerprint, load_codec, save_codec
from radloom.errors import CheckpointError
from radloom.imaging import Transform

SMALL = CodecConfig((16, 16, 16), (1, 1, 1), (1, 1, 1), detail=16, codes=32, code_dim=8)


@pytest.fixture
def codec() -> Codec:
    torch.manual_seed(0)
    return SMALL.build().eval()


@pytest.mark.parametrize("size", [(32, 32), (64, 48)])
def test_shapes(codec: Codec, size: tuple[int, int]) -> None:
    pixels = torch.rand(2, 1, *size) * 2 - 1
    codes = codec.encode(pixels)
    assert codes.shape == (2, size[0] // 16, size[1] // 16)
    assert codes.dtype == torch.int64
    assert 0 <= codes.min()
    assert codes.max() < 32
    decoded = codec.decode(codes)
    assert decoded.shape == pixels.shape
    assert decoded.dtype == torch.float32
    assert decoded.abs().max() <= 1


def test_sizes_of_the_configuration_are_those_of_the_network() -> None:
    for changes in (
        {"channels": (16, 32, 48)},
        {"encoder_blocks": (2, 0, 1)},
        {"decoder_blocks": (0, 1, 3)},
        {"code_dim": 4},
    ):
        codec = CodecConfig(**{"channels": (16, 16, 16), "detail": 16, "codes": 8} | changes).build()
        assert codec(torch.zeros(1, 1, 32, 32)).pixels.shape == (1, 1, 32, 32)


def test_forward_is_decode_of_encode(codec: Codec) -> None:
    pixels = torch.rand(2, 1, 32, 32) * 2 - 1
    output = codec(pixels)
    assert torch.equal(output.codes, codec.encode(pixels))
    torch.testing.assert_close(output.pixels.clamp(-1, 1), codec.decode(output.codes), rtol=0, atol=1e-5)


def test_members_of_a_batch_do_not_mix(codec: Codec) -> None:
    pixels = torch.rand(3, 1, 32, 32) * 2 - 1
    single = torch.cat([codec.encode(p[None]) for p in pixels])
    assert torch.equal(codec.encode(pixels), single)
    torch.testing.assert_close(codec.decode(single), torch.cat([codec.decode(c[None]) for c in single]))


def test_picture_stands_upright() -> None:
    """A bright corner comes back in the same corner once the codec has seen a few pictures."""
    torch.manual_seed(0)
    codec = SMALL.build().train()
    optimizer = torch.optim.Adam(codec.parameters(), 3e-3)
    corners = torch.full((4, 1, 32, 32), -1.0)
    for i, (y, x) in enumerate([(0, 0), (0, 16), (16, 0), (16, 16)]):
        corners[i, :, y : y + 16, x : x + 16] = 1
    for _ in range(60):
        output = codec(corners)
        ((output.pixels - corners).abs().mean() + output.commitment.mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
    means = codec.eval().decode(codec.encode(corners)).view(4, 2, 16, 2, 16).mean((2, 4)).flatten(1)
    assert means.argmax(1).tolist() == [0, 1, 2, 3]


def test_same_seed_same_network() -> None:
    """A golden value: changes when the architecture or its initialisation does."""
    torch.manual_seed(0)
    codec = SMALL.build().eval()
    pixels = torch.linspace(-1, 1, 2 * 32 * 32).view(2, 1, 32, 32)
    assert codec.encoder(pixels).abs().sum().item() == pytest.approx(19.26553, rel=1e-4)
    assert codec(pixels).pixels.abs().sum().item() == pytest.approx(126.12967, rel=1e-4)


def test_saved_and_loaded_whole(codec: Codec, tmp_path: Path) -> None:
    torch.manual_seed(1)
    for parameter in codec.parameters():  # nothing stays at a value that a fresh network has too
        parameter.data.normal_(std=0.1)
    codec.quantiser.begun.fill_(True)
    codec.quantiser.counts.uniform_(1, 2)
    save_codec(codec, Transform(64, "crop"), tmp_path / "codec", "# A card\n")
    loaded, transform = load_codec(tmp_path / "codec")
    assert transform == Transform(64, "crop")
    assert loaded.config == SMALL
    assert not loaded.training
    expected = {k: v.bfloat16().float() if v.is_floating_point() else v for k, v in codec.state_dict().items()}
    own = dict([*loaded.named_parameters(), *loaded.named_buffers()])  # with non-persistent buffers, if there were any
    assert own.keys() == expected.keys()
    for key, value in own.items():
        assert value.device.type == "cpu"
        assert torch.equal(value, expected[key]), key
    assert {p.name for p in (tmp_path / "codec").iterdir()} == {
        "config.json", "model.safetensors", "transform.json", "README.md"
    }  # fmt: skip


def test_codes_survive_saving(codec: Codec, tmp_path: Path) -> None:
    pixels = torch.rand(4, 1, 64, 64) * 2 - 1
    first, transform = load_codec(save_codec(codec, Transform(64), tmp_path / "a"))
    again, _ = load_codec(save_codec(first, transform, tmp_path / "b"))
    assert torch.equal(first.encode(pixels), again.encode(pixels))
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")


def test_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is not a checkpoint: config\.json is missing"):
        load_codec(tmp_path)


def test_fingerprint_of_codes_is_of_what_makes_them_alone() -> None:
    torch.manual_seed(0)
    codec = CodecConfig((16, 16, 16), (1, 1, 1), (1, 1, 1), detail=8, codes=16, code_dim=8).build()
    first = codes_fingerprint(codec, Transform(32))
    with torch.no_grad():
        codec.decoder[0].weight.add_(1)
        codec.quantiser.counts.add_(1)
    assert codes_fingerprint(codec, Transform(32)) == first
    assert codes_fingerprint(codec, Transform(48)) != first
    with torch.no_grad():
        codec.encoder[1].weight.add_(1)
    moved = codes_fingerprint(codec, Transform(32))
    codec.quantiser.codebook.copy_(codec.quantiser.codebook.flip(0))
    assert len({first, moved, codes_fingerprint(codec, Transform(32))}) == 3
