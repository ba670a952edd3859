"""The page's own files and the photos of the media folder. Imports: problems.

Only regular files inside the folder, of kinds that a browser shows, are served; a link that leads out, a name that starts with a dot and
every ``..`` are no file. Photos need no key: they are what a shop shows to everybody, and an ``<img>`` cannot send one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import HTTPException, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from crossaisle.errors import OutputError

__all__ = ["MEDIA_KINDS", "PAGES", "PAGE_KINDS", "Folder"]

PAGES = Path(__file__).parent / "pages"
MEDIA_KINDS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".mp4", ".webm"})
PAGE_KINDS = frozenset({".html", ".css", ".js", ".mjs", ".json", ".svg", ".png", ".webp", ".ico", ".woff2", ".txt"})


class Folder(StaticFiles):
    """Files of one folder.

    Parameters
    ----------
    folder : Path
        Where they are.
    kinds : set of str
        Endings that are served.
    keep : int
        Seconds that a browser may keep a file without asking again.

    Raises
    ------
    OutputError
        If ``folder`` is no folder.
    """

    def __init__(self, folder: Path, kinds: frozenset[str], keep: int) -> None:
        if not folder.is_dir():
            raise OutputError(f"folder {str(folder)!r} does not exist", "a folder of photos", "choose another --media")
        super().__init__(directory=folder, follow_symlink=False)
        self._kinds, self._keep = kinds, keep

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or 404 for everything that is none of these."""
        parts = scope["path"].split("/")
        if any(part.startswith(".") for part in parts) or "\\" in path or Path(path).suffix.lower() not in self._kinds:
            raise HTTPException(404)
        try:
            answer = await super().get_response(path, scope)
        except (OSError, ValueError, RuntimeError):
            raise HTTPException(404) from None
        except HTTPException as error:
            raise HTTPException(404 if error.status_code == 401 else error.status_code, headers=error.headers) from None
        answer.headers["cache-control"] = f"public, max-age={self._keep}" if self._keep else "no-cache"
        return answer

    def shows(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that gives one file, whatever the address."""

        async def show(request: Request) -> Response:
            answer = await super(Folder, self).get_response(name, request.scope)
            answer.headers["cache-control"] = "no-cache"
            return answer

        return show
