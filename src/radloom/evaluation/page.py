"""The page: tables, plots and pictures of a board in one HTML file that fetches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from radloom.evaluation.exhibits import Exhibit
from radloom.evaluation.glossary import MEASURES, SYSTEMS, better, measure
from radloom.evaluation.table import Board


def render(board: Board, exhibits: Sequence[Exhibit]) -> str:
    """The page's HTML.

    Args:
        board: whose tables.
        exhibits: plots and pictures, each shown below the table of its task.
    """
    from jinja2 import Environment, StrictUndefined

    source = files("radloom.evaluation").joinpath("page.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(source)
    return template.render(
        board=board,
        exhibits=exhibits,
        split_rows=board.split_rows,
        better=better,
        meaning=lambda name: MEASURES.get(measure(name), ""),
        systems=SYSTEMS,
    )
