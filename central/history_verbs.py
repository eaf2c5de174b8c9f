"""The verbs that take in the past and report on it."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from central.terminal import Config, Json, said, work

if TYPE_CHECKING:
    from central.channels.history import Report
    from central.services import Services

import_cli = typer.Typer(no_args_is_help=True, help="Take in what other systems kept.")
report_cli = typer.Typer(no_args_is_help=True, help="Reports.")

Property = Annotated[str, typer.Option("--property", help="Its slug.")]
SHOWN = 20  # refusals that a person sees; --json has all of them


@import_cli.callback()
def _imports() -> None:
    """Keep `bookings` a word of its own."""


@report_cli.callback()
def _reports() -> None:
    """Keep `nights` a word of its own."""


@import_cli.command("bookings")
def import_bookings(file: Path, slug: Property, config: Config = None, as_json: Json = False) -> None:
    """Take the bookings of FILE (CSV, or gzip) of the hotel of the property's name in as history. A second run changes nothing."""
    from central.channels.hotel_bookings import Unreadable
    from host.exits import HostError

    async def act(services: "Services") -> "Report":
        from rich.progress import Progress

        from central.channels.history import import_bookings as take_in

        with Progress(disable=as_json, transient=True) as progress:
            bar = progress.add_task(f"{slug}: bookings", total=None)
            return await take_in(services, slug, file, lambda done, whole: progress.update(bar, completed=done, total=whole))

    try:
        report = work(config, act, shipped=True)
    except OSError as why:
        raise HostError(f"{file}: {why.strerror}", "Give the name of a bookings file") from why
    except Unreadable as why:
        raise HostError(str(why), "Give a file of this format") from why
    said({"property": slug, "file": file.name} | report.as_dict(), as_json, told(slug, report))


def told(slug: str, report: "Report") -> str:
    """Return an import in words, with the first refusals."""
    ours = f"{slug}: {report.stored} stored, {report.known} known already, {len(report.refused)} refused"
    counts = f"{ours}; {report.other_hotel} lines are of the other hotel"
    refusals = [f"  line {one.line}: {one.reason}" for one in report.refused[:SHOWN]]
    more = [f"  … and {len(report.refused) - SHOWN} more (--json lists all)"] if len(report.refused) > SHOWN else []
    return "\n".join([counts, *refusals, *more])


@report_cli.command("nights")
def report_nights(
    slug: Property,
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List nights sold and room revenue for every day of a period; a night counts on the day on which it begins."""

    async def act(services: "Services") -> list[tuple[Any, ...]]:
        from central.reports import nights

        period = nights.Period(first.date(), last.date())
        return await services.store.read(lambda conn: nights.rows(conn, slug, period))

    rows = work(config, act, shipped=True)
    table = [{"day": day.isoformat(), "nights_sold": sold, "room_revenue_minor": revenue} for day, sold, revenue in rows]
    said(table, as_json, "\n".join(f"{row['day']}  {row['nights_sold']:5}  {row['room_revenue_minor'] / 100:12.2f}" for row in table))
