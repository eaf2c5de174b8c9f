"""The verbs of `latchkey-sim`: run a hotel of devices, or lend a hand in one that runs."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from firmware_sim.remote import ask

DEFAULT_URL = "http://127.0.0.1:8803"
Url = Annotated[str, typer.Option(help="Address of the simulator's control API.", envvar="LATCHKEY_SIM_URL")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on one line.")]
Config = Annotated[Path | None, typer.Option(help="The hotel's file; default LATCHKEY_HOME/hotel.yaml.")]
Words = Annotated[list[str] | None, typer.Argument(help="name=value …; values are JSON or plain words.")]
CardId = Annotated[str, typer.Option(help="Id of a card, such as C1.")]

app = typer.Typer(
    help="A whole hotel of simulated locks, encoders, minibars and room controllers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # help without rich is there twice as soon
)


@app.command()
def run(config: Config = None, ready: bool = False) -> None:
    """Serve the hotel of FILE until Ctrl-C. With --ready print one JSON line once everything answers."""
    from firmware_sim.run import run as serve
    from firmware_sim.settings import load
    from host.home import home

    here = home().prepared()
    serve(load(config or here.config / "hotel.yaml"), here, ready)


@app.command()
def keys(config: Config = None) -> None:
    """Make keys for the devices of FILE that have none, and a K_card, in LATCHKEY_HOME/keys."""
    from firmware_sim.hotel import make_keys
    from firmware_sim.settings import load
    from host.home import home

    here = home().prepared()
    make_keys(here, load(config or here.config / "hotel.yaml"))


@app.command()
def hand(device: str, gesture: str, words: Words = None, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Do any gesture: latchkey-sim hand bar-201 remove slot=3."""
    _post(url, f"/sim/devices/{device}/{gesture}", _pairs(words or []), as_json)


@app.command()
def tap(device: str, card: CardId, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Hold a card to a lock."""
    _post(url, f"/sim/devices/{device}/tap", {"card": card}, as_json)


@app.command()
def lay(device: str, card: CardId, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Lay a card on an encoder."""
    _post(url, f"/sim/devices/{device}/lay_card", {"card": card}, as_json)


@app.command()
def lift(device: str, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Lift the card from an encoder."""
    _post(url, f"/sim/devices/{device}/lift_card", {}, as_json)


@app.command()
def faults(device: str, words: Words = None, clear: bool = False, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Turn fault knobs: latchkey-sim faults lock-201 drop=0.2 reply=none. KNOB=null clears one, --clear all."""
    body = _pairs(words or [])
    _post(url, f"/sim/devices/{device}/faults", {**body, "clear": True} if clear else body, as_json)


@app.command()
def devices(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List all devices and how they are."""
    rows = ask(url, "GET", "/sim/devices")
    columns = ("id", "class", "binding", "link", "boot_counter", "unacknowledged")
    _told(rows, as_json, columns, [[str(row[name]) for name in columns] for row in rows])


@app.command()
def cards(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the cards in the drawer."""
    rows = ask(url, "GET", "/sim/cards")
    _told(rows, as_json, ("id", "kind", "says"), [[row["id"], row["kind"], _says(row)] for row in rows])


@app.command()
def card(name: str | None = None, kind: str = "rfid48", url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Take a new blank card."""
    _post(url, "/sim/cards", {"kind": kind, **({"id": name} if name else {})}, as_json)


@app.command()
def truth(device: str | None = None, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show what really happened: openings, stock, presence."""
    told = ask(url, "GET", "/sim/truth")
    _told(told if device is None else {device: told.get(device)}, as_json)


@app.command()
def trace(after: int = 0, url: Url = DEFAULT_URL) -> None:
    """Show what happened in the simulator, in order, one JSON object a line."""
    for entry in ask(url, "GET", f"/sim/trace?after={max(after, 0)}"):
        typer.echo(json.dumps(entry, ensure_ascii=False))


@app.command()
def clock(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show the hotel's time."""
    _told(ask(url, "GET", "/clock"), as_json)


@app.command()
def step(seconds: float, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Move time forward; returns when every program that follows has caught up."""
    _post(url, "/clock/step", {"seconds": seconds}, as_json)


@app.command()
def rate(times: float, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Let time run this many times as fast; 0 stands still."""
    _post(url, "/clock/rate", {"rate": times}, as_json)


def _post(url: str, path: str, body: dict[str, Any], as_json: bool) -> None:
    _told(ask(url, "POST", path, body), as_json)


def _told(value: Any, as_json: bool, columns: tuple[str, ...] = (), rows: list[list[str]] | None = None) -> None:
    """Print an answer: JSON on one line, a table, or lines of `name: value`."""
    if as_json:
        typer.echo(json.dumps(value, ensure_ascii=False))
    elif rows is not None:
        widths = [max(len(row[at]) for row in [list(columns), *rows]) for at in range(len(columns))]
        for row in [list(columns), *rows]:
            typer.echo("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())
    else:
        for name, held in value.items():
            typer.echo(f"{name}: {held if isinstance(held, str) else json.dumps(held, ensure_ascii=False)}")


def _says(row: dict[str, Any]) -> str:
    fields = row.get("fields")
    if fields is None:
        return "blank" if row["blank"] else "unreadable"
    return f"door {fields['door_first']} ref {fields['credential_ref']}{'' if row['authentic'] else ' (not of this hotel)'}"


def _pairs(words: list[str]) -> dict[str, Any]:
    """`slot=3 on=true card=C1` as an object; a value that is no JSON is text."""
    pairs: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{word!r} is not name=value")
        try:
            pairs[name] = json.loads(value)
        except ValueError:
            pairs[name] = value
    return pairs
