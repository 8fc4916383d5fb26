from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"

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


def test_imports_run_downwards() -> None:
    """As `docs/architecture.md` draws the layers; what only a type checker sees may look up."""
    import radloom

    root = Path(radloom.__file__).parent
    drawn = re.search(r"```text\n(.*?)```", (DOCS / "architecture.md").read_text(encoding="utf-8"), re.DOTALL)
    assert drawn
    layers = [re.split(r"   ", line)[0].split() for line in drawn[1].splitlines()]
    level = {name: number for number, names in enumerate(layers) for name in names}
    own = {file.stem for file in root.iterdir() if file.suffix == ".py" or (file / "__init__.py").is_file()}
    assert own - {"__init__", "__main__"} == set(level)
    upwards = [
        f"{file.relative_to(root)} imports {other}"
        for file in root.rglob("*.py")
        for name in [file.relative_to(root).parts[0].removesuffix(".py")]
        for other in imported(file)
        if name in level and other != name and level[other] <= level[name]
    ]
    assert upwards == []


def imported(file: Path) -> set[str]:
    """Modules and folders of radloom that a file imports when it runs."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    typed = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and id(node) not in typed]
    paths = [f"{node.module}.{alias.name}".split(".") for node in found if node.module for alias in node.names]
    return {path[1] for path in paths if path[0] == "radloom"} - {"__version__"}
