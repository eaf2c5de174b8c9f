"""Central's verbs. Libraries are imported by the verb that needs them, so that --help is quick.

Exit codes: 0 ok, 1 failed, 2 usage, 3 configuration, 4 unreachable, 5 refused. Every verb has --json.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from central.history_verbs import import_cli, report_cli
from central.terminal import Config, Json, Slug, configured, said, work
from host.exits import guarded

if TYPE_CHECKING:
    from central.services import Services
    from central.sync.enrolment import BoxState

cli = typer.Typer(  # plain help: rich costs a third of the time until it stands
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Central: orders, rooms, bills and keys.",
)
property_cli = typer.Typer(no_args_is_help=True, help="Properties.")
gateway_cli = typer.Typer(no_args_is_help=True, help="The boxes of the properties.")
staff_cli = typer.Typer(no_args_is_help=True, help="People who sign in.")
token_cli = typer.Typer(no_args_is_help=True, help="Tokens of channels and programs.")
order_cli = typer.Typer(no_args_is_help=True, help="Orders.")
GROUPS = {
    "property": property_cli, "gateway": gateway_cli, "staff": staff_cli, "token": token_cli, "order": order_cli, "import": import_cli,
    "report": report_cli,
}  # fmt: skip
for name, group in GROUPS.items():
    cli.add_typer(group, name=name)


@cli.command()
def run(config: Config = None, as_json: Json = False) -> None:
    """Serve until Ctrl-C. An empty LATCHKEY_HOME is made ready first."""
    import asyncio
    import os
    import signal

    from central.app import Central
    from host.logs import start_logging
    from host.notify import Notifier

    start_logging(as_json=as_json, debug=bool(os.environ.get("LATCHKEY_DEBUG")))
    configuration, document, place = configured(config)

    async def serve() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
        program = Central(configuration, place, document)
        serving = await program.start()
        notifier = Notifier()
        notifier.ready(serving.url)
        said({"url": serving.url}, as_json, f"central serves at {serving.url}")
        stopped = asyncio.create_task(ended.wait())
        await asyncio.wait({stopped, serving.ended}, return_when=asyncio.FIRST_COMPLETED)
        notifier.stopping()
        await program.stop()

    asyncio.run(serve())


@cli.command()
def migrate(config: Config = None, as_json: Json = False) -> None:
    """Bring the database to this program's version. Make a copy of it before."""
    from central.app import database_of
    from central.store import migrations
    from central.store.database import opening

    configuration, _, place = configured(config)
    address = database_of(configuration, place)
    with opening(address):
        before, after = migrations.upgrade(address)
    said({"before": before, "after": after}, as_json, f"database: {before or 'empty'} -> {after}")


@property_cli.command("load")
def property_load(file: Path, config: Config = None, as_json: Json = False) -> None:
    """Load or update a property from its YAML file."""
    from central.rooms.property_file import read_property

    told = read_property(file)

    async def act(services: "Services") -> bool:
        return await load(services, told)

    new = work(config, act)
    said({"property": told.slug, "new": new, "rooms": len(told.rooms)}, as_json, f"{told.slug}: {len(told.rooms)} rooms")


async def load(services: "Services", told: Any) -> bool:
    """Load one property that was read."""
    from central.rooms.loading import load_property

    return await services.store.write(lambda conn: load_property(conn, told, "system", services.clock.now(), services.vault))


async def only(services: "Services", slug: str | None) -> str:
    """Return the property that is meant; raise Refused when that is not clear."""
    from central.rooms.house import all_properties
    from host.exits import Refused

    known = await services.store.read(all_properties)
    if slug is None and len(known) == 1:
        return known[0]
    if slug not in known:
        raise Refused(
            f"no property {slug!r}" if slug else "there is not exactly one property", f"Say --property {'|'.join(known) or 'SLUG'}"
        )
    return slug


