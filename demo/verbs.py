"""The verbs of `latchkey-demo`."""

import asyncio
import json
import signal
import sys
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


@app.command()
def day(
    start: Annotated[bool, typer.Option("--start", help="Start a fresh hotel for it, also when one is running.")] = False,
    seed: Annotated[int, typer.Option(help="Of the simulator that is started: the same seed, the same devices.")] = 7,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Run one day of the hotel, on line and off line, and check each answer against what really happened. Exit code 1 when one is wrong."""
    from demo.scenarios.day import run_day

    def say(line: str, **told: Any) -> None:
        print(json.dumps({"say": line, **told}, ensure_ascii=False) if as_json else line, flush=True)

    told = asyncio.run(run_day(_home(folder), start=start, seed=seed, say=say))
    complaint = told.pop("complaint")
    print(json.dumps(told, ensure_ascii=False, default=str) if as_json else _summary(told), flush=True)
    if complaint:
        print(complaint, file=sys.stderr)
    raise typer.Exit(0 if told["ok"] else 1)


def _summary(told: dict[str, Any]) -> str:
    good = sum(check["ok"] for check in told["checks"])
    return f"{good} of {len(told['checks'])} checks hold, {told['seconds']} s: {'a good day' if told['ok'] else 'not a good day'}"


@app.command()
def acts() -> None:
    """List the acts that a scenario file can use."""
    import inspect

    from demo.scenarios import checks  # noqa: F401 - its acts are known once it is imported
    from demo.scenarios.acts import ACTS

    for name, act in sorted(ACTS.items()):
        takes = ", ".join(list(inspect.signature(act).parameters)[1:])
        print(f"{name}({takes})\n    {(act.__doc__ or '').splitlines()[0]}")
