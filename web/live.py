"""Live pages: a page is a set of parts, each with a model; when something changed, the parts whose model differs are sent anew.

The same macro draws a part in the whole page and in a patch, so a page that was patched all evening equals one that was just
loaded. Models are compared before anything is drawn. One query serves all viewers of a page, in every language.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import AbstractContextManager, suppress

from starlette.requests import Request
from starlette.responses import StreamingResponse

from web.catalogue import LANGUAGES
from web.sse import Feed

Parts = Mapping[str, Hashable]  # id of an element on the page -> all that its picture depends on
Read = Callable[[], Awaitable[Parts]]
Draw = Callable[[str, str, Hashable], str]  # language, id, model -> HTML of the element with that id
Changed = Callable[[], Awaitable[None]]  # returns when the page may look different; spurious returns are allowed
Listen = Callable[[], AbstractContextManager[Changed]]  # entered before the first look, so that nothing falls in between

log = logging.getLogger(__name__)
LINGER_S = 60.0  # a page was drawn and its stream has not come yet, or the tab is being reloaded
GAP_S = 0.1  # ten looks a second, however much happens
REST = 3.0  # and at least three times as long at rest as at work: a page never takes more than a quarter of a core


class LivePage:
    """One page that somebody looks at."""

    def __init__(self, parts: Parts, read: Read, draw: Draw) -> None:
        self._parts, self._read, self._draw = dict(parts), read, draw
        self._feeds = {language: Feed() for language in LANGUAGES}

    @property
    def watched(self) -> bool:
        """Whether a stream is open in any language."""
        return any(feed.watched for feed in self._feeds.values())

    def position(self, language: str) -> str:
        """What the stream of a page drawn now asks for: everything after this."""
        return self._feeds[language].position

    async def refresh(self) -> int:
        """Look again and publish what differs; return how many parts did. Parts that came or went make every viewer resync."""
        parts = dict(await self._read())
        differing = [part for part, model in parts.items() if self._parts.get(part) != model]
        same_parts = parts.keys() == self._parts.keys()
        self._parts = parts
        for language, feed in self._feeds.items():
            if not same_parts:
                feed.resync()
                continue
            for part in differing:
                feed.publish(part, {"id": part, "html": self._draw(language, part, parts[part])})
        return len(differing)

    def response(self, request: Request, language: str) -> StreamingResponse:
        """Answer the page's EventSource."""
        return self._feeds[language].response(request)

    def close(self) -> None:
        """End the streams; browsers connect again and find the new state by resync."""
        for feed in self._feeds.values():
            feed.close()


class LivePages:
    """The pages of one program that are being looked at, each with one task that ends when nobody looks any more."""

    def __init__(self, *, linger_s: float = LINGER_S) -> None:
        self._open: dict[str, LivePage] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._linger_s = linger_s

    def get(self, path: str) -> LivePage | None:
        """Return the live page of `path` if one is open."""
        return self._open.get(path)

    def open(self, path: str, parts: Parts, read: Read, draw: Draw, listen: Listen) -> LivePage:
        """Return the live page of `path`, started now if nobody looked so far; `parts` is what the page is drawn from."""
        if path not in self._open:
            page = self._open[path] = LivePage(parts, read, draw)
            self._tasks[path] = asyncio.create_task(self._run(path, page, listen), name=f"live {path}")
        return self._open[path]

    async def _run(self, path: str, page: LivePage, listen: Listen) -> None:
        """Refresh whenever something changed, until nobody has looked for a while or a look fails."""
        loop = asyncio.get_running_loop()
        seen_at = loop.time()
        try:
            with listen() as changed:
                await page.refresh()  # what happened between drawing the page and listening
                while loop.time() - seen_at < self._linger_s:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._linger_s / 2):
                            await changed()
                        began = loop.time()
                        await page.refresh()
                        await asyncio.sleep(max(GAP_S, REST * (loop.time() - began)))
                    if page.watched:
                        seen_at = loop.time()
        except Exception:
            log.exception("a live page could not be drawn: its viewers load it again", extra={"page": path})
        finally:
            page.close()
            self._open.pop(path, None)
            self._tasks.pop(path, None)

    async def close(self) -> None:
        """End every stream and task, for shutdown."""
        for task in tuple(self._tasks.values()):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
