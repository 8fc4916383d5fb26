"""The web page: plain files of the package, which fetch nothing from elsewhere."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}

pages = APIRouter(include_in_schema=False)


@cache
def page_files() -> dict[str, tuple[bytes, str]]:
    """Name -> bytes and media type of every file of the page."""
    folder = files("radloom.serving") / "page"
    return {
        file.name: (file.read_bytes(), media_type)
        for file in folder.iterdir()
        for suffix, media_type in _MEDIA_TYPES.items()
        if file.name.endswith(suffix)
    }


@pages.get("/")
async def index() -> Response:
    """The page."""
    return await page_file("index.html")


@pages.get("/docs")
async def docs() -> Response:
    """The description of the routes, for people."""
    return await page_file("docs.html")


@pages.get("/page/{name}")
async def page_file(name: str) -> Response:
    """A file of the page."""
    if name not in page_files():
        raise HTTPException(404)
    content, media_type = page_files()[name]
    return Response(content, media_type=media_type)
