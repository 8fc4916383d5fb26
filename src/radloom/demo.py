"""The demonstration: a sentence becomes X-rays, one of them is read and questioned, and a page shows it all."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, TypeVar

from radloom.completion import fitting
from radloom.errors import RadloomError
from radloom.imaging import write_png
from radloom.provenance import Maker, Origin, marks
from radloom.reports.report_text import as_report
from radloom.study import OBSERVATIONS, Part, Report, View

if TYPE_CHECKING:
    from radloom.models import Model

TEXT = "The heart is enlarged. There is a moderate right pleural effusion. There is no pneumothorax."
QUESTIONS = ("Is there a pleural effusion?", "Is the heart enlarged?")
NOTE = (
    "If a drawing lacks what the sentence asks for, or the report misses it, the installation is fine: the model is "
    "small and does that. Its card has its scores."
)
SAMPLES = 4
PAGE = "index.html"

T = TypeVar("T")


@dataclass(frozen=True)
class Demo:
    """What the demonstration showed.

    Attributes:
        text: the sentences drawn from.
        pictures: the drawings, files in the demonstration's folder.
        chosen: the one of them in which the classifier sees most nearly what the text says; it is read and questioned.
        report: what it was read into.
        observations: the classifier's probabilities of it.
        answers: question -> answer.
        seconds: what -> how long it took.
        page: the page that shows it all.
    """

    text: str
    pictures: tuple[Path, ...]
    chosen: Path
    report: Report
    observations: dict[str, float]
    answers: dict[str, str]
    seconds: dict[str, float]
    page: Path


def run_demo(model: Model, folder: Path | str, *, text: str = TEXT, seed: int = 0) -> Demo:
    """Draw, read, ask, and write the pictures and `index.html` to `folder`.

    Args:
        model: what does it.
        folder: made if need be.
        text: the sentences to draw from.
        seed: of the first drawing; the others follow on.

    Raises:
        ReportError: empty or too long a text.
        RadloomError: a folder that cannot be written to.
    """
    folder = Path(folder)
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        seconds[name] = time.perf_counter() - start
        return result

    how = model.drawing_settings()
    drawings = timed("draw", lambda: model.image(text, n=SAMPLES, seed=seed, **how))
    pictures = []
    for i, drawing in enumerate(drawings):
        made = marks(View.FRONTAL, Maker.of(model, seed + i, **how), Origin([Part.REPORT], Report(findings=text)))
        pictures.append(write_png(drawing, folder / f"drawing-{i + 1}.png", text=made))
    chosen = pictures[int(fitting(model, drawings, as_report(text), View.FRONTAL).argmax())]
    report = timed("read", lambda: model.report(chosen))
    observations = timed("check", lambda: model.check(chosen))
    answers = timed("ask", lambda: model.answers([chosen] * len(QUESTIONS), QUESTIONS))
    demo = Demo(
        text,
        tuple(pictures),
        chosen,
        report,
        {name: observations[name] for name in OBSERVATIONS},
        dict(zip(QUESTIONS, answers, strict=True)),
        seconds,
        folder / PAGE,
    )
    try:
        demo.page.write_text(render(demo, f"{model.config.recipe} {model.fingerprint}"), encoding="utf-8")
    except OSError as error:
        raise RadloomError(f"{demo.page} cannot be written ({error.strerror}); choose another folder.") from None
    return demo


def render(demo: Demo, model: str) -> str:
    """The page: one HTML file, pictures inlined, that fetches nothing.

    Args:
        demo: what to show.
        model: name of the model, for the footer.
    """
    others = [_picture(path) for path in demo.pictures if path != demo.chosen]
    bars = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td><meter value="{p:.3f}"></meter></td><td>{p:.2f}</td></tr>'
        for name, p in demo.observations.items()
    )
    answers = "\n".join(f"<dt>{escape(q)}</dt><dd>{escape(a)}</dd>" for q, a in demo.answers.items())
    sections = (("Findings", demo.report.findings), ("Impression", demo.report.impression))
    return _TEMPLATE.substitute(
        text=escape(demo.text),
        chosen=_picture(demo.chosen),
        others="\n".join(others),
        report="\n".join(f"<h3>{name}</h3><p>{escape(body) or '(nothing written)'}</p>" for name, body in sections),
        bars=bars,
        answers=answers,
        model=escape(model),
        note=NOTE,
        **{name: f"{value:.1f} s" for name, value in demo.seconds.items()},
    )


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="Drawn frontal chest X-ray">'
        f"<figcaption>synthetic &middot; {escape(path.name)}</figcaption></figure>"
    )


_TEMPLATE = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>radloom: a sentence, an X-ray, a report</title>
<style>
:root { color-scheme: light dark;
  --ink: #1b1d20; --soft: #5f6670; --line: #d9dce0; --paper: #fdfdfc; --accent: #1f6f8b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e7e9; --soft: #9aa1ab; --line: #33373d; --paper: #16181b; --accent: #6bb6d0; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 66rem; padding: 3rem 1.5rem; background: var(--paper); color: var(--ink);
  font: 1.05rem/1.6 Charter, "Bitstream Charter", Cambria, Georgia, serif; }
h1, h2, h3, th, td, figcaption, .time, .notice, footer { font-family: system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.05rem; margin: 0 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: .8rem; margin: 1rem 0 0; color: var(--soft); }
.time { float: right; font-weight: 400; font-size: .85rem; color: var(--soft); }
.notice { margin: .5rem 0 2.5rem; font-size: .9rem; color: var(--soft); }
blockquote { margin: 0 0 1.25rem; padding-left: 1rem; border-left: 3px solid var(--accent); font-size: 1.2rem; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 2rem 3rem; }
figure { margin: 0; }
img { display: block; width: 100%; background: #000; image-rendering: auto; }
figcaption { font-size: .75rem; color: var(--soft); padding: .3rem 0; }
.others { display: grid; grid-template-columns: repeat(3, 1fr); gap: .75rem; margin-top: .75rem; }
p { margin: .25rem 0; }
.choice { font-size: .8rem; color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: .85rem; }
th { text-align: left; font-weight: 400; padding: .1rem 1rem .1rem 0; white-space: nowrap; }
td:last-child { text-align: right; font-variant-numeric: tabular-nums; padding-left: .75rem; }
td:nth-child(2) { width: 100%; }
meter { display: block; width: 100%; height: .7rem; }
dt { font-style: italic; margin-top: .5rem; }
dd { margin: 0 0 .5rem 1rem; font-weight: 600; }
section { margin-bottom: 2rem; }
footer { font-size: .8rem; color: var(--soft); border-top: 1px solid var(--line); padding-top: .75rem; }
</style>
</head>
<body>
<h1>radloom</h1>
<p class="notice">Every picture here is synthetic and shows no patient. For research only; not a medical device.
$note</p>
<div class="columns">
<section>
<h2>1. A sentence is drawn <span class="time">$draw for all</span></h2>
<blockquote>$text</blockquote>
$chosen
<p class="choice">Large: of four, the one in which the classifier sees most nearly what the sentence says.</p>
<div class="others">
$others
</div>
</section>
<div>
<section>
<h2>2. The large drawing is read <span class="time">$read</span></h2>
$report
</section>
<section>
<h2>3. It is asked about <span class="time">$ask</span></h2>
<dl>
$answers
</dl>
</section>
<section>
<h2>4. The classifier looks at it <span class="time">$check</span></h2>
<table>
$bars
</table>
</section>
</div>
</div>
<footer>Model $model. Drawings, report and answers are what the model gives, not picked by hand.</footer>
</body>
</html>
"""
)
