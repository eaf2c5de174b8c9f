"""Central's pages: room board, day lists, one order; drawn on the server, live by events, usable without JavaScript."""

from fastapi import FastAPI

import web
from central.pages import acts, frame, sight


def attach(app: FastAPI) -> None:
    """Give central its pages, the static files and the headers that every answer carries. Needs `app.state.services` when it serves."""
    app.state.pages = frame.make()
    app.include_router(acts.router)
    app.include_router(sight.router)
    web.attach(app)


async def close(app: FastAPI) -> None:
    """End the event streams; call it before the store is closed."""
    pages: frame.Pages = app.state.pages
    await pages.live.close()
