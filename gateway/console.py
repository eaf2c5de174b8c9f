"""The box's own pages, JSON for now: how it is, what each door must hold and holds, who was turned away, the digest of the mirror.

Served on loopback only; no guest's name and no secret is in any answer but the desk's (`gateway.desk`), which opens to a PIN.
"""

import sqlite3
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, HTTPException

from gateway import health, ledger
from gateway.desk import front
from gateway.desk.line import unsent
from gateway.rules.book import Right
from gateway.rules.door import resend, steps
from gateway.sync import journal
from host.simulated_clock import SimulatedClock

if TYPE_CHECKING:
    from gateway.app import Parts


def console(parts: "Parts") -> FastAPI:
    """Return the application that `host.serving` serves."""
    app = FastAPI(title="Latchkey gateway", docs_url=None, redoc_url=None, lifespan=front.running)

    @app.get("/health")
    async def health_() -> dict[str, Any]:
        return await box_health(parts)

    @app.get("/devices")
    async def devices() -> list[dict[str, Any]]:
        return await device_list(parts)

    @app.get("/doors")
    async def doors() -> list[dict[str, Any]]:
        numbers = sorted(parts.configuration.doors())
        return await parts.store.read(lambda db: [door(parts, db, number) for number in numbers])

    @app.get("/doors/{number}")
    async def one_door(number: int) -> dict[str, Any]:
        if number not in parts.configuration.doors():
            raise HTTPException(404, f"there is no door {number} in the configuration")
        return await parts.store.read(lambda db: door(parts, db, number))

    _add_lists(app, parts)
    settle, link = parts.minibars.settle_stay, parts.link
    front.attach(app, front.office(parts.store, parts.clock, parts.jobs, parts.units, link=link, enrolled=parts.enrolled, settle=settle))
    return app


def _add_lists(app: FastAPI, parts: "Parts") -> None:
    """Who was turned away, what was dropped, what was asked, and the digest of the mirror."""

    @app.get("/strangers")
    async def strangers() -> list[dict[str, Any]]:
        await parts.drops.flush(parts.store)
        return await parts.store.read(health.strangers)

    @app.get("/drops")
    async def drops() -> list[dict[str, Any]]:
        return parts.drops.as_rows()

    @app.get("/digest")
    async def digest() -> dict[str, Any]:
        if parts.link is not None:
            return asdict(parts.link.agreement())
        return asdict(await parts.store.read(journal.agreement))

    @app.get("/jobs")
    async def jobs() -> list[dict[str, Any]]:
        return await parts.store.read(_jobs)


async def box_health(parts: "Parts") -> dict[str, Any]:
    """Return the whole box in numbers; `status` is ok, or degraded with the reasons in `why`."""
    known, now = await parts.store.read(health.devices), parts.clock.now()
    names = parts.supervisor.handles
    by_health: dict[str, int] = {}
    for name in names:
        state = known.get(name, {}).get("health", "offline")
        by_health[state] = by_health.get(state, 0) + 1
    troubled = parts.reconciler.troubled()
    link = asdict(parts.link.health()) if parts.link is not None else None
    why = [f"door {number} has not agreed for {seconds:.0f} s" for number, seconds in sorted(troubled.items())]
    why += parts.supervisor.buses.trouble()
    why += [f"{count} device(s) {state}" for state, count in sorted(by_health.items()) if state != "online"]
    if link is None or link["state"] != "live":
        why.append(f"central: {link['state'] if link else 'not enrolled'}")
    if parts.store.ballast.dropped:
        why.append("the disk was full: make room and restart the box")
    return {
        "status": "degraded" if why else "ok",
        "why": why,
        "property": parts.configuration.told.property,
        "box": parts.enrolled.box_id if parts.enrolled else None,
        "clock": {
            "now": now,
            "quality": parts.clock.quality,
            "simulated": isinstance(parts.clock, SimulatedClock),
        },
        "link": link,
        "unsent": await parts.store.read(lambda db: unsent(db, now)),
        "open_work": await parts.store.read(health.open_work),
        "store": {"waiting": parts.store.backlog, "set_aside": parts.store.set_aside.name if parts.store.set_aside else None},
        "devices": by_health,
        "doors_in_trouble": {str(number): round(seconds, 1) for number, seconds in sorted(troubled.items())},
        "drops": sum(parts.drops.counts.values()),
        "dropped": parts.drops.as_rows(),
        "strangers_turned_away": parts.drops.turned_away,
    }


async def device_list(parts: "Parts") -> list[dict[str, Any]]:
    """Return every configured device: where it is, how it is, and what its driver says."""
    known = await parts.store.read(health.devices)
    return [
        {
            "name": name,
            "kind": handle.kind,
            "transport": handle.transport,
            "room": parts.units[name].room,
            "door": parts.units[name].door,
            "running": handle.driver is not None,
            "restarts": handle.restarts,
            "why": handle.why,
            "heard_at": parts.engine.heard.get(name),
            **known.get(name, {"health": "offline"}),
        }
        for name, handle in parts.supervisor.handles.items()
    ]


def door(parts: "Parts", db: sqlite3.Connection, number: int) -> dict[str, Any]:
    """Return one door: wanted, known, what it said itself, its rights, and what it still has to be told."""
    configured, page = parts.configuration.doors()[number], ledger.page(db, number)
    on_line = configured.device is not None
    todo = (steps(page.wanted, page.known) if page.known is not None else resend(page.wanted)) if on_line else ()
    return {
        "door": number,
        "lock": configured.kind,
        "device": configured.device,
        "floor": page.wanted.floor,
        "rights": [_right(right) for right in page.rights],
        "blocked": sorted(page.wanted.blocked),
        "known": None
        if page.known is None
        else {"floor": page.known.floor, "rights": sorted(page.known.rights), "blocked": sorted(page.known.blocked)},
        "said": asdict(page.said) if page.said else None,
        "agrees": page.agrees and not todo if on_line else None,
        "compared_at": page.compared_at,
        "todo": [type(op).__name__ for op in todo],
    }


def _right(right: Right) -> dict[str, Any]:
    return {
        "right_ref": right.right_ref,
        "key_id": right.key_id,
        "stay_id": right.stay_id,
        "wanted": right.wanted,
        "state": right.state,
        "code": right.code,
        "generation": right.body.generation,
        "from": right.body.start,
        "until": right.body.until,
        "copy": right.body.copy,
        "version": right.version,
        "credential_ref": right.body.credential_ref,
        "exposure_until": right.exposure_until,
        "since": right.changed_at,
    }


def _jobs(db: sqlite3.Connection) -> list[dict[str, Any]]:
    rows = db.execute("SELECT job_id, kind, target, by, taken_at, state, code, ended_at FROM job_run ORDER BY taken_at DESC LIMIT 50")
    return [
        {
            **{name: row[name] for name in ("job_id", "kind", "target", "by", "state", "code")},
            "taken_at": ledger.instant(row["taken_at"]),
            "ended_at": ledger.instant(row["ended_at"]) if row["ended_at"] is not None else None,
        }
        for row in rows
    ]
