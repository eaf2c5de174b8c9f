"""The tables of the box's core, as numbered steps. A step that has been released is never edited: add the next one.

Instants are whole milliseconds since 1970 UTC, device times epoch seconds, bodies JSON text. The journal (mirror, outbox, cursors)
brings its own set of steps: `gateway/sync/journal.py`.
"""

from sqlite_utils import Database, Migrations

CORE = Migrations("core")


def run(db: Database, statements: str) -> None:
    """Execute statements parted by `;` one by one (executescript would end the step's transaction)."""
    for statement in statements.split(";"):
        if statement.strip():
            db.execute(statement)


@CORE(name="001 devices and their events")
def _devices(db: Database) -> None:
    run(
        db,
        """
        CREATE TABLE device (
            name TEXT PRIMARY KEY, health TEXT NOT NULL DEFAULT 'offline', boot_counter INTEGER, log_id INTEGER,
            top_seq INTEGER NOT NULL DEFAULT 0, flags TEXT NOT NULL DEFAULT '[]', battery_percent INTEGER,
            attributes TEXT NOT NULL DEFAULT '{}', changed_at INTEGER, known_at INTEGER
        ) WITHOUT ROWID;
        CREATE TABLE event (
            device TEXT NOT NULL, log_id INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, tq TEXT NOT NULL,
            type TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (device, log_id, seq)
        ) WITHOUT ROWID;
        CREATE TABLE gap (
            device TEXT NOT NULL, log_id INTEGER NOT NULL, after_seq INTEGER NOT NULL, before_seq INTEGER NOT NULL,
            seen_at INTEGER NOT NULL, PRIMARY KEY (device, log_id, before_seq)
        ) WITHOUT ROWID;
        CREATE TABLE memory (device TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (device, key)) WITHOUT ROWID;
        CREATE TABLE stranger (
            transport TEXT NOT NULL, address TEXT NOT NULL, said TEXT NOT NULL, count INTEGER NOT NULL, first_at INTEGER NOT NULL,
            last_at INTEGER NOT NULL, PRIMARY KEY (transport, address)
        ) WITHOUT ROWID
        """,
    )


@CORE(name="002 rights")
def _rights(db: Database) -> None:
    run(
        db,
        """
        CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE credential (
            key_id TEXT PRIMARY KEY, credential_ref INTEGER NOT NULL UNIQUE, stay_id TEXT, staff_id TEXT, lost INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE stay_grant (
            stay_id TEXT NOT NULL, door INTEGER NOT NULL, generation INTEGER NOT NULL, begun INTEGER NOT NULL, closed INTEGER NOT NULL,
            PRIMARY KEY (stay_id, door)
        ) WITHOUT ROWID;
        CREATE TABLE door_floor (door INTEGER PRIMARY KEY, floor INTEGER NOT NULL);
        CREATE TABLE door_right (
            right_ref INTEGER PRIMARY KEY, key_id TEXT NOT NULL, stay_id TEXT, door INTEGER NOT NULL, lock TEXT NOT NULL,
            wanted INTEGER NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL, changed_at INTEGER NOT NULL,
            code TEXT, final TEXT NOT NULL, encoded INTEGER, exposed_until INTEGER, exposure_until INTEGER, alarmed INTEGER NOT NULL
        );
        CREATE INDEX door_right_door ON door_right (door);
        CREATE INDEX door_right_key ON door_right (key_id);
        CREATE TABLE door_block (
            door INTEGER NOT NULL, credential_ref INTEGER NOT NULL, version INTEGER NOT NULL, generation INTEGER NOT NULL,
            until INTEGER NOT NULL, wanted INTEGER NOT NULL, PRIMARY KEY (door, credential_ref)
        ) WITHOUT ROWID;
        CREATE TABLE door_known (
            door INTEGER PRIMARY KEY, held TEXT, said TEXT, generation INTEGER, compared_at INTEGER, agrees INTEGER NOT NULL DEFAULT 0
        )
        """,
    )


@CORE(name="003 commands and jobs")
def _commands(db: Database) -> None:
    run(
        db,
        """
        CREATE TABLE command (
            cmd_id TEXT PRIMARY KEY, device TEXT NOT NULL, op TEXT NOT NULL, issued_at INTEGER NOT NULL, expires_at INTEGER,
            tries INTEGER NOT NULL DEFAULT 0, code TEXT, confirmed TEXT, ended_at INTEGER
        ) WITHOUT ROWID;
        CREATE INDEX command_open ON command (device) WHERE ended_at IS NULL;
        CREATE TABLE job_run (
            job_id TEXT PRIMARY KEY, kind TEXT NOT NULL, target TEXT NOT NULL, args TEXT NOT NULL, by TEXT NOT NULL,
            taken_at INTEGER NOT NULL, state TEXT NOT NULL, code TEXT, result TEXT, ended_at INTEGER
        ) WITHOUT ROWID
        """,
    )


ROOMS = Migrations("rooms")


@ROOMS(name="001 minibars and occupancy")
def _rooms(db: Database) -> None:
    run(
        db,
        """
        CREATE TABLE tenancy (
            room TEXT NOT NULL, stay_id TEXT NOT NULL, start INTEGER NOT NULL, end INTEGER, PRIMARY KEY (room, stay_id, start)
        ) WITHOUT ROWID;
        CREATE INDEX tenancy_stay ON tenancy (stay_id);
        CREATE TABLE bar (device TEXT PRIMARY KEY, slots TEXT NOT NULL, marks TEXT NOT NULL, due INTEGER) WITHOUT ROWID;
        CREATE TABLE bar_take (
            device TEXT NOT NULL, log_id INTEGER NOT NULL, slot INTEGER NOT NULL, removal_no INTEGER NOT NULL, at INTEGER NOT NULL,
            seq INTEGER, back_seq INTEGER, back_after INTEGER, fate TEXT NOT NULL, PRIMARY KEY (device, log_id, slot, removal_no)
        ) WITHOUT ROWID;
        CREATE INDEX bar_take_pending ON bar_take (device) WHERE fate = 'pending';
        CREATE TABLE sight (
            room TEXT PRIMARY KEY, body TEXT NOT NULL, entry_at INTEGER, entry_staff INTEGER, told TEXT NOT NULL DEFAULT '[]',
            compared INTEGER, due INTEGER
        ) WITHOUT ROWID;
        CREATE TABLE wish (
            device TEXT NOT NULL, setting TEXT NOT NULL, wanted TEXT NOT NULL, confirmed TEXT, sent TEXT, refused TEXT, rest_until INTEGER,
            cmd_id TEXT, version INTEGER, issued_at INTEGER, PRIMARY KEY (device, setting)
        ) WITHOUT ROWID
        """,
    )
