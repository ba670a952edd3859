"""The page at ``/``: files that a browser reads as they are, and the policy they live under. Imports nothing of the package.

``index.html`` loads ``page/js/main.js``, which calls ``api/v1`` and nothing else; both are taken relative to the page, so the service may
stand under any prefix. The library it is built with lies in ``vendor/`` with its licences.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["FOLDER", "HEADERS", "mount"]

FOLDER = Path(__file__).parent
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; style-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
}
"""What every file of the page is sent with; ``no-cache``: a browser asks whether its copy is still the newest, and mostly is told so."""

_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""Kinds are written here: the machine's own table may call a module ``text/plain``, which browsers refuse to run."""


def mount(app: Starlette) -> None:
    """Serve the page: ``index.html`` at ``/``, its files below ``/page/``.

    Parameters
    ----------
    app : Starlette
        Or a FastAPI application. Mount it after the API's own routes.
    """
    from starlette.responses import FileResponse
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    class Files(StaticFiles):
        """Files of known kinds, with the page's headers."""

        def file_response(
            self, full_path: Any, stat_result: Any, scope: MutableMapping[str, Any], status_code: int = 200
        ) -> Any:  # a FileResponse, or 304
            answer = super().file_response(full_path, stat_result, scope, status_code)
            answer.headers.update(HEADERS)
            if answer.status_code == 200:
                answer.headers["content-type"] = _KINDS.get(Path(full_path).suffix, "application/octet-stream")
            return answer

    async def index(_: Any) -> FileResponse:
        return FileResponse(FOLDER / "index.html", headers=HEADERS, media_type="text/html")

    app.router.routes += [Route("/", index, methods=["GET"]), Mount("/page", Files(directory=FOLDER), name="page")]
