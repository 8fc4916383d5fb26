"""One training loop over Accelerate for every stage.

A run is a folder: `state/` (weights, optimizers, averages, random state; read with `weights_only=True`), `log.jsonl`
(one line a log step), `events/` (TensorBoard), `samples/`, `best/` where the best weights are kept, and at the end
`model/`. Killed at any moment and started again, it goes on from the last saved state, and on CPU the losses are those
of an uninterrupted run.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list, set_seed
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from radloom.devices import bfloat16_in_hardware
from radloom.errors import TrainingError
from radloom.files import write_whole
from radloom.imaging import write_png
from radloom.training.progress import ProgressLine
from radloom.training.sampling import epoch_batches
from radloom.training.stage import Clock, LoopConfig, Stage


def fit(stage: Stage, config: LoopConfig, folder: Path, *, name: str = "", stop_at: int | None = None) -> bool:
    """Train `stage` in `folder`, going on from a state saved there, and export it to `folder/model`.

    Args:
        stage: what to train.
        config: how.
        folder: where state, logs, samples and the finished model go.
        name: shown in the progress line.
        stop_at: stop after this many steps without finishing, as if killed right after a checkpoint.

    Returns:
        Whether training is finished.

    Raises:
        TrainingError: nothing to train on, or a loss or gradient norm is not finite; the text names step and items.
    """
    run = _Run(stage, config, folder, name)
    run.train(config.steps if stop_at is None else min(stop_at, config.steps))
    if run.step < config.steps:
        return False
    run.finish()
    return True


def learning_rate(step: int, config: LoopConfig) -> float:
    """Linear warm-up, then a cosine to `final` x the peak."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * (config.final + (1 - config.final) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def _mixed_precision(config: LoopConfig) -> str:
    """What Accelerate calls it."""
    bf16 = config.precision == "bf16" or (config.precision == "auto" and bfloat16_in_hardware())
    return "bf16" if bf16 else "no"


class _Items(Dataset[tuple[int, int, Any]]):
    """A stage's items of every epoch, with epoch and index."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def __len__(self) -> int:
        return self.stage.items()

    def __getitem__(self, place: tuple[int, int]) -> tuple[int, int, Any]:
        epoch, index = place
        return epoch, index, self.stage.item(index, epoch)

    def collate(self, found: list[tuple[int, int, Any]]) -> tuple[int, list[int], dict[str, Any]]:
        return found[0][0], [i for _, i, _ in found], self.stage.collate([item for _, _, item in found])


class _Average:
    """Exponential moving average of parameters, warmed up so that early weights are forgotten.

    Buffers (batch-norm statistics, codebooks) follow data by averages of their own and are copied.
    """

    def __init__(self, modules: dict[str, nn.Module], decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.live = {f"{m}.{k}": v for m, module in modules.items() for k, v in module.state_dict().items()}
        self.averaged = {
            f"{m}.{k}" for m, module in modules.items() for k, _ in module.named_parameters(remove_duplicate=False)
        }
        self.shadow = {k: v.detach().clone() for k, v in self.live.items()}

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        averaged = [k for k in self.live if k in self.averaged]
        # all at once: on a GPU a kernel each costs as long as the step itself
        torch._foreach_lerp_([self.shadow[k] for k in averaged], [self.live[k] for k in averaged], 1 - decay)
        for key in self.live.keys() - self.averaged:
            self.shadow[key].copy_(self.live[key])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within, the modules hold the averages."""
        kept = {k: v.detach().clone() for k, v in self.live.items()}
        self._fill(self.shadow)
        try:
            yield
        finally:
            self._fill(kept)

    @torch.no_grad()
    def _fill(self, values: dict[str, Tensor]) -> None:
        for key, value in self.live.items():
            value.copy_(values[key])

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "shadow": self.shadow}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.updates = state["updates"]
        for key, value in state["shadow"].items():
            self.shadow[key].copy_(value)


