"""Under which name a browser reaches the service, and whose page it is that asks.

Without a token, a page of somebody else that is open in the same browser could use the service: by sending forms across
origins, or by having its own name point at this machine (DNS rebinding). Both are told by headers that a page cannot
change, Origin and Host (RFC 6454, RFC 9110). Rebinding needs a name, so that addresses in numbers are safe.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.types import Scope

from radloom.serving.refusals import Refusal


def check_names(scope: Scope, hosts: Sequence[str]) -> None:
    """Pass if a request came under a name of this service, and from no other page than its own.

    Args:
        scope: of the request; one without Host or Origin is from no browser.
        hosts: names of the service in lower case, besides `localhost` and addresses in numbers.

    Raises:
        Refusal: it did not.
    """
    headers = dict(scope["headers"])
    host, origin = headers.get(b"host", b"").decode("latin-1"), headers.get(b"origin", b"").decode("latin-1")
    name = _hostname(f"//{host}")
    if host and not (_is_own(name) or name in hosts):
        raise Refusal(
            403, "foreign_host", "The service does not go by this name; allow it with --allow-host, or use its address."
        )
    asking = _hostname(origin)
    if origin and not (asking and (urlsplit(origin).netloc.lower() == host.lower() or asking in hosts)):
        raise Refusal(403, "foreign_origin", "A page of another origin asks; open the page of this service instead.")


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # brackets that hold no address
        return ""


def _is_own(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost"
    return True
