"""Freed memory is kept by the process and does not go back to the kernel; threads that wait leave cores to others."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from radloom import runtime

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator and GNU's OpenMP")

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def printed(program: str, **environment: str) -> list[str]:
    """The words that a Python program prints."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=surroundings | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@linux
def test_freed_memory_is_kept():
    ordinary, kept, faults = map(
        int,
        printed("""
            import resource
            from radloom.runtime import keep_memory
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
        """),
    )
    assert kept
    assert faults < ordinary / 10, (faults, ordinary)


WAITING = """
    import time
    from radloom.runtime import sleep_when_waiting
    print(int({call}))
    import torch

    torch.set_num_threads(2)
    values = torch.rand(200_000)
    def spent():
        # After a parallel region the second thread waits for the next one, spinning or not.
        begun = time.process_time()
        for _ in range(300):
            values.sin()
            time.sleep(0.0005)
        return time.process_time() - begun
    spent()
    print(spent())
"""


@linux
@pytest.mark.skipif(CORES < 2, reason="a single core never spins")
def test_threads_that_wait_use_no_time():
    _, spinning = map(float, printed(WAITING.format(call="False"), OMP_WAIT_POLICY="ACTIVE"))
    in_time, sleeping = map(float, printed(WAITING.format(call="sleep_when_waiting()")))
    assert in_time
    assert sleeping < 0.8 * spinning


def test_a_policy_that_is_set_stays(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    runtime.sleep_when_waiting()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_it_says_when_it_is_too_late(monkeypatch):
    import torch  # noqa: F401

    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert not runtime.sleep_when_waiting()


@pytest.mark.parametrize(("idle", "busy"), [(200, False), (160, False), (140, True), (0, True)])
def test_threads_sleep_where_the_computer_is_busy(monkeypatch, tmp_path: Path, idle: int, busy: bool):
    slept, stat = [], tmp_path / "stat"
    stat.write_text("cpu 100 0 50 1000 5 0 0 0 0 0\ncpu0 1 2 3\n")
    monkeypatch.setattr(runtime, "_STAT", stat)
    later = f"cpu {300 - idle} 0 50 {1000 + idle} 5 0 0 0 0 0\n"
    monkeypatch.setattr(runtime.time, "sleep", lambda seconds: stat.write_text(later))
    monkeypatch.setattr(runtime, "keep_memory", lambda: True)
    monkeypatch.setattr(runtime, "sleep_when_waiting", lambda: slept.append(True))
    runtime.tune()
    assert bool(slept) is busy
    stat.unlink()
    assert not runtime.is_busy()


def test_the_command_line_tunes_its_process(monkeypatch):
    from radloom import cli

    called = []
    monkeypatch.setattr(cli, "tune", lambda: called.append(True))
    monkeypatch.setattr(cli, "app", lambda **_: None)
    cli.main()
    assert called
