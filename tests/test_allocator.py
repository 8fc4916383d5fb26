"""Freed memory is kept by the process instead of going back to the kernel."""

import subprocess
import sys

import pytest

FAULTS = """
import resource
from radloom.allocator import keep_memory
import torch

kept = {keep} and keep_memory()
layer, images = torch.nn.Conv2d(32, 64, 3), torch.rand(8, 32, 112, 112)
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def compute(times):
    with torch.no_grad():
        for _ in range(times): layer(images).relu().sum()
compute(3)
before = faults()
compute(4)
print(int(kept), faults() - before)
"""


def page_faults(keep: bool) -> tuple[int, int]:
    done = subprocess.run([sys.executable, "-c", FAULTS.format(keep=keep)], capture_output=True, text=True, check=True)
    kept, faults = map(int, done.stdout.split())
    return kept, faults


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator alone has these settings")
def test_freed_memory_is_kept():
    _, ordinary = page_faults(False)
    kept, faults = page_faults(True)
    assert kept
    assert faults < ordinary / 10, (faults, ordinary)


def test_the_command_line_keeps_memory(monkeypatch):
    from radloom import cli

    called = []
    monkeypatch.setattr(cli, "keep_memory", lambda: called.append(True))
    monkeypatch.setattr(cli, "app", lambda **_: None)
    cli.main()
    assert called
