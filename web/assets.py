"""Files that browsers keep: their addresses carry a hash of the content, so that they may be cached for ever."""

import hashlib
import mimetypes
from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

ROOT = "/static"
FOLDERS: list[Path] = [Path(__file__).parent / "static"]
FOREVER = "public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def add(folder: Path) -> None:
    """Serve the files of `folder` too; a program calls it once for its own modules. A name that is taken already is an error."""
    if folder not in FOLDERS:
        FOLDERS.append(folder)


@cache
def _file(name: str) -> tuple[bytes, str]:
    """Content and short hash of a file; raise LookupError when there is none of that name."""
    if "/" in name or name.startswith("."):
        raise LookupError(name)
    for folder in FOLDERS:
        if (folder / name).is_file():
            content = (folder / name).read_bytes()
            return content, hashlib.sha256(content).hexdigest()[:10]
    raise LookupError(f"no static file is called {name!r}; there are {sorted(p.name for f in FOLDERS for p in f.glob('*'))}")


def url(name: str) -> str:
    """Return the address of a static file, such as /static/style.0f3a9c51d2.css; raise LookupError for an unknown name."""
    stem, dot, suffix = name.rpartition(".")
    return f"{ROOT}/{stem}.{_file(name)[1]}{dot}{suffix}"


async def serve(request: Request) -> Response:
    """Answer GET /static/{name}. An address with an older hash is answered too, but not for ever: the page is about to be reloaded."""
    stem, _, suffix = str(request.path_params["name"]).rpartition(".")
    name, _, digest = stem.rpartition(".")
    try:
        content, current = _file(f"{name}.{suffix}")
    except LookupError:
        raise HTTPException(404, "There is no such file.") from None
    media = _TYPES.get(f".{suffix}") or mimetypes.guess_type(f"x.{suffix}")[0] or "application/octet-stream"
    return Response(
        content, media_type=media, headers={"Cache-Control": FOREVER if digest == current else "no-cache", "ETag": f'"{current}"'}
    )