@gateway_cli.command("add")
def gateway_add(
    out: Annotated[Path, typer.Option("--out", help="The enrolment file to write: secrets, for the box only.")],
    slug: Slug = None,
    url: Annotated[str | None, typer.Option("--url", help="Where the box finds central.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add a box and write its enrolment file, once."""
    configuration = configured(config)[0]
    where = url or f"http://{configuration.listen.host}:{configuration.listen.port}"

    async def act(services: "Services") -> dict[str, Any]:
        return await add_box(services, await only(services, slug), where, out)

    made = work(config, act, shipped=True)
    said(made, as_json, f"box {made['box_id']} of {made['property']}: {out}")


async def add_box(services: "Services", slug: str, url: str, out: Path) -> dict[str, Any]:
    """Make a box and write its enrolment file for the owner only; return what may be shown."""
    import json

    from central.sync.enrolment import add_box as make
    from host.home import write_whole

    content = await services.change(slug, "system", make, url)
    write_whole(out, json.dumps(content, indent=1).encode() + b"\n", mode=0o600)
    return {"box_id": content["box_id"], "property": slug, "file": str(out)}


@gateway_cli.command("list")
def gateway_list(slug: Slug = None, config: Config = None, as_json: Json = False) -> None:
    """List the boxes of a property."""
    from dataclasses import asdict

    from central.sync.enrolment import boxes

    async def act(services: "Services") -> "list[BoxState]":
        meant = await only(services, slug)
        return await services.store.read(lambda conn: boxes(conn, meant))

    found = [asdict(box) for box in work(config, act, shipped=True)]
    said(found, as_json, "\n".join(f"{box['box_id']}  heard {box['heard_at'] or 'never'}" for box in found) or "no box")


@staff_cli.command("add")
def staff_add(
    name: Annotated[str, typer.Option("--name", help="The login; with capitals it is also the name on pages.")],
    role: Annotated[list[str], typer.Option("--role", help="manager, desk, housekeeping or engineer; may be repeated.")],
    language: Annotated[str, typer.Option("--language")] = "en",
    slug: Slug = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add somebody who signs in; password and PIN are printed once."""

    async def act(services: "Services") -> dict[str, Any]:
        return await add_person(services, await only(services, slug), name, role, language)

    made = work(config, act, shipped=True)
    said(made, as_json, f"user {made['user']}\npassword {made['password']}\nPIN {made['pin']}\nThey are shown once.")


async def add_person(services: "Services", slug: str, login: str, roles: list[str], language: str) -> dict[str, Any]:
    """Add a member of staff and return login, password and PIN."""
    from central.staff.people import add_staff, credentials, pin_key

    k_pin = await services.change(slug, "system", pin_key)
    given = credentials(login, k_pin)
    staff_id = await services.change(slug, "system", add_staff, given, login.title(), roles, language)
    return {"staff_id": staff_id, "property": slug, "user": login, "password": given.password, "pin": given.pin}


@token_cli.command("add")
def token_add(
    scope: Annotated[list[str], typer.Option("--scope", help="channel, desk or manager; may be repeated.")],
    name: Annotated[str | None, typer.Option("--name", help="By default one is made up.")] = None,
    channel: Annotated[str | None, typer.Option("--channel", help="Bind the token to this channel's orders.")] = None,
    slug: Slug = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add an API token; it is printed once."""

    async def act(services: "Services") -> dict[str, Any]:
        return await add_token(services, await only(services, slug), name, scope, channel)

    made = work(config, act, shipped=True)
    said(made, as_json, f"token {made['name']}: {made['token']}\nIt is shown once.")


async def add_token(services: "Services", slug: str, name: str | None, scopes: list[str], channel: str | None = None) -> dict[str, Any]:
    """Add a token and return it."""
    import secrets

    from central.staff.people import add_token as make

    called = name or f"{scopes[0]}-{secrets.token_hex(3)}"
    return {"name": called, "property": slug, "token": await services.change(slug, "system", make, called, scopes, channel)}


@cli.command()
def prepare(
    property_file: Annotated[Path, typer.Option("--property", help="The property's YAML file.")],
    gateway_out: Annotated[Path | None, typer.Option("--gateway-out", help="Also add a box and write its enrolment file here.")] = None,
    staff: Annotated[str | None, typer.Option("--staff", help="Also add this member of staff.")] = None,
    role: Annotated[str, typer.Option("--role")] = "manager",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a whole property ready in one go: tables, rooms, a box, somebody who signs in, a token for programs of the desk."""
    from central.rooms.property_file import read_property

    told = read_property(property_file)
    configuration = configured(config)[0]
    url = f"http://{configuration.listen.host}:{configuration.listen.port}"

    async def act(services: "Services") -> dict[str, Any]:
        made: dict[str, Any] = {"property": told.slug, "new": await load(services, told)}
        if gateway_out is not None:
            made["gateway"] = await add_box(services, told.slug, url, gateway_out)
        if staff is not None:
            person = await add_person(services, told.slug, staff, [role], "en")
            made |= {"login": {"user": person["user"], "password": person["password"]}, "pin": person["pin"]}
        made["token"] = (await add_token(services, told.slug, None, ["desk"]))["token"]
        return made

    made = work(config, act)
    lines = [f"property {told.slug}", *(f"{key}: {value}" for key, value in made.items() if key != "property")]
    said(made, as_json, "\n".join(lines))


@order_cli.command("list")
def order_list(limit: int = 20, slug: Slug = None, config: Config = None, as_json: Json = False) -> None:
    """List the newest orders; guests are not named."""
    from central.bookings.views import order_page

    async def act(services: "Services") -> list[dict[str, Any]]:
        meant = await only(services, slug)
        page = await services.store.read(lambda conn: order_page(conn, services.vault, meant, limit))
        return [{"number": one.number, "channel": one.channel, "reference": one.channel_reference, "status": one.status} for one in page]

    found = work(config, act, shipped=True)
    said(found, as_json, "\n".join("  ".join(row.values()) for row in found) or "no orders")


@guarded
def main() -> None:
    """The console script."""
    cli()


if __name__ == "__main__":
    raise SystemExit(main())
