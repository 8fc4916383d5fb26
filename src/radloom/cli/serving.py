"""The command that serves."""

from __future__ import annotations

from typing import Annotated

import typer

from radloom.cli.base import Answer, Json, ModelName, command, say
from radloom.errors import MissingPackageError, RadloomError


@command("serve")
def serve_command(
    model: ModelName = "nano",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any that is free.")] = 8000,
    device: Annotated[
        str, typer.Option(metavar="NAME,...", help="Where the model runs: cpu, cuda, ...; one worker each.")
    ] = "cpu",
    token: Annotated[
        str | None,
        typer.Option(envvar="RADLOOM_TOKEN", help="Secret that requests must bear; better set in the environment."),
    ] = None,
    allow_host: Annotated[
        str, typer.Option(metavar="NAME,...", help="Names by which browsers may reach it without a token.")
    ] = "",
    insecure: Annotated[bool, typer.Option("--insecure", help="Let others use the service without a token.")] = False,
    max_megabytes: Annotated[int, typer.Option(min=1, help="Largest request.")] = 64,
    max_pixels: Annotated[int, typer.Option(min=256, help="Largest picture, height x width.")] = 50_000_000,
    max_text: Annotated[int, typer.Option(min=1, help="Longest report or question, in characters.")] = 4000,
    max_images: Annotated[int, typer.Option(min=1, help="Most drawings of one request.")] = 4,
    max_queue: Annotated[int, typer.Option(min=1, help="Most requests at once.")] = 32,
    max_batch: Annotated[int, typer.Option(min=1, help="Most that are answered together.")] = 8,
    max_seconds: Annotated[float, typer.Option(min=0.1, help="Longest time for a request.")] = 120.0,
    wait: Annotated[float, typer.Option(min=0, help="Seconds a request waits for others to join it.")] = 0.02,
    as_json: Json = False,
) -> Answer:
    """Serve reports, drawings and answers over HTTP. Ctrl-C stops it; what is worked on then is finished."""
    from radloom.doctor import check_serving

    if missing := [name for name, check in check_serving().items() if not check.ok]:
        raise MissingPackageError(f'Serving needs {", ".join(missing)}; run `pip install "radloom[serve]"`.')
    from radloom.devices import usable
    from radloom.models import locate
    from radloom.serving.limits import Limits
    from radloom.serving.server import check_exposure, listen, serve
    from radloom.serving.service import Service

    if token is not None and not token.strip():
        raise RadloomError("The token is empty; set it to a secret, or leave it out.")
    check_exposure(host, token or "", insecure)
    locate(model)
    devices = [str(usable(name.strip())) for name in device.split(",")]
    limits = Limits(max_megabytes * 2**20, max_pixels, max_text, max_images, max_queue, max_batch, wait, max_seconds)
    names = [name for name in (host, *map(str.strip, allow_host.split(","))) if name]
    service = Service(model, devices, limits, token or "", names)
    with listen(host, port) as listener:
        bound = listener.getsockname()[1]
        url = f"http://{f'[{host}]' if ':' in host else host}:{bound}"
        say(f"serving {service.name} on {url}, described at {url}/docs")
        serve(service, listener)
    return Answer({"url": url, "model": service.name}, f"No longer serving {service.name} on {url}.")
