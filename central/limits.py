"""How large a request may be: nobody fills central's memory, whoever asks."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from central.problem_json import problem_response

LARGEST = 1024 * 1024  # bytes; the largest order that makes sense is a hundredth of it
OWN_LIMIT = "/sync/"  # the boxes' address counts for itself: a batch after an outage is larger


class BodyLimit:
    """ASGI middleware: answers 413 to a body over the limit, declared or not."""

    def __init__(self, app: ASGIApp, largest: int = LARGEST) -> None:
        self.app, self.largest = app, largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(OWN_LIMIT):
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self.largest:
            answer = problem_response(413, "too_large", f"A request has at most {self.largest} bytes.", "Send less at once.")
            await answer(scope, receive, send)
            return
        await self.app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        seen = 0

        async def counting() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.largest:
                raise HTTPException(413, f"A request has at most {self.largest} bytes.")
            return message

        return counting
