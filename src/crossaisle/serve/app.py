"""The application of one worker: API, docs, metrics, page, photos. Imports: api, desk, docs, files, gate, problems."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException as RoutingError
from starlette.responses import Response
from starlette.types import ASGIApp

from crossaisle.serve.api import api_routes
from crossaisle.serve.desk import Desk
from crossaisle.serve.docs import STYLE, docs_page, openapi
from crossaisle.serve.files import MEDIA_KINDS, PAGE_KINDS, PAGES, Folder
from crossaisle.serve.gate import Gate
from crossaisle.serve.problems import Problem

__all__ = ["build_app"]


def _routing_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RoutingError)
    if error.status_code == 405:
        problem = Problem(405, "the method is not one of this address", "a method that the header Allow names", "see /docs")
    else:
        problem = Problem(error.status_code, "nothing is at this address", "an address of the API", "see /docs")
    return Response(problem.body, error.status_code, error.headers, media_type="application/json")


def build_app(desk: Desk, media: Path | None = None, pages: Path = PAGES) -> ASGIApp:
    """The whole application.

    Parameters
    ----------
    desk : Desk
        What the routes share; started and closed with the application.
    media : Path, optional
        The folder of photos and videos, served below ``/media/``.
    pages : Path
        The folder of the page's own files: ``index.html`` is ``/``, ``NAME.html`` is ``/NAME``, all of them are below ``/pages/``.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await desk.start()
        yield
        await desk.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.add_exception_handler(RoutingError, _routing_error)
    routes = api_routes(desk)
    app.router.routes.extend(routes)
    description = openapi(app, routes)

    async def metrics(request: Request) -> Response:
        desk.admit(request.scope["headers"], "read")
        return Response(desk.metrics.page(), media_type="text/plain; version=0.0.4")

    def fixed(path: str, content: bytes, kind: str) -> None:
        async def give(request: Request) -> Response:
            return Response(content, media_type=kind)

        app.router.add_route(path, give, methods=["GET"], include_in_schema=False)

    app.router.add_route("/metrics", metrics, methods=["GET"], include_in_schema=False)
    fixed("/openapi.json", description, "application/json")
    fixed("/docs", docs_page(description), "text/html; charset=utf-8")
    fixed("/docs.css", STYLE, "text/css; charset=utf-8")
    if pages.is_dir():
        own = Folder(pages, PAGE_KINDS, 0)
        for page in sorted(pages.glob("*.html")):
            app.router.add_route("/" if page.name == "index.html" else f"/{page.stem}", own.shows(page.name), methods=["GET"])
        app.router.mount("/pages", own, name="/pages")
    if media is not None:
        app.router.mount("/media", Folder(media, MEDIA_KINDS, 3_600), name="/media")
    return Gate(app, desk)
