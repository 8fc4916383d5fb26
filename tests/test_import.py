from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

WATCHED = """
import json, sys, time
events = []
sys.addaudithook(lambda event, arguments: events.append(event) if event.startswith("socket.") else None)
before = set(sys.modules)
start = time.process_time()
import radloom
seconds = time.process_time() - start
heavy = sorted({"torch", "numpy", "pandas", "transformers", "pydicom", "PIL"} & (set(sys.modules) - before))
print(json.dumps({"seconds": seconds, "events": events, "heavy": heavy, "names": dir(radloom)}))
"""


def test_import_is_quick_and_has_no_effect() -> None:
    run = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    assert run.stderr == ""
    assert found["seconds"] < 2
    assert found["events"] == []
    assert found["heavy"] == []
    assert {"load", "read_image", "Study", "__version__"} <= set(found["names"])


def test_unknown_name_is_an_attribute_error() -> None:
    import radloom

    assert not hasattr(radloom, "no_such_name")


@pytest.mark.parametrize(("folder", "other"), [("diffusion", "language"), ("language", "diffusion")])
def test_the_two_engines_do_not_know_each_other(folder: str, other: str) -> None:
    import radloom

    for file in (Path(radloom.__file__).parent / folder).glob("*.py"):
        assert not re.search(rf"(from|import) radloom\.{other}\b", file.read_text(encoding="utf-8")), file
