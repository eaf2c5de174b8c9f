"""What every verb of central needs: its common options, how it answers, and an open store to work in."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from central.services import Services

Config = Annotated[Path | None, typer.Option("--config", help="central.yaml; by default the one in LATCHKEY_HOME, if there is one.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Slug = Annotated[str | None, typer.Option("--property", help="Its slug; not needed while there is only one.")]


def said(told: Any, as_json: bool, text: str) -> None:
    """Print an answer for a program or for a person."""
    import json

    typer.echo(json.dumps(told, ensure_ascii=False, default=str) if as_json else text)


def configured(config: Path | None) -> Any:
    """Return (configuration, its document or None, the home)."""
    from central.configuration import CentralConfiguration
    from host.configuration import read
    from host.home import home

    place = home()
    file = config or place.config / "central.yaml"
    if config is None and not file.exists():
        return CentralConfiguration(), None, place
    document = read(file)
    return document.check(CentralConfiguration), document, place


def work(config: Path | None, act: "Callable[[Services], Awaitable[Any]]", *, shipped: bool = False) -> Any:
    """Open the store, run `act`, close; a Problem becomes a refusal (exit 5)."""
    import asyncio

    from central.app import database_of, open_store
    from central.problems import Problem
    from central.services import Services
    from host.clock import SystemClock
    from host.exits import Refused
    from host.logs import start_logging

    start_logging()
    configuration, _, place = configured(config)
    address = database_of(configuration, place)

    async def run() -> Any:
        clock = SystemClock()
        store, vault = await open_store(address, place, clock.now(), shipped=shipped)
        try:
            return await act(Services(store, vault, clock))
        except Problem as problem:
            raise Refused(problem.what.rstrip("."), problem.remedy) from problem
        finally:
            await asyncio.to_thread(store.close)

    return asyncio.run(run())
