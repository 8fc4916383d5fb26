"""One loop for every trainable stage."""

from radloom.training.loop import fit
from radloom.training.processes import first_process_first
from radloom.training.stage import Clock, LoopConfig, Loss, Stage, decay_groups

__all__ = ["Clock", "LoopConfig", "Loss", "Stage", "decay_groups", "first_process_first", "fit"]
