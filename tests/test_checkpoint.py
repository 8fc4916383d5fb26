import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from radloom import checkpoint
from radloom.errors import CheckpointError


def network(width: int = 3) -> nn.Module:
    """Parameters, floating and integer buffers."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))


def write(folder: Path, **changes: Any) -> Path:
    arguments = {"kind": "toy", "config": {"width": 3}, "state": network().state_dict(), "transform": {"size": 8}}
    return checkpoint.save(folder, **arguments | changes)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_round_trip(tmp_path: Path, dtype: str) -> None:
    state = network().state_dict()
    state["1.num_batches_tracked"] += 70_001  # more than bfloat16 holds
    folder = write(tmp_path / "deep" / "model", state=state, dtype=dtype, card="# Toy\n", beside={"words.txt": "a\n"})
    assert checkpoint.read_config(folder, "toy") == {"width": 3}
    assert checkpoint.read_transform(folder) == {"size": 8}
    assert (folder / "README.md").read_text() == "# Toy\n" and (folder / "words.txt").read_text() == "a\n"
    loaded = network()
    for parameter in loaded.parameters():
        parameter.data.zero_()
    checkpoint.load_state(loaded, folder)
    for key, value in loaded.state_dict().items():
        expected = state[key]
        if expected.is_floating_point():
            assert value.dtype == torch.float32
            expected = expected.to(getattr(torch, dtype)).float()
        assert torch.equal(value, expected), key


def test_int8_takes_half_the_space_and_keeps_each_row_to_its_own_step(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.ModuleDict({"conv": nn.Conv2d(16, 32, 3), "linear": nn.Linear(128, 64), "small": nn.Linear(4, 4)})
    module["linear"].weight.data *= torch.logspace(-4, 2, 64)[:, None]
    module["linear"].weight.data[5] = 0
    state = {k: v.clone() for k, v in module.state_dict().items()}
    folders = [checkpoint.save(tmp_path / d, "toy", {}, state, dtype=d) for d in ("int8", "bfloat16")]
    size, half = (folder.joinpath("model.safetensors").stat().st_size for folder in folders)
    assert size < 0.57 * half
    for parameter in module.parameters():
        parameter.data.zero_()
    checkpoint.load_state(module, folders[0])
    for key, value in module.state_dict().items():
        assert value.dtype == torch.float32
        if key in ("conv.weight", "linear.weight"):
            step = state[key].flatten(1).abs().amax(1) / 127
            wrong = (value - state[key]).flatten(1).abs().amax(1)
            assert (wrong <= 0.501 * step).all(), key
        else:
            assert torch.equal(value, state[key].bfloat16().float()), key


def test_int8_again_changes_nothing(tmp_path: Path) -> None:
    module = nn.Linear(128, 64)
    checkpoint.save(tmp_path / "a", "toy", {}, module.state_dict(), dtype="int8")
    checkpoint.load_state(module, tmp_path / "a")
    checkpoint.save(tmp_path / "b", "toy", {}, module.state_dict(), dtype="int8")
    first, second = (safetensors.torch.load_file(tmp_path / n / "model.safetensors") for n in "ab")
    assert torch.equal(first["weight"], second["weight"])


def test_a_matrix_without_its_scales_is_missing(tmp_path: Path) -> None:
    module = nn.Linear(128, 64)
    folder = checkpoint.save(tmp_path / "a", "toy", {}, module.state_dict(), dtype="int8")
    stored = safetensors.torch.load_file(folder / "model.safetensors")
    del stored["weight" + checkpoint.SCALE]
    safetensors.torch.save_file(stored, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="weight"):
        checkpoint.load_state(module, folder)


def test_folder_holds_no_pickle_and_nothing_beside_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "model")
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors", "transform.json"]
    stored = safetensors.torch.load_file(folder / "model.safetensors")
    assert {v.dtype for k, v in stored.items() if k != "1.num_batches_tracked"} == {torch.bfloat16}


def test_replaces_what_is_there(tmp_path: Path) -> None:
    write(tmp_path / "model", card="old")
    write(tmp_path / "model", config={"width": 4})
    assert checkpoint.read_config(tmp_path / "model", "toy") == {"width": 4}
    assert not (tmp_path / "model" / "README.md").exists()


def test_old_checkpoint_stays_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "model")
    before = checkpoint.fingerprint(folder)

    def full(tensors: Any, path: str, metadata: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(safetensors.torch, "save_file", full)
        write(folder, config={"width": 4})
    assert checkpoint.fingerprint(folder) == before
    checkpoint.load_state(network(), folder)
    write(folder, config={"width": 4})  # and what was left half written does not disturb
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("whole", [nn.Linear(2, 3), nn.Embedding(4, 4)])
def test_shared_and_sliced_tensors_can_be_saved(tmp_path: Path, whole: nn.Module) -> None:
    weight = whole.weight
    write(tmp_path / "model", state={"a": weight, "b": weight, "c": weight[:, 1:].T}, dtype="float32")  # type: ignore[index]
    stored = safetensors.torch.load_file(tmp_path / "model" / "model.safetensors")
    assert torch.equal(stored["a"], stored["b"])
    assert torch.equal(stored["c"], weight[:, 1:].T)  # type: ignore[index]


def test_missing_and_unexpected_keys_are_named(tmp_path: Path) -> None:
    state = network().state_dict()
    state["0.weights"] = state.pop("0.weight")
    folder = write(tmp_path / "model", state=state)
    with pytest.raises(CheckpointError, match=r"missing: 0\.weight; unexpected: 0\.weights") as error:
        checkpoint.load_state(network(), folder)
    assert "1 missing and 1 unexpected" in str(error.value)


def test_shape_that_does_not_fit_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "model")
    with pytest.raises(CheckpointError, match=r"0\.bias has shape \(3,\), the configuration asks for \(5,\)"):
        checkpoint.load_state(network(5), folder)


def test_nothing_is_loaded_from_a_checkpoint_that_does_not_fit(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", state={k: v + 1 for k, v in network().state_dict().items() if k != "1.bias"})
    module = network()
    with pytest.raises(CheckpointError):
        checkpoint.load_state(module, folder)
    assert all(torch.equal(v, network().state_dict()[k]) for k, v in module.state_dict().items())


def test_wrong_kind(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds a 'toy' checkpoint; a 'codec' is needed"):
        checkpoint.read_config(write(tmp_path / "model"), "codec")


def test_wrong_format(tmp_path: Path) -> None:
    folder = write(tmp_path / "model")
    head = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(head | {"format": 99}))
    with pytest.raises(CheckpointError, match=r"format 99; this radloom reads format 1"):
        checkpoint.read_config(folder, "toy")


@pytest.mark.parametrize("text", ["", "{", "[1]", '"toy"', '{"kind": "toy", "format": 1}', "\udcff"])
def test_damaged_config(tmp_path: Path, text: str) -> None:
    folder = write(tmp_path / "model")
    (folder / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        checkpoint.read_config(folder, "toy")


@pytest.mark.parametrize("size", [0, 5, 40, -1])
def test_truncated_weights(tmp_path: Path, size: int) -> None:
    folder = write(tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:size])
    with pytest.raises(CheckpointError, match=r"model\.safetensors cannot be read"):
        checkpoint.load_state(network(), folder)


@pytest.mark.parametrize("name", ["config.json", "transform.json", "model.safetensors"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "model")
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        checkpoint.read_config(folder, "toy")
        checkpoint.read_transform(folder)
        checkpoint.load_state(network(), folder)


def test_fingerprint_follows_weights_config_and_transform_alone(tmp_path: Path) -> None:
    def of(name: str, **changes: Any) -> str:
        return checkpoint.fingerprint(write(tmp_path / name, **changes))

    state = network().state_dict()
    plain = of("a")
    assert len(plain) == 16
    assert plain == of("b") == of("c", card="# Another card\n")
    others = {
        of("d", config={"width": 4}),
        of("e", transform={"size": 9}),
        of("f", transform=None),
        of("g", state={k: v + 1 for k, v in state.items()}),
        of("h", dtype="float32"),
    }
    assert len(others | {plain}) == 6


def test_fingerprint_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        checkpoint.fingerprint(tmp_path)
