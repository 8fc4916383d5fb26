"""The command line. It parses, calls and prints; what it calls is in the modules that each command imports.

Every command keeps to the same manners. The result goes to stdout, as text or with `--json` as one JSON object;
progress, notes and warnings go to stderr. An error is one line on stderr, `radloom: ...`, and exit code 2; with
`--json`, stdout gets `{"error": ...}` as well. Ctrl-C exits with 130. A wrong option or a missing argument is told by
the parser, also with exit code 2.
"""

from __future__ import annotations

from typing import Annotated

import typer

from radloom import __version__
from radloom.cli import completing, corpora, scoring, serving, synthetic, using
from radloom.cli.base import app
from radloom.runtime import tune

__all__ = ["app", "completing", "corpora", "main", "scoring", "serving", "synthetic", "using"]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"radloom {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = (
        False
    ),
) -> None:
    pass


def main() -> None:
    """Entry point of the command `radloom`."""
    tune()
    app(prog_name="radloom")
