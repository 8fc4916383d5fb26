"""Freed memory is kept by the process instead of going back to the kernel."""

import subprocess
import sys

import pytest

FAULTS = """
import resource
from radloom.allocator import keep_memory
import torch

layer, images = torch.nn.Conv2d(32, 64, 3), torch.rand(8, 32, 112, 112)
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def compute(times):
    before = faults()
    with torch.no_grad():
        for _ in range(times): layer(images).relu().sum()
    return faults() - before
compute(3)
ordinary = compute(4)
kept = keep_memory()
compute(3)
print(ordinary, int(kept), compute(4))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator alone has these settings")
def test_freed_memory_is_kept():
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    ordinary, kept, faults = map(int, done.stdout.split())
    assert kept
    assert faults < ordinary / 10, (faults, ordinary)


def test_the_command_line_keeps_memory(monkeypatch):
    from radloom import cli

    called = []
    monkeypatch.setattr(cli, "keep_memory", lambda: called.append(True))
    monkeypatch.setattr(cli, "app", lambda **_: None)
    cli.main()
    assert called
