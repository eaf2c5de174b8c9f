"""What every web program of ours answers with: security headers, compression, static files, language and form of the answer."""

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web import assets
from web.catalogue import LANGUAGES

POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
LANGUAGE_COOKIE = "language"
_YEAR_S = 31_536_000


class SecurityHeaders:
    """Puts HEADERS on every answer and remembers a language that was chosen with ?lang=."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        chosen = Request(scope).query_params.get("lang")

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if chosen in LANGUAGES:
                    headers.append("Set-Cookie", f"{LANGUAGE_COOKIE}={chosen}; Path=/; Max-Age={_YEAR_S}; SameSite=Lax; HttpOnly")
            await send(message)

        await self.app(scope, receive, with_headers)


def attach(app: Starlette) -> None:
    """Give a program the static files, gzip (never on an event stream) and the security headers. Call it once, before it serves."""
    app.router.routes.append(Route(f"{assets.ROOT}/{{name}}", assets.serve, name="static"))
    app.add_middleware(GZipMiddleware, minimum_size=700, compresslevel=5)
    app.add_middleware(SecurityHeaders)


def language_of(request: Request, *preferred: str | None) -> str:
    """Return the language of an answer: ?lang=, the cookie, what is known of the person or the hotel, then the browser's wish; else en."""
    known = (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE), *preferred)
    for language in known:
        if language in LANGUAGES:
            return language
    wishes = (part.split(";")[0].strip()[:2].lower() for part in request.headers.get("accept-language", "").split(","))
    return next((wish for wish in wishes if wish in LANGUAGES), "en")


def wants_json(request: Request) -> bool:
    """Whether the caller asks for data: Accept names JSON and does not name HTML before it."""
    for part in request.headers.get("accept", "").split(","):
        kind = part.split(";")[0].strip().lower()
        if kind in {"text/html", "application/xhtml+xml"}:
            return False
        if kind in {"application/json", "application/problem+json"}:
            return True
    return False
