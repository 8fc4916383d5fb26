import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import Tensor, nn
from toy_stage import ToyStage, read_log, toy_config

from radloom.errors import RecipeError, TrainingError
from radloom.training import Clock, LoopConfig, Loss, decay_groups, fit
from radloom.training.loop import learning_rate
from radloom.training.sampling import epoch_batches

prepare_model = Accelerator.prepare_model


def prepare_elsewhere(self: Accelerator, model: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
    """Give the parameters other memory, as moving them to a GPU does."""
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    return prepare_model(self, model, *args, **kwargs)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# -- learning rate, weight decay ----------------------------------------------------------------------------------


def test_learning_rate_rises_linearly_then_falls_as_a_cosine() -> None:
    config = LoopConfig(steps=110, batch_size=1, learning_rate=2.0, warmup=10, final=0.1)
    assert [learning_rate(step, config) for step in range(10)] == pytest.approx([0.2 * (i + 1) for i in range(10)])
    assert learning_rate(10, config) == pytest.approx(2.0)
    assert learning_rate(60, config) == pytest.approx(2.0 * (0.1 + 0.9 * 0.5))  # half way down
    assert learning_rate(35, config) == pytest.approx(2.0 * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi / 4))))
    assert learning_rate(110, config) == pytest.approx(0.2)
    assert learning_rate(500, config) == pytest.approx(0.2)


def test_learning_rate_without_warmup_begins_at_the_peak() -> None:
    assert learning_rate(0, LoopConfig(steps=5, batch_size=1, learning_rate=3.0, warmup=0)) == pytest.approx(3.0)


def test_groups_of_an_optimizer_scale_the_rate(tmp_path: Path) -> None:
    class Slowed(ToyStage):
        def groups(self, config: LoopConfig) -> dict[str, list[dict]]:
            first, last = self.modules["net"][0], self.modules["net"][2]
            return {"net": [{"params": first.parameters(), "lr_scale": 0.0}, {"params": last.parameters()}]}

    stage = Slowed("plain")
    before = stage.weights()
    fit(stage, toy_config(2, ema=None), tmp_path)
    after = {key: value.cpu() for key, value in stage.weights().items()}
    assert torch.equal(before["0.weight"], after["0.weight"])
    assert not torch.equal(before["2.weight"], after["2.weight"])


def test_only_matrices_and_kernels_are_decayed() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.linear = nn.Embedding(5, 4), nn.Linear(4, 4)
            self.conv, self.norm, self.frozen = nn.Conv2d(1, 2, 3), nn.LayerNorm(4), nn.Linear(4, 4)
            self.head = nn.Linear(4, 5, bias=False)
            self.head.weight = self.embedding.weight  # tied
            self.frozen.requires_grad_(False)

    model = Model()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decayed, free = decay_groups(model, 0.1)
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert {names[id(p)] for p in decayed["params"]} == {"linear.weight", "conv.weight"}
    assert {names[id(p)] for p in free["params"]} == {
        "embedding.weight", "linear.bias", "conv.bias", "norm.weight", "norm.bias"
    }  # fmt: skip


def test_a_module_of_biases_alone_has_one_group() -> None:
    assert len(decay_groups(nn.LayerNorm(4), 0.1)) == 1


