"""The command line of the box. Verbs import what they need when they run, so that --help is quick; every verb has --json."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from host.exits import HostError, Misconfigured, Unreachable, guarded

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The box in the hotel: locks, encoders, minibars, sensors.")
device_app = typer.Typer(no_args_is_help=True, help="Keys of devices.")
app.add_typer(device_app, name="device")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="gateway.yaml; without it the one in LATCHKEY_HOME", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object")]
ASK_LIMIT_S = 5.0


@app.command()
def run(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Run the box until Ctrl-C or SIGTERM."""
    import asyncio
    import os

    from gateway import app as program
    from gateway.configuration import load
    from host.home import home
    from host.logs import start_logging

    start_logging(as_json=as_json, debug=bool(os.environ.get("LATCHKEY_DEBUG")))
    where = home()
    configuration = load(_config(config))
    asyncio.run(program.run(configuration, where, lambda line: _say({"said": line}, f"latchkey-gateway: {line}", as_json)))


@app.command()
def check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Read the configuration and the keys and say what is wrong with them; touch nothing."""
    from gateway.configuration import load
    from gateway.keys import DEVICES, Keys
    from host.home import home

    configuration, place = load(_config(config)), home()
    held = set(Keys(place).devices())
    missing = [device.name for device in configuration.told.devices if device.name not in held]
    if missing:
        raise Misconfigured(f"{place.keys / DEVICES}: no key for {', '.join(missing)}", "Make them with: latchkey-gateway device add NAME")
    told = configuration.told
    numbers = {"devices": len(told.devices), "doors": len(configuration.doors()), "property": told.property}
    _say(numbers, f"{configuration.file} is in order: {numbers['devices']} devices, {numbers['doors']} doors", as_json)


@app.command()
def enrol(
    file: Annotated[Path, typer.Argument(help="The file that `latchkey-central gateway add` wrote")], as_json: JsonOption = False
) -> None:
    """Make this the box of a property. The file holds secrets: delete it afterwards."""
    from gateway.keys import Keys
    from host.home import home

    done = Keys(home()).enrol(file)
    _say({"box_id": done.box_id, "property": done.slug}, f"this is now box {done.box_id} of {done.slug}; delete {file}", as_json)


@device_app.command("add")
def device_add(names: Annotated[list[str], typer.Argument(help="As in gateway.yaml")], as_json: JsonOption = False) -> None:
    """Make the key and broker password of one or more devices. They are shown once, as text and as a QR code for the commissioning tool."""
    from gateway.configuration import NAME
    from gateway.keys import Keys
    from host.home import home

    for name in names:
        if not NAME.fullmatch(name):
            raise HostError(f"{name!r} is no name of a device", "Use small letters, digits and hyphens, at most 48")
    made = [Keys(home()).add_device(name) for name in names]
    if as_json:
        print(json.dumps(made))
        return
    import segno

    for one in made:
        print(f"{one['name']}: shown once. K_dev {one['k_dev']}, broker password {one['mqtt_password']}")
        segno.make(json.dumps(one, separators=(",", ":"))).terminal(compact=True)


@app.command()
def health(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """How the running box is."""
    said = _ask(config, "/health")
    lines = [f"{said['property']}: {said['status']}", *(f"  {why}" for why in said["why"])]
    _say(said, "\n".join(lines), as_json)


@app.command()
def doors(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """What each door must hold and whether it does."""
    said = _ask(config, "/doors")
    lines = [_door_line(door) for door in said]
    _say(said, "\n".join(lines), as_json)


@app.command()
def digest(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """The digest of the mirror: central's must be the same at the same numbers."""
    said = _ask(config, "/digest")
    lines = [
        f"feed {said['feed_seq']}",
        *(f"{kind:<12}{of['count']:>6}  {of['sha256'][:16]}" for kind, of in sorted(said["kinds"].items())),
    ]
    _say(said, "\n".join(lines), as_json)


@app.command()
def doctor(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Look at configuration, keys, store, broker and the running box, and say what to do. Exit code 1 when something is wrong."""
    from gateway.doctor import examine
    from host.home import home

    findings = examine(_config(config), home(), lambda path: _ask(config, path))
    lines = [f"{'ok  ' if found.ok else 'BAD '} {found.what}{'' if found.ok else ' - ' + found.remedy}" for found in findings]
    _say([found.as_row() for found in findings], "\n".join(lines), as_json)
    if not all(found.ok for found in findings):
        raise typer.Exit(1)


def _door_line(door: dict[str, Any]) -> str:
    keys = [right for right in door["rights"] if right["wanted"]]
    if door["device"] is None:
        return f"door {door['door']:<6} card only     {len(keys)} key(s)"
    word = "as it must be" if door["agrees"] else f"to do: {', '.join(door['todo']) or 'compare'}"
    return f"door {door['door']:<6} {door['device']:<13} {len(keys)} key(s), {word}"


def _config(told: Path | None) -> Path:
    from host.home import home

    return told if told is not None else home().config / "gateway.yaml"


def _ask(config: Path | None, path: str) -> Any:
    """Ask the running box on the address that its configuration names."""
    import http.client

    from gateway.configuration import load

    listen = load(_config(config)).told.listen
    line = http.client.HTTPConnection(listen.host, listen.port, timeout=ASK_LIMIT_S)
    try:
        line.request("GET", path)
        answer = line.getresponse()
        body = json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unreachable(f"no box answers at {listen.host}:{listen.port}", "Start it with: latchkey-gateway run") from error
    finally:
        line.close()
    if answer.status != 200:
        raise HostError(f"the box answered {answer.status} to {path}", str(body.get("detail", "")))
    return body


def _say(value: Any, words: str, as_json: bool) -> None:
    print(json.dumps(value, default=str) if as_json else words, flush=True)


@guarded
def main() -> int:
    """Run one verb and return the exit code."""
    try:
        app(prog_name="latchkey-gateway")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    return 0


if __name__ == "__main__":
    sys.exit(main())
