"""Routes of the service.

All work is asked for by multipart forms. `report`, `image`, `ask`, `check`, `saliency` and `complete` give JSON; asked
for `text/event-stream`, they give server-sent events: `progress` ({"done", "total"}: steps), `partial` (the words of
the answer as far as they are written, whole each time) and at last `answer` (what is given without streaming) or
`error`. The words of a report are those of its first draft; the report is made of the sentences of all.
There is no `partial` from `complete`. `view` and `document` give files.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, replace
from functools import partial
from typing import Annotated, Any, TypeVar

import numpy as np
from fastapi import APIRouter, Depends, FastAPI, File, Form, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from radloom import __version__
from radloom.classifier.saliency import check_mapped
from radloom.completion import Asked, as_parts, parse_weights, planned
from radloom.diffusion.sampling import MOST_GUIDANCE
from radloom.errors import ImageError, RadloomError, ReportError, did_you_mean, member
from radloom.imaging import InMemory
from radloom.interop import REPORT_SUFFIXES, Maker, report_bytes
from radloom.reports.report_text import as_report
from radloom.seeds import LIMIT
from radloom.serving.answers import (
    Answer,
    AskAnswer,
    CheckAnswer,
    CompleteAnswer,
    ImageAnswer,
    ReportAnswer,
    SaliencyAnswer,
)
from radloom.serving.events import MEDIA_TYPE, stream
from radloom.serving.guard import Guard
from radloom.serving.metrics import CONTENT_TYPE
from radloom.serving.pages import pages
from radloom.serving.queue import ClosedError, Job
from radloom.serving.refusals import GONE, Refusal, refusal
from radloom.serving.service import Service
from radloom.serving.tasks import Ask, Check, Complete, Draw, How, Locate, Read, Task
from radloom.serving.uploads import InMemoryRoute, check_files, in_memory, in_memory_text, to_model_size, to_png
from radloom.settings import Engine
from radloom.study import Report, Study, View

NOTICE = (
    "For research and teaching only. Not a medical device; nothing it writes or draws may guide the care of a patient."
)

T = TypeVar("T")

work = APIRouter(prefix="/v1", route_class=InMemoryRoute)
about = APIRouter()


def create_app(service: Service) -> FastAPI:
    """The application over a service, which it starts and stops."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        service.close()
        await asyncio.to_thread(service.join)

    app = FastAPI(
        title="radloom", version=__version__, description=NOTICE, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.state.service = service
    bearer = [Depends(HTTPBearer(auto_error=False))] if service.token else []  # for the description: `Guard` decides
    app.include_router(work, dependencies=bearer)
    app.include_router(about)
    app.include_router(pages)
    for kind in (HTTPException, RequestValidationError, RadloomError, ClosedError):
        app.add_exception_handler(kind, _refuse)
    app.add_middleware(Guard, service=service)
    return app


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _refuse(request: Request, error: Exception) -> Response:
    return refusal(error).response()


# -- what a request is made of ---------------------------------------------------------------------------------------

TheService = Annotated[Service, Depends(_service)]
Picture = Annotated[UploadFile | None, File(description="PNG, JPEG, TIFF (8 or 16 bit) or DICOM.")]
Seed = Annotated[int, Form(ge=0, le=LIMIT - 1, description="Seed of sampling.")]
Temperature = Annotated[float | None, Form(ge=0, le=100, description="0 takes the likeliest token.")]
TopP = Annotated[float | None, Form(gt=0, le=1, description="Share of probability that is drawn from.")]
Guidance = Annotated[
    float | None, Form(ge=-MOST_GUIDANCE, le=MOST_GUIDANCE, description="Classifier-free guidance; 1 is none.")
]
EngineName = Annotated[str | None, Form(description="diffusion or language; by default the better one.")]
Steps = Annotated[int | None, Form(ge=1, le=1000, description="Steps of denoising.")]
Texts = Annotated[int | None, Form(ge=1, le=8, description="Drafts of whose sentences the report is made.")]
Candidates = Annotated[
    int | None,
    Form(ge=1, le=16, description="Drawings of which the one is kept that shows best what the text says; each counts."),
]
Number = Annotated[int, Form(ge=1, description="How many; they use seed, seed + 1, ...")]
AsDicom = Annotated[bool, Form(description="Give drawings as DICOM too.")]

_ERROR = {
    "description": "A refusal, with one sentence on what is wrong.",
    "content": {"application/json": {"example": {"error": {"code": "invalid_image", "message": "frontal is empty."}}}},
}
_ERRORS: dict[int | str, dict[str, Any]] = dict.fromkeys((400, 401, 403, 408, 413, 415, 422, 429, 503, 504), _ERROR)
_RESPONSES = {200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}, **_ERRORS}

