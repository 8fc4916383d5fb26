"""One loop for every trainable stage."""

from radloom.training.loop import fit
from radloom.training.stage import Clock, LoopConfig, Loss, Stage, decay_groups

__all__ = ["Clock", "LoopConfig", "Loss", "Stage", "decay_groups", "fit"]
