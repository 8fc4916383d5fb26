"""Files that are written whole or not at all."""

from __future__ import annotations

import secrets
from pathlib import Path

from radloom.errors import RadloomError


def write_whole(path: Path, content: bytes, error: type[RadloomError] = RadloomError) -> Path:
    """Write a file whole or not at all; its folder is made if need be.

    Args:
        path: the file; one that is there is replaced.
        content: all of it.
        error: what is raised.

    Returns:
        The path written.

    Raises:
        RadloomError: a place that cannot be written; of the type `error`.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_bytes(content)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as reason:
        raise error(f"{path} cannot be written ({reason.strerror or reason}); choose another place.") from None
    return path
