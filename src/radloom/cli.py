"""The command line. It parses, calls and prints; what it calls is in the modules that each command imports.

Every command keeps to the same manners. The result goes to stdout, as text or with `--json` as one JSON object;
progress, notes and warnings go to stderr. An error is one line on stderr, `radloom: ...`, and exit code 2; with
`--json`, stdout gets `{"error": ...}` as well. Ctrl-C exits with 130. A wrong option or a missing argument is told by
the parser, also with exit code 2.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO

import typer

from radloom import __version__
from radloom.errors import RadloomError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from radloom.corpora.manifest import Manifest
    from radloom.imaging import Transform
    from radloom.study import View

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Chest X-rays to reports, reports to chest X-rays, and questions about them. For research only.",
)
prepare = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make the manifest of a corpus of raw files.")
app.add_typer(prepare, name="prepare")


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
Seed = Annotated[int, typer.Option(min=0, max=2**62, help="Seed of sampling.")]
Guidance = Annotated[float | None, typer.Option(help="Classifier-free guidance; 1 is none.")]
Temperature = Annotated[float | None, typer.Option(help="0 takes the likeliest token.")]
TopP = Annotated[float | None, typer.Option(help="Share of probability that is drawn from.")]
Corpus = Annotated[Path, typer.Argument(help="Folder of the corpus.")]
ManifestFolder = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the manifest goes.")]


# -- commands --------------------------------------------------------------------------------------------------------


def command(name: str, parent: typer.Typer = app) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Register a function that returns an `Answer` as a command with the manners described above."""

    def register(function: Callable[..., Answer]) -> Callable[..., Answer]:
        @parent.command(name)
        @functools.wraps(function)
        def run(**arguments: Any) -> None:
            as_json = arguments["as_json"]
            try:
                with _quiet(), redirect_stdout(sys.stderr):
                    answer = function(**arguments)
            except RadloomError as error:
                _fail(str(error), as_json)
            except OSError as error:
                place = f"{error.filename}: " if error.filename else ""
                _fail(f"{place}{error.strerror or error}. Check the path, its permissions and the free space.", as_json)
            except KeyboardInterrupt:
                raise typer.Exit(130) from None
            print(json.dumps(answer.data, ensure_ascii=False) if as_json else answer.text)
            if not answer.ok:
                raise typer.Exit(1)

        return function

    return register


