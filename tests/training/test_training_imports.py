import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import socket, sys

def refuse(*args, **kwargs):
    raise AssertionError("a connection was opened")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
import numpy, torch
threads, state, legacy = torch.get_num_threads(), torch.get_rng_state(), numpy.random.get_state()[1]
import radloom.training, radloom.training.determinism
import radloom.classifier.stage, radloom.codec.stage
import radloom.recipes.recipe, radloom.recipes.runner
assert torch.equal(state, torch.get_rng_state()), "torch was seeded"
assert (legacy == numpy.random.get_state()[1]).all(), "numpy was seeded"
assert threads == torch.get_num_threads(), "threads were set"
assert "tensorboard" not in sys.modules
"""


@pytest.mark.slow
def test_importing_training_prints_seeds_and_connects_to_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())
