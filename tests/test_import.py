from __future__ import annotations

import json
import subprocess
import sys

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
