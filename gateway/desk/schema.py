"""The desk's own tables, as numbered steps: tries of PINs, forms that were sent, when central was last heard."""

from sqlite_utils import Database, Migrations

STEPS = Migrations("desk")


@STEPS(name="001 tries, forms, last heard")
def _tables(db: Database) -> None:
    db.execute("CREATE TABLE desk_tries (staff_id TEXT PRIMARY KEY, failures INTEGER NOT NULL, last INTEGER NOT NULL) WITHOUT ROWID")
    db.execute("CREATE TABLE desk_form (form_key TEXT PRIMARY KEY, answer TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID")
    db.execute("CREATE TABLE desk_heard (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL)")
