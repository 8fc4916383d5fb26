"""The manners of all commands, the options that several share, and what they need to keep to them."""

from __future__ import annotations

import functools
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO

import typer
from typer.core import TyperGroup

from radloom.errors import RadloomError, ReportError
from radloom.seeds import LIMIT

if TYPE_CHECKING:
    from radloom.corpora.manifest import Manifest

ORDER: tuple[str, ...] = (
    "report",
    "image",
    "ask",
    "complete",
    "check",
    "saliency",
    "serve",
    "listen",
    "demo",
    "doctor",
    "prepare",
    "questions",
    "predict",
    "reconstruct",
    "evaluate",
    "score",
    "compare",
    "utility",
    "privacy",
    "train",
)
"""Of the commands in the help: first what needs one X-ray, then what needs a corpus."""


class _InOrder(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=ORDER.index)


app = typer.Typer(
    cls=_InOrder,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Chest X-rays to reports, reports to chest X-rays, and questions about them. For research only.",
)
prepare = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make the manifest of a corpus of raw files.")
app.add_typer(prepare, name="prepare")
score = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Score what any system made, from files.")
app.add_typer(score, name="score")


@dataclass(frozen=True)
class Answer:
    """What a command found out: the object of `--json`, the text for people, and whether all is well."""

    data: dict[str, Any]
    text: str
    ok: bool = True


# -- options that several commands share -----------------------------------------------------------------------------

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
ModelName = Annotated[str, typer.Option("--model", "-m", help="A model inside the package, or the folder of one.")]
Device = Annotated[str, typer.Option(help="Where the model runs: cpu, cuda, ...")]
Picture = Annotated[Path, typer.Argument(help="PNG, JPEG, TIFF or DICOM file.")]
Split = Annotated[str | None, typer.Option(help="Only this split of the manifest.")]
ImagesFolder = Annotated[
    Path | None, typer.Option("--images", metavar="DIR", help="Where the images are now, if they were moved.")
]
Seed = Annotated[int, typer.Option(min=0, max=LIMIT - 1, help="Seed of sampling.")]
Guidance = Annotated[float | None, typer.Option(help="Classifier-free guidance; 1 is none.")]
Temperature = Annotated[float | None, typer.Option(help="0 takes the likeliest token.")]
TopP = Annotated[float | None, typer.Option(help="Share of probability that is drawn from.")]
EngineName = Annotated[str | None, typer.Option("--engine", help="diffusion or language; by default the better one.")]
Steps = Annotated[int | None, typer.Option(min=1, max=1000, help="Steps of denoising.")]
Candidates = Annotated[
    int | None,
    typer.Option(
        min=1, help="Drawings of each, of which the one is kept that shows best what it should; or drafts of a report."
    ),
]
Corpus = Annotated[Path, typer.Argument(help="Folder of the corpus.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes that look at images; 0 is this one alone.")]
ManifestFolder = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the manifest goes.")]
PreparedFolder = Annotated[Path, typer.Argument(metavar="MANIFEST", help="A folder that `radloom prepare` made.")]
ScoresFolder = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Where tables, page and predictions go.")
]
ScoredSplit = Annotated[str, typer.Option("--split", help="What is scored; the baselines come from train.")]
Adapters = Annotated[
    str,
    typer.Option(metavar="NAME,...", help="Measures of other packages: all that are installed, none, or some by name."),
]
Judge = Annotated[
    str | None, typer.Option(metavar="MODEL", help="Whose classifier judges drawings and finds nearest neighbours.")
]
SystemName = Annotated[str | None, typer.Option(help="Name of the system in the table.", show_default="the file's")]
ViewName = Annotated[str, typer.Option("--view", help="frontal or lateral.")]