class _Run:
    def __init__(self, stage: Stage, config: LoopConfig, folder: Path, name: str) -> None:
        self.stage, self.config, self.folder, self.name = stage, config, folder, name
        if not stage.items():
            raise TrainingError(f"{name or folder}: there is nothing to train on; look at the corpora of this stage.")
        AcceleratorState._reset_state()  # it refuses another precision than the stage before had
        self.accelerator = Accelerator(
            mixed_precision=_mixed_precision(config), cpu=not torch.accelerator.is_available()
        )
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        set_seed(config.seed, device_specific=True)  # each process draws its own noise
        self.raw = raw = dict(stage.modules)
        self.optimizers: dict[str, Any] = {
            key: torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, weight_decay=0.0)
            for key, groups in stage.groups(config).items()
        }
        self._trained = {key: [p for g in o.param_groups for p in g["params"]] for key, o in self.optimizers.items()}
        prepared = self.accelerator.prepare(*raw.values(), *self.optimizers.values())
        prepared = list(prepared) if isinstance(prepared, tuple) else [prepared]
        stage.modules = dict(zip(raw, prepared, strict=False))
        self.optimizers = dict(zip(self.optimizers, prepared[len(raw) :], strict=True))
        # after the networks are on their device: moving them gives the parameters other memory
        self.average = _Average(raw, config.ema) if config.ema else None
        if self.average:
            self.accelerator.register_for_checkpointing(self.average)
        self._resume()

    # -- the loop ------------------------------------------------------------------------------------------------

    def train(self, until: int) -> None:
        config, stage = self.config, self.stage
        saved = time.monotonic()
        progress = ProgressLine(self.name, self.step, config.steps, enabled=self.accelerator.is_main_process)
        log = _Log(self.folder, self.step) if self.accelerator.is_main_process else None
        for module in stage.modules.values():
            module.train()
        batches = self._batches()
        started, items = time.monotonic(), 0
        while self.step < until:
            rate = learning_rate(self.step, config)
            terms: dict[str, list[Tensor]] = {}
            used: list[tuple[int, int]] = []
            for _ in range(config.accumulate):
                epoch, indices, batch = next(batches)
                self._backward(batch, indices, epoch, terms)
                used += [(index, epoch) for index in indices]
            items += len(used) * self.accelerator.num_processes
            norms = self._optimise(rate, used)
            if self.average:
                self.average.update()
            self.step += 1
            last = self.step == until
            if log and (self.step % config.log_every == 0 or last):
                seconds = time.monotonic() - started
                line = {"step": self.step, "epoch": epoch, "lr": rate, "items_per_s": round(items / seconds, 2)}
                line |= {k: float(torch.stack(v).mean()) for k, v in terms.items()} | norms
                log.write(line)
                progress.update(self.step, line)
                started, items = time.monotonic(), 0
            due = config.sample_every and self.step % config.sample_every == 0 and self.step < config.steps
            if due and self.accelerator.is_main_process:
                self._sample()
            if config.evaluate_every and self.step % config.evaluate_every == 0 and self.step < config.steps:
                scores = self._evaluate()
                if log:
                    log.write({"step": self.step} | {f"val/{k}": v for k, v in scores.items()})
                    self._keep(scores)
            if last or self._agreed(time.monotonic() - saved > 60 * config.save_minutes):
                self._save()
                saved = time.monotonic()
        progress.close()
        if log:
            log.close()

    def _agreed(self, decision: bool) -> bool:
        """What the first process decides, for all: clocks differ, and those that save wait for each other."""
        [agreed] = broadcast_object_list([decision])
        return bool(agreed)

    def _batches(self) -> Iterator[tuple[int, list[int], dict[str, Any]]]:
        """Batches without end from where training stands."""
        device, items = self.accelerator.device, _Items(self.stage)
        loader = DataLoader(
            items,
            batch_sampler=self._plan(),  # of all epochs, so that workers live as long as the run
            collate_fn=items.collate,
            num_workers=self.config.workers,
            pin_memory=device.type == "cuda",
            # its own generator: reading data must not advance the generator that training draws from
            generator=torch.Generator().manual_seed(self.config.seed),
        )
        for epoch, indices, batch in loader:
            yield epoch, indices, _to(batch, device)

    def _plan(self) -> Iterator[list[tuple[int, int]]]:
        """The batches still to come, each as the epoch and index of its items."""
        config, stage = self.config, self.stage
        micro, epoch = self.step * config.accumulate, 0
        while True:
            batches = epoch_batches(
                stage.items(),
                config.batch_size,
                seed=config.seed,
                epoch=epoch,
                rank=self.accelerator.process_index,
                world=self.accelerator.num_processes,
                lengths=stage.lengths(),
            )
            for batch in batches[micro:]:
                yield [(epoch, index) for index in batch]
            micro, epoch = max(0, micro - len(batches)), epoch + 1

    def _backward(self, batch: dict[str, Any], indices: list[int], epoch: int, terms: dict[str, list[Tensor]]) -> None:
        """Add the gradients of a batch, and its losses to those of the step."""
        losses = self.stage.losses(batch, Clock(self.step, self.config.steps, epoch))
        while True:
            with self.accelerator.autocast():
                loss = next(losses, None)
            if loss is None:
                return
            if not torch.isfinite(loss.total):
                bad = {k: float(v.detach()) for k, v in loss.terms.items()}
                items = [(index, epoch) for index in indices]
                raise TrainingError(self._not_finite("loss", items) + f" Terms: {bad}.")
            self.accelerator.backward(loss.total / self.config.accumulate)
            for key, value in loss.terms.items():
                terms.setdefault(key, []).append(value.detach().float())

    def _optimise(self, rate: float, items: list[tuple[int, int]]) -> dict[str, float]:
        """Step along the gradients of those items, given by index and epoch; their norms."""
        norms = {}
        for key, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("lr_scale", 1.0)
            norm = float(self.accelerator.clip_grad_norm_(self._trained[key], self.config.clip))
            if not math.isfinite(norm):
                raise TrainingError(self._not_finite(f"gradient of {key}", items))
            norms[f"norm/{key}"] = norm
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return norms

    def _not_finite(self, what: str, items: list[tuple[int, int]]) -> str:
        names = ", ".join(self.stage.describe(index, epoch) for index, epoch in items)
        return (
            f"{self.name or 'training'}: the {what} is not finite at step {self.step + 1}, batch of {names}. "
            "Look at these items, or lower the learning rate; the last saved state is untouched."
        )

    # -- looking at it -------------------------------------------------------------------------------------------

    @contextmanager
    def _resting(self) -> Iterator[None]:
        """Modules in eval mode with averaged weights, without touching the random state of training.

        They are the unwrapped ones: one process may use them without the others waiting for it.
        """
        wrapped, self.stage.modules = self.stage.modules, self.raw
        modules = list(wrapped.values())
        with torch.random.fork_rng(), torch.no_grad():
            for module in modules:
                module.eval()
            try:
                if self.average:
                    with self.average.applied():
                        yield
                else:
                    yield
            finally:
                self.stage.modules = wrapped
                for module in modules:
                    module.train()

    def _sample(self) -> None:
        with self._resting():
            picture = self.stage.sample()
        if picture is not None:
            write_png(picture, self.folder / "samples" / f"{self.step:07d}.png")

    def _evaluate(self) -> dict[str, float]:
        with self._resting():
            return self.stage.evaluate()

    def finish(self) -> None:
        """Evaluate, sample and export the finished stage."""
        scores = self._evaluate()
        if self.accelerator.is_main_process:
            self._sample()
            done: dict[str, Any] = {"step": self.step, "scores": scores}
            model = self.folder / "model"
            if self.config.best:
                self._keep(scores)
                shutil.rmtree(model, ignore_errors=True)
                shutil.copytree(self.folder / "best", model)
                done |= self._kept()
            else:
                with self._resting():
                    self.stage.export(model)
            done["train"] = asdict(self.config)
            write_whole(self.folder / "done.json", (json.dumps(done, indent=2) + "\n").encode(), TrainingError)
        self.accelerator.wait_for_everyone()

    def _keep(self, scores: dict[str, float]) -> None:
        """Export the weights as they stand to `best`, if they are the best so far by the score that counts."""
        name = self.config.best
        if name is None:
            return
        if name not in scores:
            raise TrainingError(f"{self.name or 'training'}: train.best is {name!r}; scores here: {', '.join(scores)}.")
        kept = self._kept()
        later = bool(kept) and kept["step"] > self.step  # of steps that a kill has undone
        if not kept or later or self._better(scores[name], kept["scores"][name]):
            with self._resting():
                self.stage.export(self.folder / "best")
            kept = {"step": self.step, "scores": scores}
            write_whole(self.folder / "best.json", (json.dumps(kept) + "\n").encode(), TrainingError)

    def _better(self, new: float, old: float) -> bool:
        """Whether a score is better than the one that is kept; one that is not a number is worse than any."""
        if math.isnan(new) or math.isnan(old):
            return math.isnan(old) and not math.isnan(new)
        return new > old if self.config.keeps_highest else new < old

    def _kept(self) -> dict[str, Any]:
        """Step and scores of what `_keep` exported last, if it has."""
        note = self.folder / "best.json"
        found: dict[str, Any] = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
        return found

    # -- state ---------------------------------------------------------------------------------------------------

    def _save(self) -> None:
        new, state, old = (self.folder / n for n in ("state.new", "state", "state.old"))
        if self.accelerator.is_main_process:
            shutil.rmtree(new, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        logging.getLogger("accelerate.utils.other").setLevel(logging.ERROR)  # it warns of tied tables, which are meant
        self.accelerator.save_state(str(new))
        if self.accelerator.is_main_process:
            (new / "step.json").write_text(json.dumps({"step": self.step}), encoding="utf-8")
            if state.exists():  # else `old` is the only state there is, until `new` takes its place
                shutil.rmtree(old, ignore_errors=True)
                state.replace(old)
            new.replace(state)
            shutil.rmtree(old, ignore_errors=True)
        self.accelerator.wait_for_everyone()

    def _resume(self) -> None:
        # a kill between the two renames leaves only the previous state, under its other name
        state = next(
            (s for s in (self.folder / "state", self.folder / "state.old") if (s / "step.json").is_file()), None
        )
        if state:
            self.accelerator.load_state(str(state), load_kwargs={"weights_only": True})
            self.step = json.loads((state / "step.json").read_text(encoding="utf-8"))["step"]


class _Log:
    """`log.jsonl`, cut back to the step that is resumed, and TensorBoard where it is installed."""

    def __init__(self, folder: Path, step: int) -> None:
        self.path = folder / "log.jsonl"
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= step]
        write_whole(self.path, "".join(line + "\n" for line in kept).encode(), TrainingError)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.board = None
        else:
            self.board = SummaryWriter(str(folder / "events"), purge_step=step + 1)

    def write(self, line: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(
                json.dumps({k: float(f"{v:.7g}") if isinstance(v, float) else v for k, v in line.items()}) + "\n"
            )
        if self.board:
            for key, value in line.items():
                if key != "step":
                    self.board.add_scalar(key, value, line["step"])

    def close(self) -> None:
        if self.board:
            self.board.close()


def _to(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    return {k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v for k, v in batch.items()}