_DOCUMENTS = {"txt": "text/plain; charset=utf-8", "json": "application/fhir+json", "dcm": "application/dicom"}
"""Formats of a report, and the media type of each."""


def _file_of(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """Responses of a route that gives a file."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in media_types}
    return {200: {"content": content}, **_ERRORS}


# -- routes ----------------------------------------------------------------------------------------------------------


@work.post("/report", response_model=ReportAnswer, responses=_RESPONSES)
async def report(
    request: Request,
    service: TheService,
    frontal: Picture = None,
    lateral: Picture = None,
    seed: Seed = 0,
    temperature: Temperature = None,
    top_p: TopP = None,
    guidance: Guidance = None,
    candidates: Texts = None,
) -> Response | Answer:
    """Read a frontal or a lateral view, or both of one study, into findings and impression."""
    images = await _pictures(request, service, frontal=frontal, lateral=lateral)
    if not images:
        raise ImageError("There is no image; send a frontal view, a lateral view or both.")
    how = How(temperature, top_p, guidance, candidates)
    stated = request.state.views.get("frontal")
    return await _answer(request, service, Read(images.get("frontal"), images.get("lateral"), seed, how, stated))


@work.post("/image", response_model=ImageAnswer, responses=_RESPONSES)
async def image(
    request: Request,
    service: TheService,
    report: Annotated[str, Form(description="Findings, or a report with its headings.")],
    view: Annotated[str, Form(description="frontal or lateral.")] = "frontal",
    n: Number = 1,
    seed: Seed = 0,
    engine: EngineName = None,
    guidance: Guidance = None,
    steps: Steps = None,
    candidates: Candidates = None,
    temperature: Temperature = None,
    top_p: TopP = None,
    dicom: AsDicom = False,
) -> Response | Answer:
    """Draw X-rays from text, by diffusion where the model has it.

    `steps` and `candidates` are of diffusion; `temperature` and `top_p` are of the language model.
    """
    _check_text("report", report, service)
    changes = {"guidance": guidance, "steps": steps, "candidates": candidates}
    how = service.model.drawing_settings(engine, **changes, temperature=temperature, top_p=top_p)
    task = Draw(as_report(report), member(View, view), how, n, seed, dicom)
    _check_number(n, task.size, service)
    return await _answer(request, service, task)


@work.post("/ask", response_model=AskAnswer, responses=_RESPONSES)
async def ask(
    request: Request,
    service: TheService,
    question: Annotated[str, Form(description="About the X-ray.")],
    frontal: Picture = None,
    lateral: Picture = None,
    seed: Seed = 0,
    temperature: Temperature = None,
    top_p: TopP = None,
) -> Response | Answer:
    """Answer a question about one X-ray, frontal or lateral."""
    _check_text("question", question, service)
    picture = await _picture("A question", request, service, frontal=frontal, lateral=lateral)
    return await _answer(request, service, Ask(picture, question, seed, How(temperature, top_p)))


@work.post("/check", response_model=CheckAnswer, responses=_RESPONSES)
async def check(
    request: Request, service: TheService, frontal: Picture = None, lateral: Picture = None
) -> Response | Answer:
    """Give the classifier's probability of each of the 14 observations, and of eleven signs, in one X-ray."""
    return await _answer(
        request, service, Check(await _picture("A check", request, service, frontal=frontal, lateral=lateral))
    )


@work.post("/saliency", response_model=SaliencyAnswer, responses=_RESPONSES)
async def saliency(
    request: Request,
    service: TheService,
    observations: Annotated[str, Form(description="Names, with commas between them; a map of each is given.")],
    frontal: Picture = None,
    lateral: Picture = None,
) -> Response | Answer:
    """Show where in one X-ray, frontal or lateral, the classifier finds what it finds."""
    names = tuple(dict.fromkeys(name.strip() for name in observations.split(",")))
    check_mapped(names)
    picture = await _picture("Saliency", request, service, frontal=frontal, lateral=lateral)
    return await _answer(request, service, Locate(picture, names))


@work.post("/complete", response_model=CompleteAnswer, responses=_RESPONSES)
async def complete(
    request: Request,
    service: TheService,
    want: Annotated[str, Form(description="Of frontal, lateral and report, with commas between them: what is made.")],
    frontal: Picture = None,
    lateral: Picture = None,
    report: Annotated[UploadFile | str | None, File(description="Text, or a text file.")] = None,
    n: Number = 1,
    seed: Seed = 0,
    weights: Annotated[str, Form(description="Of the parts given: frontal=1,report=0.5; 1 where none is named.")] = "",
    engine: EngineName = None,
    guidance: Guidance = None,
    steps: Steps = None,
    candidates: Candidates = None,
    sampler: Annotated[str | None, Form(description="dpm++ or ddim.")] = None,
    together: Annotated[bool | None, Form(description="Denoise all parts at once, not one after another.")] = None,
    dicom: AsDicom = False,
) -> Response | Answer:
    """Make the wanted parts of a study from those that are given; of nothing, a whole synthetic study."""
    parts, weighed = as_parts(want), parse_weights(weights)
    text = await in_memory_text(report, "report")
    if text is not None:
        _check_text("report", text, service)
    pictures = await _pictures(request, service, frontal=frontal, lateral=lateral)
    given = None if text is None else as_report(text)
    study = Study(frontal=pictures.get("frontal"), lateral=pictures.get("lateral"), report=given)
    asked = Asked.of(study.parts, parts)
    changes = {"guidance": guidance, "steps": steps, "candidates": candidates, "sampler": sampler}
    plan = planned(service.model, [asked], engine, weighed, together=together, **changes)[asked]
    task = Complete(study, plan, n, seed, dicom)
    _check_number(n, task.size, service)
    return await _answer(request, service, task)


@work.post("/view", response_class=Response, responses=_file_of("image/png"))
async def view(
    request: Request,
    service: TheService,
    frontal: Picture = None,
    lateral: Picture = None,
    deep: Annotated[bool, Form(description="Keep 16 bit, if any: red is the high byte, green the low.")] = False,
) -> Response:
    """Turn one X-ray, frontal or lateral, into what browsers show: an 8-bit PNG, bones bright, upright.

    The header `Synthetic` says whether the file says of itself that it is: yes or no.
    """
    file = await _file("A view", frontal=frontal, lateral=lateral)
    png, synthetic = await _in_time(request, service, partial(to_png, file, service.limits.pixels, deep))
    return Response(png, media_type="image/png", headers={"Synthetic": "yes" if synthetic else "no"})


@work.post("/document", response_class=Response, responses=_file_of(*_DOCUMENTS.values()))
async def document(
    request: Request,
    service: TheService,
    format: Annotated[str, Form(description="txt, json (FHIR R4 DiagnosticReport) or dcm (DICOM Basic Text SR).")],
    findings: Annotated[str, Form()] = "",
    impression: Annotated[str, Form()] = "",
    frontal: Picture = None,
    lateral: Picture = None,
    seed: Seed = 0,
) -> Response:
    """Give a report that `report` wrote as a file; DICOM X-rays that it is of are referred to."""
    suffix = f".{format}"
    if suffix not in REPORT_SUFFIXES:
        raise RadloomError(f"There is no format {format!r}{did_you_mean(format, _DOCUMENTS)}; name txt, json or dcm.")
    _check_text("report", findings + impression, service)
    uploads = {"frontal": frontal, "lateral": lateral}
    files = [file for name, upload in uploads.items() if (file := await in_memory(upload, name))]
    write = partial(
        report_bytes, Report(findings, impression), suffix, maker=Maker.of(service.model, seed), files=files
    )
    content = await _in_time(request, service, write)
    headers = {"Content-Disposition": f'attachment; filename="report{suffix}"'}
    return Response(content, media_type=_DOCUMENTS[format], headers=headers)


@work.get("/models")
async def models(service: TheService) -> dict[str, Any]:
    """The model that answers, how it looks at X-rays, and what is taken."""
    model = service.model
    engines = [engine for engine in Engine if model.has_diffusion or engine is Engine.LANGUAGE]  # the better one first
    return {
        "models": [
            {
                "name": service.name,
                "recipe": model.config.recipe,
                "about": model.config.about,
                "fingerprint": model.fingerprint,
                "pixels": model.transform.size,
                "fit": model.transform.fit,
                "candidates": model.config.text.candidates if model.language.thresholds else 1,
                "image": [model.drawing_settings(engine) for engine in engines],
                "complete": {
                    "engines": engines,
                    **asdict(model.config.complete),
                },
                "devices": [str(worker.model.device) for worker in service.workers if worker.model],
            }
        ],
        "limits": {name: getattr(service.limits, name) for name in ("body", "pixels", "text", "images")},
        "notice": NOTICE,
    }


@about.head("/health", include_in_schema=False)
@about.get("/health")
async def health() -> dict[str, str]:
    """The process is up."""
    return {"status": "ok"}


@about.head("/ready", include_in_schema=False)
@about.get("/ready", responses={503: _ERROR})
async def ready(service: TheService) -> dict[str, str]:
    """The model is loaded, and requests are taken."""
    service.check_ready()
    return {"status": "ready"}


@about.get("/metrics", response_class=Response)
async def metrics(service: TheService) -> Response:
    """Counts and times, in the text format of Prometheus."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE)


# -- what routes share -----------------------------------------------------------------------------------------------


async def _pictures(request: Request, service: Service, **uploads: UploadFile | None) -> dict[str, np.ndarray]:
    """Pictures (R, R) by the fields they were sent in, decoded outside the event loop.

    What is odd about the files becomes `request.state.remarks`, for the answer, and the view that each states
    `request.state.views`.
    """
    pictures, request.state.views = {}, {}
    files = {name: file for name, upload in uploads.items() if (file := await in_memory(upload, name))}
    request.state.remarks = await _in_time(request, service, partial(check_files, list(files.values())))
    for name, file in files.items():
        read = partial(to_model_size, file, service.model.transform, service.limits.pixels)
        pictures[name], said, request.state.views[name] = await _in_time(request, service, read)
        request.state.remarks += said
    return pictures


async def _in_time(request: Request, service: Service, work: Callable[[], T]) -> T:
    """What work on files gives, done outside the event loop within the time of the request.

    Raises:
        Refusal: the time is over; what waits for a thread then is not begun.
    """
    job = asyncio.get_running_loop().run_in_executor(service.readers, work)
    try:
        async with asyncio.timeout_at(request.state.deadline):
            return await job
    except TimeoutError:
        raise Refusal(504, "timeout", "The files were not read in time; try again later.") from None


async def _picture(what: str, request: Request, service: Service, **uploads: UploadFile | None) -> np.ndarray:
    """The one picture (R, R) that `what` is about."""
    pictures = await _pictures(request, service, **uploads)
    _check_one(what, len(pictures))
    [picture] = pictures.values()
    return picture


async def _file(what: str, **uploads: UploadFile | None) -> InMemory:
    """The one file that `what` is about."""
    files = [file for name, upload in uploads.items() if (file := await in_memory(upload, name))]
    _check_one(what, len(files))
    return files[0]


def _check_one(what: str, sent: int) -> None:
    if sent != 1:
        raise ImageError(f"{what} is about one image, and {sent} were sent; send frontal or lateral.")


def _check_number(n: int, drawn: int, service: Service) -> None:
    if drawn > service.limits.images:
        several = f" with {drawn // n} candidates each" if drawn > n else ""
        raise RadloomError(f"n is {n}{several}; at most {service.limits.images} are made at a time.")


def _check_text(name: str, text: str, service: Service) -> None:
    if not text.strip():
        raise ReportError(f"The {name} is empty; write something.")
    if len(text) > service.limits.text:
        raise ReportError(
            f"The {name} has {len(text)} characters; at most {service.limits.text} are taken. Shorten it."
        )


async def _answer(request: Request, service: Service, task: Task) -> Response | Answer:
    """The answer to a task, or the stream of its events."""
    deadline: float = request.state.deadline

    def finished(answer: Answer) -> Answer:
        seconds = asyncio.get_running_loop().time() - deadline + service.limits.seconds
        said = [*getattr(request.state, "remarks", []), *answer.remarks]
        return replace(answer, remarks=said, seconds=round(seconds, 3))

    if MEDIA_TYPE in request.headers.get("accept", ""):
        return stream(service, task, deadline, finished, partial(setattr, request.state, "status"))
    return finished(await _finished(request, service.submit(task), deadline))


async def _finished(request: Request, job: Job, deadline: float) -> Answer:
    """The answer of a job, which is left when the client goes or the time is over."""
    answer, gone = asyncio.wrap_future(job.future), asyncio.ensure_future(_disconnected(request))
    either: set[asyncio.Future[Any]] = {answer, gone}
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        if gone.done():
            raise Refusal(GONE, "gone", "The client has left.")
        raise Refusal(504, "timeout", "There was no answer in time; try again later, or ask for less.")
    finally:
        gone.cancel()
        answer.cancel()
        job.leave()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
