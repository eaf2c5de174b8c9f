"""Central's pages: the day, room board, lists, one order, its folio; drawn on the server, live by events, usable without JavaScript."""

from fastapi import FastAPI

import web
from central.pages import acts, folio, frame, orders, sight, today


def attach(app: FastAPI) -> None:
    """Give central its pages, the static files and the headers that every answer carries. Needs `app.state.services` when it serves."""
    app.state.pages = frame.make()
    app.include_router(acts.router)
    for page in (today, orders, folio, sight):  # the day lists of sight take whatever name is left
        app.include_router(page.router)
    web.attach(app)


async def close(app: FastAPI) -> None:
    """End the event streams; call it before the store is closed."""
    pages: frame.Pages = app.state.pages
    await pages.live.close()
