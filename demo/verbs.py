"""The verbs of `latchkey-demo`."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="A whole hotel in software: broker, central, the box and its devices.", no_args_is_help=True, add_completion=False)
Folder = Annotated[
    Path | None, typer.Option("--home", help="Where the hotel keeps everything (default: the folder demo in LATCHKEY_HOME).")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.callback()
def _verbs() -> None:
    """Keep each verb a word of its own, also while there is only one."""


@app.command()
def run(folder: Folder = None, as_json: AsJson = False) -> None:
    """Start a hotel of 24 rooms, open its first doors, and keep it up until Ctrl-C."""
    asyncio.run(_run(_home(folder), as_json))


def _home(folder: Path | None) -> Path:
    from host.home import home

    return folder or home().root / "demo"


async def _run(folder: Path, as_json: bool) -> None:
    from demo.run import run_hotel

    def say(line: str, **told: Any) -> None:
        print(json.dumps({"say": line, **told}, ensure_ascii=False) if as_json else line, flush=True)

    running = asyncio.create_task(run_hotel(folder, say))
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        say("all of it is stopped")
