"""Migrations: bringing a database to the tables that this program was written for, and knowing whether it is there."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect
from sqlalchemy.engine import URL

from central.store import postgresql, sqlite

SCHEMA = Path(__file__).parent / "schema"


def _config(conn: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCHEMA).replace("%", "%%"))
    config.attributes["connection"] = conn
    return config


def newest() -> str:
    """Return the version that this program was written for."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError(f"no migrations in {SCHEMA}")
    return head


def version(conn: Connection) -> str | None:
    """Return the version of the database, None for an empty one."""
    return MigrationContext.configure(conn).get_current_revision()


def is_empty(conn: Connection) -> bool:
    """Whether the database holds no table at all."""
    return not inspect(conn).get_table_names()


def upgrade(url: URL) -> tuple[str | None, str]:
    """Bring the database at `url` to the newest version in one transaction; return the versions before and after.

    May be repeated, also by two processes at once. On SQLite it waits for the lock file, like every writer.
    """
    if url.get_backend_name() == "sqlite":
        path = Path(str(url.database))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        lock = sqlite.FileLock(url)
        engine = sqlite.writer(url)
        with lock, engine.begin() as conn:
            before = _upgrade(conn)
        lock.close()
    else:
        engine = postgresql.writer(url)
        with engine.begin() as conn:
            conn.exec_driver_sql("SELECT pg_advisory_xact_lock(742001)")  # any number, the same in every process of ours
            before = _upgrade(conn)
    engine.dispose()
    return before, newest()


def _upgrade(conn: Connection) -> str | None:
    before = version(conn)
    command.upgrade(_config(conn), "head")
    return before