# -- averages, accumulation ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("network", ["plain", "tied"])
def test_exported_weights_are_the_moving_average_of_all_steps(
    tmp_path: Path, network: str, moved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if moved:
        monkeypatch.setattr(Accelerator, "prepare_model", prepare_elsewhere)
    stage = ToyStage(network)
    fit(stage, toy_config(12, accumulate=1), tmp_path)
    history = [*stage.seen, stage.weights()]
    average = history[0]
    for update, weights in enumerate(history[1:], start=1):
        decay = min(0.9, (1 + update) / (10 + update))
        average = {key: decay * average[key] + (1 - decay) * weights[key] for key in average}
    for key, value in average.items():
        torch.testing.assert_close(stage.exported[key], value, rtol=1e-5, atol=1e-6)
        assert not torch.equal(stage.exported[key], history[-1][key])


def test_buffers_are_exported_as_they_are(tmp_path: Path) -> None:
    stage = ToyStage()
    fit(stage, toy_config(4), tmp_path)
    for key, buffer in stage.modules["net"].named_buffers():
        assert torch.equal(stage.exported[key], buffer)


def test_four_batches_of_two_are_a_batch_of_eight(tmp_path: Path) -> None:
    ends = []
    for size, accumulate in ((8, 1), (2, 4)):
        stage = ToyStage("plain", count=16)
        config = toy_config(6, batch_size=size, accumulate=accumulate, ema=None, precision="fp32")
        fit(stage, config, tmp_path / str(size))
        ends.append((stage.weights(), [line["mse"] for line in read_log(tmp_path / str(size))]))
    (whole, losses), (parts, losses_of_parts) = ends
    assert losses == pytest.approx(losses_of_parts, rel=1e-4)
    for key in whole:
        torch.testing.assert_close(whole[key], parts[key], rtol=1e-4, atol=1e-5)


def test_gradients_are_clipped_together(tmp_path: Path) -> None:
    stage = ToyStage("plain")
    fit(stage, toy_config(1, clip=1e-12, warmup=0, ema=None), tmp_path)
    moved = stage.weights()["0.weight"] - stage.seen[0]["0.weight"]
    assert 0 < moved.abs().max() < 1e-5  # AdamW moves by the whole rate, 1e-2, unless the gradient is near its epsilon


# -- what is not finite --------------------------------------------------------------------------------------------


def test_a_nan_stops_with_step_and_item_and_leaves_the_state(tmp_path: Path) -> None:
    bad = epoch_batches(11, 3, seed=0, epoch=0)[3][1]  # second backward pass of step 2
    uninterrupted = tmp_path / "a"
    fit(ToyStage(), toy_config(4), uninterrupted)
    run = tmp_path / "b"
    fit(ToyStage(), toy_config(4), run, stop_at=1)
    saved = contents(run / "state")
    with pytest.raises(TrainingError, match=rf"step 2\b.*\bitem-{bad}\b") as error:
        fit(ToyStage(nan_item=bad), toy_config(4), run, name="toy")
    assert "toy" in str(error.value)
    assert "mse" in str(error.value)
    assert contents(run / "state") == saved
    fit(ToyStage(seed=5), toy_config(4), run)
    assert read_log(run) == read_log(uninterrupted)


@pytest.mark.parametrize("micro", [0, 1])
def test_an_infinite_gradient_names_every_item_of_its_step(tmp_path: Path, micro: int) -> None:
    plan = epoch_batches(11, 3, seed=0, epoch=0)
    with pytest.raises(TrainingError, match=r"gradient of net is not finite at step 1\b") as error:
        fit(ToyStage(inf_item=plan[micro][0]), toy_config(4), tmp_path)
    for index in plan[0] + plan[1]:
        assert f"item-{index}" in str(error.value)
    assert not (tmp_path / "state").exists()


def test_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nothing to train on"):
        fit(ToyStage(count=0), toy_config(), tmp_path / "run", name="toy")
    assert not (tmp_path / "run").exists()


# -- looking at it -------------------------------------------------------------------------------------------------


def test_scores_and_samples_do_not_change_training(tmp_path: Path) -> None:
    quiet, watched = ToyStage(), ToyStage()
    fit(quiet, toy_config(6), tmp_path / "quiet")
    fit(watched, toy_config(6, evaluate_every=2, sample_every=3), tmp_path / "watched")
    lines = read_log(tmp_path / "watched")
    assert [line for line in lines if "mse" in line] == read_log(tmp_path / "quiet")
    assert [line["step"] for line in lines if "val/size" in line] == [2, 4]
    assert [p.name for p in sorted((tmp_path / "watched" / "samples").iterdir())] == ["0000003.png", "0000006.png"]
    assert watched.modes == [(False, False)] * 3  # eval mode, without gradients
    assert watched.modules["net"].training


def test_finished_run_says_what_it_was(tmp_path: Path) -> None:
    stage = ToyStage()
    assert fit(stage, toy_config(3), tmp_path)
    done = json.loads((tmp_path / "done.json").read_text())
    assert done["step"] == 3
    assert done["train"]["learning_rate"] == 1e-2
    sizes = [float(v.float().abs().sum()) for v in stage.exported.values()]
    assert done["scores"]["size"] == pytest.approx(sum(sizes))  # of the averaged weights, which are exported
    assert [line["lr"] for line in read_log(tmp_path)] == pytest.approx([1e-2 / 3, 2e-2 / 3, 1e-2])


@pytest.mark.parametrize(
    ("scores", "step", "highest"),
    [
        ((3.0, 1.0, 2.0, 4.0), 4, False),
        ((3.0, 2.0, 1.0, 0.5), 7, False),
        ((3.0, 5.0, 2.0, 4.0), 4, True),
        ((math.nan, 1.0, math.nan, 4.0), 4, False),
        ((3.0, math.nan, 1.0, math.nan), 6, False),
    ],
)
def test_the_weights_with_the_best_score_are_exported(
    tmp_path: Path, scores: tuple[float, ...], step: int, highest: bool
) -> None:
    class Scored(ToyStage):
        def evaluate(self) -> dict[str, float]:
            size = super().evaluate()
            self.last = {"loss": scores[len(self.modes) - 1], **size}
            return self.last

        def export(self, folder: Path) -> None:
            super().export(folder)
            (folder / "scores.json").write_text(json.dumps(self.last))

    assert fit(Scored(), toy_config(7, evaluate_every=2, best="loss", highest_is_best=highest), tmp_path)
    done = json.loads((tmp_path / "done.json").read_text())
    known = [score for score in scores if not math.isnan(score)]
    assert (done["step"], done["scores"]["loss"]) == (step, max(known) if highest else min(known))
    assert json.loads((tmp_path / "model" / "scores.json").read_text()) == done["scores"]
    found = load_file(tmp_path / "model" / "model.safetensors")
    assert sum(float(v.float().abs().sum()) for v in found.values()) == pytest.approx(done["scores"]["size"])


@pytest.mark.parametrize(("name", "highest"), [("loss[text]", False), ("nats", False), ("auroc[mean]", True)])
def test_the_lowest_loss_and_the_highest_of_other_scores_are_the_best(name: str, highest: bool) -> None:
    assert toy_config(best=name, evaluate_every=2).keeps_highest is highest
    assert toy_config(best=name, evaluate_every=2, highest_is_best=not highest).keeps_highest is not highest


def test_the_best_weights_outlive_a_kill(tmp_path: Path) -> None:
    class Growing(ToyStage):
        def evaluate(self) -> dict[str, float]:
            return {"loss": super().evaluate()["size"]}

    config = toy_config(7, evaluate_every=2, best="loss")
    fit(Growing(), config, tmp_path / "whole")
    assert not fit(Growing(), config, tmp_path / "cut", stop_at=5)
    assert fit(Growing(), config, tmp_path / "cut")
    assert (tmp_path / "cut" / "done.json").read_text() == (tmp_path / "whole" / "done.json").read_text()
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]


