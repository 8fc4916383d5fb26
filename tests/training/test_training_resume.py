"""A run that was stopped, however it was, goes on as if it had not been."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from toy_stage import ToyStage, read_log, toy_config

from radloom.classifier.model import ClassifierConfig, ClinicalClassifier
from radloom.classifier.network import EfficientNetLite
from radloom.classifier.stage import ClassifierStage
from radloom.codec.losses import LossWeights, ReconstructionLoss
from radloom.codec.network import CodecConfig
from radloom.codec.stage import CodecStage
from radloom.corpora.images import XrayImages
from radloom.training import LoopConfig, Stage, fit


def weights(run: Path) -> dict[str, torch.Tensor]:
    """All weights and buffers of the saved state and of the finished model, which are their averages."""
    paths = [*sorted((run / "state").glob("*.safetensors")), run / "model" / "model.safetensors"]
    return {f"{path.parent.name}/{path.name}/{key}": value for path in paths for key, value in load_file(path).items()}


def assert_same_run(first: Path, second: Path) -> None:
    terms, again = ([line for line in read_log(run) if "lr" in line] for run in (first, second))
    assert terms == again
    left, right = weights(first), weights(second)
    assert left.keys() == right.keys()
    differing = [key for key in left if not torch.equal(left[key], right[key])]
    assert not differing


def check_resume(make: Callable[[int], Stage], config: LoopConfig, folder: Path, stops: list[int]) -> None:
    """`make` builds a stage whose first weights depend on the seed given: a resumed one must not need the same."""
    whole, parts = folder / "whole", folder / "parts"
    assert fit(make(0), config, whole)
    for number, stop in enumerate(stops):
        assert not fit(make(number), config, parts, stop_at=stop)
        assert not (parts / "done.json").exists()
    assert fit(make(99), config, parts)
    assert_same_run(whole, parts)


@pytest.mark.parametrize("stops", [[1], [4], [8], [2, 3, 7]])
def test_toy(tmp_path: Path, stops: list[int]) -> None:
    check_resume(lambda seed: ToyStage(seed=seed), toy_config(9), tmp_path, stops)


def test_toy_with_loader_processes_and_in_float32(tmp_path: Path) -> None:
    check_resume(lambda seed: ToyStage(seed=seed), toy_config(6, workers=1, precision="fp32"), tmp_path, [2])


def test_toy_with_tied_weights(tmp_path: Path) -> None:
    check_resume(lambda seed: ToyStage("tied", seed=seed), toy_config(6), tmp_path, [3])


def test_codec_with_discriminator_crops_and_revival(tmp_path: Path, xrays: dict[str, XrayImages]) -> None:
    loss_weights = LossWeights(adversarial_start=0.3, adversarial_ramp=0.3, crop=24, clinical_size=32)
    torch.manual_seed(7)
    loss = ReconstructionLoss(loss_weights, EfficientNetLite(), ClinicalClassifier(ClassifierConfig(size=32)))

    def make(seed: int) -> CodecStage:
        torch.manual_seed(seed)
        codec = CodecConfig((16, 16, 16), (1, 1, 1), (1, 1, 1), detail=16, codes=32, code_dim=8).build()
        codec.quantiser.decay, codec.quantiser.revive_below = 0.5, 0.5  # revives from the first steps on
        return CodecStage(codec, loss, xrays["train"], xrays["val"])

    config = LoopConfig(steps=7, batch_size=4, learning_rate=1e-3, warmup=2, ema=0.9, log_every=1)
    check_resume(make, config, tmp_path, [2, 5])
    lines = read_log(tmp_path / "whole")
    assert ["adversarial/discriminator" in line for line in lines] == [False] * 3 + [True] * 4
    assert all(term in lines[-1] for term in ("l1", "gradient", "perceptual", "clinical", "phi", "adversarial"))


def test_classifier_with_dropout_augmentation_and_batch_statistics(
    tmp_path: Path, xrays: dict[str, XrayImages], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radloom.classifier.model.load_imagenet", lambda network: network)

    def make(seed: int) -> ClassifierStage:
        torch.manual_seed(seed)
        return ClassifierStage(
            ClinicalClassifier.from_imagenet(ClassifierConfig(size=32)), xrays["train"], xrays["val"], seed=3
        )

    config = LoopConfig(steps=5, batch_size=5, learning_rate=1e-3, warmup=2, ema=0.9, log_every=1)
    check_resume(make, config, tmp_path, [2])


def toy_command(folder: Path, config: dict[str, Any], **stage: Any) -> list[str]:
    script = Path(__file__).with_name("toy_stage.py")
    return [sys.executable, str(script), str(folder), json.dumps(config), json.dumps(stage)]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in the processes of `toy_command`: sums of more threads are rounded otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# -- states that a kill leaves -------------------------------------------------------------------------------------


def test_log_is_cut_back_to_the_state(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    fit(ToyStage(), toy_config(9), whole)
    fit(ToyStage(), toy_config(9), parts, stop_at=4)
    with (parts / "log.jsonl").open("a") as log:  # lines after the last saved state, the last one half written
        log.write(json.dumps({"step": 5, "mse": 123.0}) + "\n" + json.dumps({"step": 6, "val/size": 1.0}) + "\n")
        log.write('{"step": 7, "ms')
    fit(ToyStage(), toy_config(9), parts)
    assert [line["step"] for line in read_log(parts)] == list(range(1, 10))
    assert_same_run(whole, parts)


def test_killed_between_the_two_renames_of_a_save(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    fit(ToyStage(), toy_config(9), whole)
    fit(ToyStage(), toy_config(9), parts, stop_at=4)
    (parts / "state").rename(parts / "state.old")
    fit(ToyStage(seed=5), toy_config(9), parts)
    assert_same_run(whole, parts)
    assert not (parts / "state.old").exists()


def test_killed_again_in_the_save_after_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    fit(ToyStage(), toy_config(9), whole)
    fit(ToyStage(), toy_config(9), parts, stop_at=4)
    (parts / "state").rename(parts / "state.old")
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if self.name == "state.new":
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", killed)
        fit(ToyStage(seed=5), toy_config(9), parts, stop_at=6)
    fit(ToyStage(seed=6), toy_config(9), parts)
    assert_same_run(whole, parts)


def test_killed_after_the_last_step_and_before_the_export(tmp_path: Path) -> None:
    first, again = ToyStage(), ToyStage(seed=5)
    fit(first, toy_config(5), tmp_path)
    (tmp_path / "done.json").unlink()
    assert fit(again, toy_config(5), tmp_path)
    assert (tmp_path / "done.json").is_file()
    assert not again.seen  # no step was taken again
    for key, value in first.exported.items():
        assert torch.equal(again.exported[key], value)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_kill_minus_nine_at_any_moment(tmp_path: Path) -> None:
    whole, parts, settings = tmp_path / "whole", tmp_path / "parts", {"steps": 40, "save_minutes": 0.0}
    fit(ToyStage(), toy_config(**settings), whole)
    for reached in (5, 17):
        process = subprocess.Popen(toy_command(parts, settings, seconds=0.01), stderr=subprocess.DEVNULL)
        while process.poll() is None and not ((parts / "log.jsonl").is_file() and len(read_lines(parts)) >= reached):
            time.sleep(0.01)
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not (parts / "done.json").exists()
    assert fit(ToyStage(), toy_config(**settings), parts)
    assert_same_run(whole, parts)


def read_lines(folder: Path) -> list[str]:
    return (folder / "log.jsonl").read_text().splitlines()


# -- more than one process -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_two_processes_train_as_one_with_batches_twice_the_size(tmp_path: Path) -> None:
    settings = {"steps": 6, "accumulate": 1, "precision": "fp32", "sample_every": 2, "evaluate_every": 3}
    alone = ToyStage("plain")
    fit(alone, toy_config(**settings, batch_size=6), tmp_path / "one")
    _, *script = toy_command(tmp_path / "two", settings | {"batch_size": 3}, network="plain")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *script]
    subprocess.run(launch, check=True, stderr=subprocess.DEVNULL, timeout=600)
    for rank in range(2):
        two = load_file(tmp_path / "two" / f"end-{rank}.safetensors")
        for key, value in alone.weights().items():
            torch.testing.assert_close(two[f"module.{key}"], value, rtol=1e-4, atol=1e-5)
    assert (tmp_path / "two" / "done.json").is_file()
