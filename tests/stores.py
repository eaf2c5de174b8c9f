"""Databases for tests: each test of central runs on SQLite and on PostgreSQL, each time on a fresh one made from a template.

A conftest takes the fixtures in: `from tests.stores import address, postgresql_server, postgresql_template, sqlite_template, store`.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy.engine import URL

from central.configuration import database_url
from central.store import migrations
from central.store.database import Store
from tests.lanes import postgresql

CHOSEN_FROM: pytest.StashKey[Counter[str]] = pytest.StashKey()  # how many tests there are for each database
DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=", "max_connections=60", "shared_buffers=16MB")
START_LIMIT_S = 60  # two cores shared with seven others


def _account() -> str | None:
    """PostgreSQL refuses to run as root: then it runs as somebody harmless."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


class Server:
    """One PostgreSQL server on a unix socket in a folder of its own."""

    def __init__(self, programs: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="latchkey-pg-"))
        self.user = _account()
        if self.user is not None:
            self.folder.chmod(0o755)
            shutil.chown(self.folder, self.user)
        data = self.folder / "data"
        options = ["--no-sync", "--auth=trust", "--username=latchkey", "--encoding=UTF8", "--no-locale", f"--pgdata={data}"]
        subprocess.run([programs / "initdb", *options], user=self.user, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)
        words = [word for setting in SETTINGS for word in ("-c", setting)]
        self._log = (self.folder / "server.log").open("wb")
        self._process = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", self.folder, *words],
            user=self.user,
            stderr=self._log,
            stdout=self._log,
            cwd=self.folder,
        )
        self._made = 0
        self._free: list[str] = []
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                self.run("SELECT 1")
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def run(self, statement: str) -> None:
        """Run one statement on the maintenance database, outside a transaction."""
        with psycopg.connect(host=str(self.folder), user="latchkey", dbname="postgres", autocommit=True) as conn:
            conn.execute(statement.encode())

    def url(self, name: str) -> URL:
        """The address of one database of this server."""
        return database_url(f"postgresql://latchkey@/{name}?host={self.folder}")

    def fresh(self, template: str) -> str:
        """Return an empty, migrated database: one that was given back, or a copy of `template`."""
        if self._free:
            return self._free.pop()
        self._made += 1
        name = f"t{self._made}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def give_back(self, name: str) -> None:
        """Empty a database for the next test, eight times quicker than a new one; one that somebody still holds is dropped."""
        try:
            with psycopg.connect(host=str(self.folder), user="latchkey", dbname=name, autocommit=True) as conn:
                tables = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'")
                deletes = "; ".join(f'DELETE FROM "{row[0]}"' for row in tables)
                words = f"BEGIN; SET LOCAL lock_timeout = '2s'; SET LOCAL session_replication_role = replica; {deletes}; COMMIT"
                conn.execute(words.encode())
        except psycopg.Error:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")
        else:
            self._free.append(name)

    def stop(self) -> None:
        """End the server at once and remove its folder."""
        self._process.send_signal(3)  # SIGQUIT: nothing here is worth a checkpoint
        self._process.wait()
        self._log.close()
        shutil.rmtree(self.folder)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """One server for the tests of this process; started by the first that needs it."""
    programs = postgresql()
    if programs is None:
        pytest.skip("postgresql is not installed")
    server = Server(programs)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: Server) -> str:
    """A migrated database that others are copied from."""
    postgresql_server.run("CREATE DATABASE latchkey_template TEMPLATE template0")
    migrations.upgrade(postgresql_server.url("latchkey_template"))
    return "latchkey_template"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file that others are copied from."""
    path = tmp_path_factory.mktemp("template") / "central.db"
    migrations.upgrade(database_url(f"sqlite:///{path}"))
    return path


@pytest.fixture(params=DATABASES)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """The address of a fresh, migrated database; a test that takes it runs on both products."""
    if request.param == "sqlite":
        path = tmp_path / "central.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield database_url(f"sqlite:///{path}")
        return
    server: Server = request.getfixturevalue("postgresql_server")
    name = server.fresh(request.getfixturevalue("postgresql_template"))
    yield server.url(name)
    server.give_back(name)


@pytest_asyncio.fixture
async def store(address: URL) -> AsyncIterator[Store]:
    """An open store on a fresh database."""
    opened = Store(address)
    yield opened
    opened.close()
