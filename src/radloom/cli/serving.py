"""The commands that serve: over HTTP, and as a DICOM node."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from radloom.cli.base import Answer, Device, Json, ModelName, command, say
from radloom.errors import MissingPackageError, RadloomError, installation
from radloom.services import check_exposure

_TOKEN = ". Set RADLOOM_TOKEN to a secret that they must send, or give --insecure to let anybody use it."
_TRUSTED = (
    ", and DICOM here has neither encryption nor passwords. Give --insecure if the network is one that you trust."
)


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
    max_images: Annotated[
        int,
        typer.Option(min=1, help="Most drawings of one request, n times the candidates."),
    ] = 4,
    max_queue: Annotated[int, typer.Option(min=1, help="Most requests at once.")] = 32,
    max_batch: Annotated[int, typer.Option(min=1, help="Most that are answered together.")] = 8,
    max_seconds: Annotated[float, typer.Option(min=0.1, help="Longest time for a request.")] = 120.0,
    wait: Annotated[float, typer.Option(min=0, help="Seconds a request waits for others to join it.")] = 0.02,
    as_json: Json = False,
) -> Answer:
    """Serve reports, drawings and answers over HTTP. Ctrl-C stops it; what is worked on then is finished."""
    if not (os.environ.get("RADLOOM_TOKEN", "?") if token is None else token).strip():  # click takes `""` for unset
        raise RadloomError("The token is empty; set it to a secret, or leave it out.")
    check_exposure(host, insecure or token is not None, _TOKEN)

    from radloom.doctor import check_serving

    if missing := [name for name, check in check_serving().items() if not check.ok]:
        raise MissingPackageError(f"Serving needs {', '.join(missing)}; run `{installation('serve')}`.")
    from radloom.devices import usable
    from radloom.model_folder import locate
    from radloom.serving.limits import Limits
    from radloom.serving.server import listen, serve
    from radloom.serving.service import Service

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


@command("listen")
def listen_command(
    spool: Annotated[Path, typer.Argument(help="Folder of its own, for what was received, reported and sent.")],
    model: ModelName = "nano",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any that is free.")] = 11112,
    ae_title: Annotated[str, typer.Option(metavar="TITLE", help="Its own AE title.")] = "RADLOOM",
    allow: Annotated[str, typer.Option(metavar="TITLE,...", help="AE titles that may send; all by default.")] = "",
    send_to: Annotated[
        str | None, typer.Option(metavar="TITLE@HOST:PORT", help="Send the reports there, until it takes them.")
    ] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds without a new image that end a study.")] = 60.0,
    device: Device = "cpu",
    insecure: Annotated[bool, typer.Option("--insecure", help="Let other machines reach it.")] = False,
    max_megabytes: Annotated[int, typer.Option(min=1, help="Largest image, as it is sent.")] = 256,
    keep_megabytes: Annotated[int, typer.Option(min=0, help="Free room on the disk that images may not take.")] = 1024,
    as_json: Json = False,
) -> Answer:
    """Take studies as a DICOM node and report them. Ctrl-C stops it; what is worked on then is finished."""
    check_exposure(host, insecure, _TRUSTED)

    from radloom.doctor import check_listening

    if missing := [name for name, check in check_listening().items() if not check.ok]:
        raise MissingPackageError(f"Listening needs {', '.join(missing)}; run `{installation('listen')}`.")
    from radloom.listening.receiving import Limits, Receiver
    from radloom.listening.reporting import Reporter
    from radloom.listening.sending import Peer, Sender, check_title
    from radloom.listening.service import listen, stopped_by_signals
    from radloom.listening.spool import Spool, State
    from radloom.model_folder import model_name
    from radloom.models import load

    title, allowed = check_title(ae_title), [check_title(name) for name in allow.split(",") if name.strip()]
    peer = Peer.parse(send_to) if send_to else None
    limits = Limits(max_megabytes * 2**20, keep_megabytes * 2**20)
    loaded = load(model, device=device)
    with Spool(spool) as held, stopped_by_signals() as stop:
        receiver = Receiver(held, (host, port), title, allowed, limits)
        address = f"{title}@{host}:{receiver.port}"
        say(f"taking studies as {address} for {model_name(model)}, into {spool}")
        listen(receiver, Reporter(loaded, held, wait), Sender(peer, title, held, stop) if peer else None, stop)
    done = {"images": held.counts["images"], **{state.value: held.counts[state] for state in State}}
    data = {"address": address, "model": model_name(model), "spool": str(spool), **done}
    told = f"{done['images']} images, {done['reported']} studies reported, {done['failed']} set aside"
    return Answer(data, f"No longer taking studies as {address}: {told}, {done['sent']} reports sent.")