@command("report")
def report_command(
    image: Picture,
    lateral: Annotated[Path | None, typer.Option(metavar="IMAGE", help="The lateral view of the same study.")] = None,
    model: ModelName = "nano",
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Read an X-ray into findings and impression."""
    from radloom.models import load

    loaded = load(model, device=device)
    start = time.perf_counter()
    report = loaded.report(image, lateral)
    sections = {"findings": report.findings, "impression": report.impression}
    text = "\n".join(f"{name.upper()}: {body}" for name, body in sections.items() if body)
    return Answer({**sections, "model": loaded.fingerprint, "seconds": _since(start)}, text)


@command("image")
def image_command(
    text: Annotated[str, typer.Argument(help="Findings, or a report with its headings.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="PNG to write; with -n 2: FILE-1.png and FILE-2.png.")
    ],
    view: Annotated[str, typer.Option(help="frontal or lateral.")] = "frontal",
    n: Annotated[int, typer.Option("-n", min=1, help="How many X-rays to draw.")] = 1,
    seed: Seed = 0,
    guidance: Guidance = None,
    temperature: Temperature = None,
    top_p: TopP = None,
    model: ModelName = "nano",
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Draw an X-ray from text."""
    _check_output(out, ".png")
    paths = [out] if n == 1 else [out.with_stem(f"{out.stem}-{i}") for i in range(1, n + 1)]
    for path in paths:
        _check_output(path, ".png")
    from radloom.imaging import write_png
    from radloom.models import as_report, as_view, load

    report, which = as_report(text), as_view(view)
    loaded = load(model, device=device)
    start = time.perf_counter()
    seeds = range(seed, seed + n)
    drawings = loaded.images(
        [report] * n,
        [which] * n,
        seeds=seeds,
        guidance=guidance,
        temperature=temperature,
        top_p=top_p,
        progress=_Counter("codes"),
    )
    seconds = _since(start)
    for path, drawing, number in zip(paths, drawings, seeds, strict=True):
        write_png(drawing, path, text=loaded.provenance(report, which, number))
    files = [str(path) for path in paths]
    data = {"images": files, "view": which.value, "seeds": list(seeds), "model": loaded.fingerprint, "seconds": seconds}
    return Answer(data, "\n".join(files))


@command("ask")
def ask_command(
    image: Picture,
    question: Annotated[str, typer.Argument(help="A question about the X-ray.")],
    model: ModelName = "nano",
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Answer a question about an X-ray."""
    from radloom.models import load

    loaded = load(model, device=device)
    start = time.perf_counter()
    answer = loaded.ask(image, question)
    data = {"question": question, "answer": answer, "model": loaded.fingerprint, "seconds": _since(start)}
    return Answer(data, answer)


@command("check")
def check_command(image: Picture, model: ModelName = "nano", device: Device = "cpu", as_json: Json = False) -> Answer:
    """Give the probability of each of the 14 observations."""
    from radloom.models import load
    from radloom.study import OBSERVATIONS, View

    loaded = load(model, device=device)
    found = loaded.check(image)
    view = View.LATERAL if found["lateral"] > 0.5 else View.FRONTAL
    lines = [f"{name:<28}{found[name]:.2f}  {'#' * round(20 * found[name])}".rstrip() for name in OBSERVATIONS]
    data = {"view": view.value, "observations": {name: round(found[name], 4) for name in OBSERVATIONS}}
    return Answer(data | {"model": loaded.fingerprint}, "\n".join([f"{'view':<28}{view}", *lines]))


@command("questions")
def questions_command(
    manifest: Annotated[Path, typer.Argument(help="A folder that `radloom prepare` made.")],
    out: ManifestFolder,
    llm: Annotated[
        str | None, typer.Option(metavar="NAME", help="Let this language model write them: a folder or hub name.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most questions a study.")] = 5,
    split: Split = None,
    seed: Seed = 0,
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Write questions and answers from the reports of a manifest, by rule or by a language model of your choice."""
    _check_output(out / "manifest.parquet")
    studies = _read_manifest(manifest, split, None)
    if any(row.questions for row in studies):
        raise RadloomError(f"{manifest} has questions already; name a manifest without.")
    from radloom.corpora.manifest import SUMMARY, summary_lines
    from radloom.corpora.questions import ask_llm, question_manifest

    notes = []
    if llm is None:
        asked = question_manifest(studies, limit=limit, seed=seed)
    else:
        from radloom.language.writer import question_writer

        write = question_writer(llm, device=device)
        asked, rejected = ask_llm(studies, write, Path(llm).name, limit=limit, progress=_Counter("studies"))
        notes = [f"left out: {count} x pair, {why}" for why, count in sorted(rejected.items())]
    asked.write(out, notes=notes)
    summary = json.loads((out / SUMMARY).read_text(encoding="utf-8"))
    return Answer({"out": str(out), **summary}, "\n".join(summary_lines(out)))


@command("predict")
def predict_command(
    task: Annotated[str, typer.Argument(help="report, image or ask.")],
    manifest: Annotated[Path, typer.Argument(help="A folder that `radloom prepare` made.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="JSONL to write, or to go on with.")],
    split: Split = None,
    batch: Annotated[int, typer.Option(min=1, help="Items at a time.")] = 8,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many items.")] = None,
    view: Annotated[str, typer.Option(help="View of drawings: frontal or lateral.")] = "frontal",
    seed: Seed = 0,
    guidance: Guidance = None,
    temperature: Temperature = None,
    top_p: TopP = None,
    images: ImagesFolder = None,
    model: ModelName = "nano",
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Run the model over a whole manifest. Started again after a kill, it goes on where it was."""
    _check_output(out, ".jsonl")
    studies = _read_manifest(manifest, split, images)
    from radloom.models import as_view, load
    from radloom.predict import predict

    result = predict(
        load(model, device=device),
        studies,
        task,
        out,
        batch_size=batch,
        limit=limit,
        view=as_view(view),
        seed=seed,
        progress=_Counter(task),
        guidance=guidance,
        temperature=temperature,
        top_p=top_p,
    )
    if result.repaired:
        _say(f"{out}: the last line was cut short and has been made again.")
    unfit = {reason: count for reason, count in result.unfit.items() if count}
    data = {"out": str(out), "new": result.new, "before": result.before, "left_out": unfit}
    lines = [f"{out}: {result.new} new, {result.before} from before"]
    return Answer(data, "\n".join(lines + [f"left out: {count} {reason}" for reason, count in unfit.items()]))


@command("reconstruct")
def reconstruct_command(
    inputs: Annotated[list[Path], typer.Argument(help="A folder that `radloom prepare` made, or one or more images.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="PNG to write.")],
    split: Split = None,
    n: Annotated[int, typer.Option("-n", min=1, help="How many pairs the picture shows, spread evenly.")] = 8,
    limit: Annotated[int | None, typer.Option(min=1, help="Score only so many images, spread evenly.")] = None,
    images: ImagesFolder = None,
    codec: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A codec to use instead of the model's, e.g. of a training run.")
    ] = None,
    model: ModelName = "nano",
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Compare X-rays with their reconstructions. Scores of the codec, and a picture of the pairs."""
    _check_output(out, ".png")
    from radloom.evaluation.codec import comparison, score_codec
    from radloom.imaging import write_png
    from radloom.models import load_vision

    network, classifier, transform = load_vision(model, codec=codec, device=device)
    xrays, labels = _xrays(inputs, split, images, transform, limit)
    scores = score_codec(network, classifier, xrays, labels, progress=_Counter("images"))
    write_png(comparison(network, _spread(xrays, n)), out)
    table = [f"{'':<28}{'differs':>8}{'agrees':>8}{'AUROC':>8}{'then':>8}"]
    for name, verdict in scores.verdicts.items():
        areas = "".join(
            f"{'-' if a is None else format(a, '.3f'):>8}" for a in (verdict.auroc, verdict.auroc_reconstructed)
        )
        table.append(f"{name:<28}{verdict.difference:>8.3f}{verdict.agreement:>8.3f}{areas}")
    text = [f"{name:<60}{value:.3f}" for name, value in scores.scores().items()]
    data = {"out": str(out), **asdict(scores), "scores": scores.scores()}
    return Answer(data, "\n".join([f"{out}", f"{scores.images} images", *text, "", *table]))


@command("evaluate")
def evaluate_command(
    manifest: Annotated[Path, typer.Argument(help="A folder that `radloom prepare` made.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where scores and predictions go.")],
    split: Annotated[str, typer.Option(help="What is scored; the baselines come from train.")] = "val",
    tasks: Annotated[
        list[str] | None,
        typer.Option("--task", help="classifier, report or question; may be repeated; all by default."),
    ] = None,
    images: ImagesFolder = None,
    model: ModelName = "nano",
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Score a model beside simple baselines. Started again after a kill, it goes on where it was."""
    _check_output(out / "scores.json")
    studies = _read_manifest(manifest, None, images)
    from radloom.evaluation.run import TASKS, evaluate
    from radloom.models import load

    evaluate(load(model, device=device), studies, out, split=split, tasks=tasks or TASKS, progress=_Counter)
    scores: dict[str, Any] = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    return Answer(scores, (out / "scores.md").read_text(encoding="utf-8").rstrip())


@command("train")
def train_command(
    recipe: Annotated[str | None, typer.Argument(help="A name of --list, or a YAML file.")] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the raw corpora.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder of the run.", show_default="runs/RECIPE")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: STAGE.train.steps=20.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage.")] = None,
    list_all: Annotated[bool, typer.Option("--list", help="Name the recipes and stop.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the recipe's YAML and stop: copy it, change it.")] = False,
    as_json: Json = False,
) -> Answer:
    """Train a recipe from raw data. Started again after a kill, it goes on where it was."""
    from radloom.recipes.recipe import load_recipe, names, source

    if list_all:
        known = {name: load_recipe(name).about for name in names()}
        return Answer({"recipes": known}, "\n".join(f"{name}: {about}" for name, about in known.items()))
    if recipe is None:
        raise RadloomError(f"Name a recipe: {', '.join(names())}, or a YAML file of your own.")
    if show:
        yaml = source(recipe).read_text(encoding="utf-8")
        return Answer({"recipe": recipe, "yaml": yaml}, yaml.rstrip())
    plan = load_recipe(recipe, changes or ())
    if data is None:
        raise RadloomError("Name the folder of the raw corpora with --data DIR.")
    stages = [stage.name for stage in plan.stages]
    if until is not None and until not in stages:
        raise RadloomError(f"--until {until}: the recipe has no such stage. Its stages: {', '.join(stages)}.")
    folder = out or Path("runs") / plan.name
    _check_output(folder / "model")
    from radloom.recipes.runner import run

    made = run(plan, data, folder, until=until)
    return Answer({"recipe": plan.name, "folder": str(folder), "model": str(made)}, str(made))


@command("demo")
def demo_command(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the page and the pictures go.")],
    text: Annotated[str | None, typer.Option(help="Draw this instead of the sentence of the demo.")] = None,
    seed: Seed = 0,
    model: ModelName = "nano",
    device: Device = "cpu",
    as_json: Json = False,
) -> Answer:
    """Draw, read and ask, and show it on a page. The drawing is made from a sentence, read back and asked about."""
    _check_output(out / "index.html")
    from radloom.demo import TEXT, run_demo
    from radloom.models import load

    start = time.perf_counter()
    loaded = load(model, device=device)
    loading = _since(start)
    demo = run_demo(loaded, out, text=TEXT if text is None else text, seed=seed)
    seconds = {"load": loading} | {name: round(value, 2) for name, value in demo.seconds.items()}
    lines = [
        demo.text,
        *(f"  drawn as {path}" for path in demo.pictures),
        *(f"  {name.upper()}: {body}" for name, body in asdict(demo.report).items() if body),
        *(f"  {question} {answer}" for question, answer in demo.answers.items()),
        "  " + ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items()),
        f"All of it on one page: {demo.page.resolve()}",
    ]
    data = {
        "text": demo.text,
        "images": [str(path) for path in demo.pictures],
        "report": {"findings": demo.report.findings, "impression": demo.report.impression},
        "observations": demo.observations,
        "answers": demo.answers,
        "page": str(demo.page),
        "seconds": seconds,
    }
    return Answer(data, "\n".join(lines))


@command("doctor")
def doctor_command(as_json: Json = False) -> Answer:
    """Look for what is missing or broken. Exit code 1 if radloom cannot read, draw and answer on this machine."""
    from radloom.doctor import diagnose

    checks = diagnose()
    width = max(len(check.name) for check in checks) + 2
    lines = []
    for check in checks:
        lines.append(f"{'ok' if check.ok else '--':<4}{check.name:<{width}}{check.detail}")
        if check.remedy:
            lines.append(f"{'':<4}{check.remedy}")
    ok = all(check.ok or check.name.startswith("training") for check in checks)
    return Answer({"ok": ok, "checks": [asdict(check) for check in checks]}, "\n".join(lines), ok)


@command("indiana", prepare)
def prepare_indiana_command(
    corpus: Corpus,
    out: ManifestFolder,
    reports: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the report XML.")] = None,
    images: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the images.")] = None,
    projections: Annotated[
        Path | None, typer.Option(metavar="FILE", help="splits.csv or indiana_projections.csv.")
    ] = None,
    as_json: Json = False,
) -> Answer:
    """The Indiana University collection (Open-i): report XML and PNG or JPEG images."""
    return _prepare("indiana", corpus, out, view_of=True, reports=reports, images=images, projections=projections)


@command("folder", prepare)
def prepare_folder_command(
    corpus: Corpus,
    out: ManifestFolder,
    table: Annotated[Path | None, typer.Option(metavar="FILE", help="The CSV or JSONL table, if not alone.")] = None,
    images: Annotated[Path | None, typer.Option(metavar="DIR", help="What image paths are relative to.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the corpus; by default the folder's.")] = None,
    as_json: Json = False,
) -> Answer:
    """Any folder with a CSV or JSONL table of images, reports and questions."""
    return _prepare("folder", corpus, out, view_of=True, table=table, images=images, corpus=name)


@command("vqa-rad", prepare)
def prepare_vqa_rad_command(corpus: Corpus, out: ManifestFolder, as_json: Json = False) -> Answer:
    """VQA-RAD: questions about chest images."""
    return _prepare("vqa-rad", corpus, out, view_of=True)


@command("nih", prepare)
def prepare_nih_command(corpus: Corpus, out: ManifestFolder, as_json: Json = False) -> Answer:
    """NIH ChestX-ray14: images and labels."""
    return _prepare("nih", corpus, out)


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
    app(prog_name="radloom")


# -- helpers ---------------------------------------------------------------------------------------------------------


def _prepare(kind: str, source: Path, out: Path, view_of: bool = False, **options: Path | str | None) -> Answer:
    _check_output(out / "manifest.parquet")
    from radloom.corpora import prepare as prepare_corpus
    from radloom.corpora.manifest import SUMMARY, summary_lines

    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if view_of and (predictor := _view_predictor()):
        given["view_of"] = predictor
    prepare_corpus(kind, source, out, progress=_Counter("images"), **given)
    summary = json.loads((out / SUMMARY).read_text(encoding="utf-8"))
    return Answer({"out": str(out), **summary}, "\n".join(summary_lines(out)))


def _view_predictor() -> Callable[[Path], View] | None:
    """The shipped classifier as judge of views, loaded when it is first asked; None where none is shipped."""
    from importlib.resources import files

    if not Path(str(files("radloom")), "weights", "nano", "model.json").is_file():
        return None

    @functools.cache
    def vision() -> Any:
        from radloom.models import load_vision

        return load_vision("nano")

    def view_of(path: Path) -> View:
        from radloom.imaging import dicom_view, read_image

        if stated := dicom_view(path):
            return stated
        _, classifier, transform = vision()
        view: View = classifier.views(transform(read_image(path))[None])[0]
        return view

    return view_of


def _read_manifest(path: Path, split: str | None, images: Path | None) -> Manifest:
    from radloom.corpora.manifest import Manifest

    manifest = Manifest.read(path, images)
    return manifest if split is None else manifest.split(split)


def _xrays(
    inputs: list[Path], split: str | None, root: Path | None, transform: Transform, limit: int | None
) -> tuple[Sequence[Tensor], np.ndarray | None]:
    """Model pixels of a manifest's images with what is known of their labels, or of image files without."""
    from radloom.corpora.images import XrayImages
    from radloom.evaluation.codec import known_labels
    from radloom.imaging import read_image

    if len(inputs) > 1 or not (inputs[0].is_dir() or inputs[0].suffix == ".parquet"):
        return [transform(read_image(path)) for path in _spread(inputs, limit)], None
    xrays = XrayImages([_read_manifest(inputs[0], split, root)], transform)
    if not xrays.entries:
        raise RadloomError(f"{inputs[0]} lists no images; name another split or manifest.")
    xrays.entries = _spread(xrays.entries, limit)
    return xrays, known_labels(xrays)


def _spread(items: Sequence[Any], count: int | None) -> list[Any]:
    """`count` of the items, evenly spread; all of them if there are fewer."""
    wanted = len(items) if count is None else min(count, len(items))
    return [items[i * len(items) // wanted] for i in range(wanted)]


def _check_output(path: Path, suffix: str = "") -> None:
    """Fail now, and not after minutes of work, where `path` cannot be written.

    Raises:
        RadloomError: another suffix, a folder of that name, or a folder above that does not take files.
    """
    if suffix and path.suffix != suffix:
        raise RadloomError(f"{path} does not end in {suffix}; give the output that ending.")
    if path.is_dir() and suffix:
        raise RadloomError(f"{path} is a folder; name a file.")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise RadloomError(f"{path} cannot be written, since {above} does not take files; choose another place.")


def _since(start: float) -> float:
    return round(time.perf_counter() - start, 2)


def _say(text: str) -> None:
    print(f"radloom: {text}", file=sys.stderr)


def _fail(text: str, as_json: bool) -> NoReturn:
    line = " ".join(text.split())
    _say(line)
    if as_json:
        print(json.dumps({"error": line}, ensure_ascii=False))
    raise typer.Exit(2)


@contextmanager
def _quiet() -> Iterator[None]:
    """Within, the libraries below keep quiet; radloom's own warnings are one line each on stderr."""
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
        if category.__module__.startswith("radloom."):
            _say(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield


class _Counter:
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
