"""The application of one worker: API, docs, metrics, page, photos. Imports: api, desk, docs, files, gate, problems."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException as RoutingError
from starlette.responses import Response
from starlette.routing import Route
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
    if error.status_code != 405:
        problem = Problem(error.status_code, "nothing is at this address", "an address of the API", "see /docs")
        return Response(problem.body, error.status_code, error.headers, media_type="application/json")
    # the router tells the methods of one route; an address may have several
    routes = [route for route in request.app.router.routes if isinstance(route, Route) and route.path_regex.match(request.url.path)]
    methods = sorted({method for route in routes for method in route.methods or ()}) or [(error.headers or {}).get("Allow", "GET")]
    problem = Problem(405, "the method is not one of this address", f"one of: {', '.join(methods)}", "see /docs")
    return Response(problem.body, 405, {"Allow": ", ".join(methods)}, media_type="application/json")


def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    headers = {name.decode(): value.decode() for name, value in error.headers}
    return Response(error.body, error.status, headers, media_type="application/json")


def _fault(request: Request, error: Exception) -> Response:
    """The router raises the error again once this is sent, and the gate logs it."""
    return _refusal(request, Problem(500, "a fault of the service", "an answer", "see the log of the service"))


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
    app.add_exception_handler(Problem, _refusal)
    app.add_exception_handler(Exception, _fault)
    routes = api_routes(desk)
    app.router.routes.extend(routes)

    async def metrics(request: Request) -> Response:
        desk.admit(request.scope["headers"], "read")
        return Response(desk.metrics.page(), media_type="text/plain; version=0.0.4")

    @functools.cache
    def described() -> bytes:
        return openapi(app, routes)

    def fixed(path: str, content: Callable[[], bytes], kind: str) -> None:
        async def give(request: Request) -> Response:
            return Response(content(), media_type=kind)

        app.router.add_route(path, give, methods=["GET"], include_in_schema=False)

    app.router.add_route("/metrics", metrics, methods=["GET"], include_in_schema=False)
    fixed("/openapi.json", described, "application/json")
    fixed("/docs", functools.cache(lambda: docs_page(described())), "text/html; charset=utf-8")
    fixed("/docs.css", lambda: STYLE, "text/css; charset=utf-8")
    if pages.is_dir():
        own = Folder(pages, PAGE_KINDS, 0)
        for page in sorted(pages.glob("*.html")):
            app.router.add_route("/" if page.name == "index.html" else f"/{page.stem}", own.shows(page.name), methods=["GET"])
        app.router.mount("/pages", own, name="/pages")
    if media is not None:
        app.router.mount("/media", Folder(media, MEDIA_KINDS, 3_600), name="/media")
    return Gate(app, desk, routes)