def command(name: str, parent: typer.Typer = app) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Register a function that returns an `Answer` as a command with the manners described above."""

    def register(function: Callable[..., Answer]) -> Callable[..., Answer]:
        @parent.command(name)
        @functools.wraps(function)
        def run(**arguments: Any) -> None:
            as_json = arguments["as_json"]
            try:
                with quiet() as said, redirect_stdout(sys.stderr):
                    answer = function(**arguments)
            except RadloomError as error:
                fail(str(error), as_json)
            except OSError as error:
                place = f"{error.filename}: " if error.filename else ""
                fail(f"{place}{error.strerror or error}. Check the path, its permissions and the free space.", as_json)
            except KeyboardInterrupt:
                raise typer.Exit(130) from None
            data = answer.data | {"remarks": list(said)}
            print(json.dumps(data, ensure_ascii=False) if as_json else answer.text)
            if not answer.ok:
                raise typer.Exit(1)

        return function

    return register


def read_manifest(path: Path, split: str | None, images: Path | None) -> Manifest:
    from radloom.corpora.manifest import Manifest

    manifest = Manifest.read(path, images)
    return manifest if split is None else manifest.split(split)


def names_of(text: str) -> list[str]:
    """`frontal, lateral` -> both names."""
    return [name.strip() for name in text.split(",") if name.strip()]


def check_output(path: Path, *suffixes: str) -> None:
    """Fail now, and not after minutes of work, where `path` cannot be written.

    Args:
        path: the file.
        suffixes: the endings that it may have; any by default.

    Raises:
        RadloomError: another suffix, a folder of that name, or a folder above that does not take files.
    """
    if suffixes and path.suffix not in suffixes:
        endings = " or ".join(filter(None, [", ".join(suffixes[:-1]), suffixes[-1]]))
        remedy = "that ending" if len(suffixes) == 1 else "one of these endings"
        raise RadloomError(f"{path} does not end in {endings}; give the output {remedy}.")
    if path.is_dir() and suffixes:
        raise RadloomError(f"{path} is a folder; name a file.")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise RadloomError(f"{path} cannot be written, since {above} does not take files; choose another place.")


def check_images(*images: Path | None) -> None:
    """Refuse images that are no files or empty ones, before seconds are spent on a model.

    Raises:
        ImageError: see `imaging.files.read_head`.
    """
    from radloom.imaging.files import read_head

    for image in images:
        if image is not None:
            read_head(image)


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # longer than a name may be
        return False


def text_or_file(report: str) -> str:
    """The report itself, or what stands in the text file of that name.

    Raises:
        ReportError: such a file that is not there or is no text.
    """
    named = report.lower().endswith((".txt", ".md")) and "\n" not in report
    if not named or (len(report.split()) > 1 and not _is_file(report)):
        return report
    try:
        return Path(report).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ReportError(f"{report} is no text in UTF-8; save it as that.") from None
    except OSError as error:
        raise ReportError(f"{report} cannot be read ({error.strerror}); name a text file, or give the text.") from None


def since(start: float) -> float:
    return round(time.perf_counter() - start, 2)


def say(text: str) -> None:
    print(f"radloom: {text}", file=sys.stderr)


def fail(text: str, as_json: bool) -> NoReturn:
    line = " ".join(text.split())
    say(line)
    if as_json:
        print(json.dumps({"error": line}, ensure_ascii=False))
    raise typer.Exit(2)


@contextmanager
def quiet() -> Iterator[dict[str, None]]:
    """Within, the libraries below keep quiet; radloom's own warnings are one line each on stderr, and noted."""
    said: dict[str, None] = {}
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if category.__module__.startswith("radloom.") and str(message) not in said:
            said[str(message)] = None
            say(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield said


class Counter:
    """Progress on stderr: a line that is written over on a terminal, else one line every 20 seconds."""

    def __init__(self, what: str) -> None:
        self.what, self.shown = what, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        terminal = sys.stderr.isatty()
        if terminal:
            end = "\n" if done == total else ""
            print(f"\r{self.what} {done}/{total}", end=end, file=sys.stderr, flush=True)
        elif time.monotonic() - self.shown > 20:
            self.shown = time.monotonic()
            print(f"{self.what} {done}/{total}", file=sys.stderr, flush=True)