def test_best_names_a_score_that_there_is(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"train.best is 'los'; scores here: size"):
        fit(ToyStage(), toy_config(4, evaluate_every=2, best="los"), tmp_path)
    with pytest.raises(RecipeError, match="set evaluate_every"):
        toy_config(4, best="size")


def test_workers_that_read_data_live_as_long_as_the_run(tmp_path: Path) -> None:
    class Telling(ToyStage):
        def item(self, index: int, epoch: int) -> Tensor:
            (tmp_path / f"{epoch}-{index}-{os.getpid()}").touch()
            return super().item(index, epoch)

    fit(Telling(), toy_config(8, workers=1), tmp_path / "run")
    told = [path.name.split("-") for path in tmp_path.glob("*-*-*")]
    assert len({epoch for epoch, _, _ in told}) > 2
    assert len({process for _, _, process in told} - {str(os.getpid())}) == 1


def test_small_numbers_keep_their_digits_in_the_log(tmp_path: Path) -> None:
    fit(ToyStage(), toy_config(2, learning_rate=4.3e-7, warmup=0), tmp_path)
    assert read_log(tmp_path)[0]["lr"] == pytest.approx(4.3e-7)


def test_losses_go_to_tensorboard(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    fit(ToyStage(), toy_config(4, log_every=2), tmp_path)
    board = events.EventAccumulator(str(tmp_path / "events")).Reload()
    assert [event.step for event in board.Scalars("mse")] == [2, 4]
    assert board.Scalars("mse")[1].value == pytest.approx(read_log(tmp_path)[-1]["mse"], rel=1e-5)


def test_stages_of_one_process_may_differ_in_precision(tmp_path: Path) -> None:
    types = []

    class Typed(ToyStage):
        def losses(self, batch: dict[str, Any], clock: Clock) -> Iterator[Loss]:
            kind = batch["x"].device.type
            types.append(torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32)
            yield from super().losses(batch, clock)

    for precision in ("bf16", "fp32", "bf16"):
        fit(Typed(), toy_config(1, accumulate=1, precision=precision), tmp_path / f"{len(types)}")
    assert types == [torch.bfloat16, torch.float32, torch.bfloat16]


def test_data_order_is_that_of_the_sampler(tmp_path: Path) -> None:
    asked: list[tuple[int, int]] = []

    class Asked(ToyStage):
        def item(self, index: int, epoch: int) -> torch.Tensor:
            asked.append((epoch, index))
            return super().item(index, epoch)

    fit(Asked(), toy_config(3), tmp_path)
    plan = [(epoch, i) for epoch in (0, 1) for b in epoch_batches(11, 3, seed=0, epoch=epoch) for i in b]
    assert asked == plan[:18]  # 3 steps of 2 passes of 3 items, into the second epoch
    assert asked[-1][0] == 1
