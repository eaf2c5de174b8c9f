"""The program itself: its verbs, an empty home, a simulated clock, and what it says when something is wrong."""

import asyncio
import contextlib
import io
import json
import logging
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from central.app import Central, open_store, shipped_properties
from central.cli import main
from central.configuration import CentralConfiguration, ClockSection, Listen, database_url
from central.rooms.house import all_properties, read_house
from central.store.vault import Unreadable, Vault
from host.configuration import ConfigurationError, read
from host.exits import HostError
from host.home import Home
from tests.central.hotel import NOON
from tests.stores import Server

DEMO = Path("configs/properties/demo.yaml")


@dataclass(frozen=True)
class Ended:
    """How a verb ended and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def verb(home: Path, *words: str) -> Ended:
    """Run a verb of central in `home`, in this process: a start costs a second."""
    root, out, err = logging.getLogger(), io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["latchkey-central", *words])
        patch.setenv("LATCHKEY_HOME", str(home))
        patch.setattr(root, "handlers", root.handlers[:])
        patch.setattr(root, "level", root.level)
        try:
            code = main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        finally:
            logging.captureWarnings(capture=False)
    return Ended(int(code), out.getvalue(), err.getvalue())


def test_the_program_starts_as_a_program(tmp_path: Path) -> None:
    environment = {"LATCHKEY_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-m", "central.cli", "--help"], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "prepare" in done.stdout


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """A home in which `prepare` has run, and what it printed."""
    home = tmp_path_factory.mktemp("central-home")
    done = verb(home, "prepare", "--property", str(DEMO), "--gateway-out", str(home / "box.json"), "--staff", "demo", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return home, json.loads(done.stdout)


def test_one_verb_prepares_a_whole_hotel(prepared: tuple[Path, dict[str, object]]) -> None:
    home, told = prepared
    assert set(told) == {"property", "new", "gateway", "login", "pin", "token"}
    box = json.loads((home / "box.json").read_text())
    assert set(box) == {"box_id", "property", "number", "token", "k_pin", "central_public", "recovery_public", "url"}
    for file in ("box.json", "central.db", "keys/central.key"):
        assert stat.S_IMODE((home / file).stat().st_mode) == 0o600, file


def test_the_single_verbs_do_the_same_in_steps(prepared: tuple[Path, dict[str, object]]) -> None:
    home, _ = prepared
    assert json.loads(verb(home, "migrate", "--json").stdout)["before"] is not None
    assert json.loads(verb(home, "property", "load", str(DEMO), "--json").stdout) == {"property": "demo", "new": False, "rooms": 24}
    assert json.loads(verb(home, "gateway", "add", "--out", str(home / "b2.json"), "--json").stdout)["property"] == "demo"
    assert set(json.loads(verb(home, "staff", "add", "--name", "ann", "--role", "desk", "--json").stdout)) >= {"user", "password", "pin"}
    assert json.loads(verb(home, "token", "add", "--scope", "channel", "--channel", "agency", "--json").stdout)["token"].startswith(
        "lka_demo."
    )
    assert json.loads(verb(home, "order", "list", "--json").stdout) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("staff", "add", "--name", "bob", "--role", "king"), 5, "no role king"),
        (("staff", "add", "--name", "demo", "--role", "desk"), 5, "is taken"),
        (("gateway", "add", "--out", "x.json", "--property", "palace"), 5, "no property 'palace'"),
        (("property", "load", "nowhere.yaml"), 3, "cannot be read"),
        (("run", "--config", "nowhere.yaml"), 3, "cannot be read"),
        (("fly",), 2, "No such command"),
    ],
)
def test_a_wrong_verb_ends_with_its_code_and_one_plain_sentence(
    prepared: tuple[Path, dict[str, object]], words: tuple[str, ...], code: int, said: str
) -> None:
    done = verb(prepared[0], *words)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert said in done.stderr


def test_a_mistake_in_the_configuration_is_named_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "central.yaml"
    file.write_text("listen:\n  prot: 1\n")
    done = verb(tmp_path, "run", "--config", str(file))
    assert done.returncode == 3
    assert f"{file}:2:3: listen.prot: unknown key; did you mean 'port'?" in done.stderr


@pytest.mark.parametrize("words", [("order", "list"), ("run",), ("migrate",)])
@pytest.mark.parametrize("address", ["mysql://nobody:hidden@nowhere/x", "nonsense", "''", "postgresql://u:hidden@h:port/x", "sqlite://"])
def test_an_address_that_is_no_database_of_ours_is_named_with_its_place(tmp_path: Path, address: str, words: tuple[str, ...]) -> None:
    (tmp_path / "central.yaml").write_text(f"listen: {{port: 0}}\ndatabase: {address}\n")
    done = verb(tmp_path, *words)
    assert done.returncode == 3
    assert f"{tmp_path / 'central.yaml'}:2:11: database: expected sqlite:///FILE or postgresql://USER@HOST/NAME" in done.stderr
    assert "hidden" not in done.stderr


@pytest.mark.parametrize("words", [("order", "list"), ("run",), ("migrate",), ("property", "load", str(DEMO))])
def test_a_database_server_that_is_away_is_said_plainly_with_the_code_for_it(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "central.yaml").write_text("listen: {port: 0}\ndatabase: postgresql://u:hidden@127.0.0.1:1/x\n")
    done = verb(tmp_path, *words)
    assert done.returncode == 4, done.stderr
    assert "PostgreSQL at 127.0.0.1:1 cannot be reached" in done.stderr
    assert not {word for word in ("hidden", "should not have happened", "Traceback") if word in done.stderr}


def test_a_file_that_is_no_database_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "central.db").write_text("no database at all, but more than a hundred bytes of something else. " * 5)
    done = verb(tmp_path, "order", "list")
    assert done.returncode == 1
    assert f"{tmp_path / 'central.db'} cannot be used as a database" in done.stderr
    assert "should not have happened" not in done.stderr


async def serving(home: Path, **more: object) -> Central:
    program = Central(CentralConfiguration(listen=Listen(port=0), **more), Home(home).prepared())  # type: ignore[arg-type]
    await program.start()
    return program


async def test_an_empty_home_is_made_ready_and_served(tmp_path: Path) -> None:
    program = await serving(tmp_path)
    assert program.serving is not None
    async with httpx.AsyncClient(base_url=program.serving.url) as client:
        assert (await client.get("/healthz")).json() == {"ready": True}
        assert (await client.get("/api/v1/openapi.json")).json()["info"]["title"] == "Latchkey central"
        assert (await client.get("/api/v1/orders")).status_code == 401
    await program.stop()
    await program.stop()
    store, _ = await open_store(database_url(f"sqlite:///{tmp_path / 'central.db'}"), Home(tmp_path), NOON)
    assert len(await store.read(all_properties)) == len(shipped_properties())
    assert (await store.read(lambda conn: read_house(conn, "demo"))).simulated
    store.close()


async def test_a_simulated_clock_is_refused_while_a_property_is_real(tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text(
        DEMO.read_text().replace("simulated: true ", "simulated: false").replace("slug: demo", "slug: real").replace("42", "43")
    )
    assert (await asyncio.to_thread(verb, tmp_path, "prepare", "--property", str(real), "--json")).returncode == 0
    file = tmp_path / "central.yaml"
    file.write_text("listen: {port: 0}\nclock: {simulated: http://127.0.0.1:1}\n")
    document = read(file)
    with pytest.raises(ConfigurationError, match=r"central\.yaml:2:20: clock\.simulated: .*real is not marked simulated"):
        await Central(document.check(CentralConfiguration), Home(tmp_path).prepared(), document).start()


async def test_a_clock_server_that_is_not_there_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.simulated_clock.START_LIMIT_S", 0.2)
    assert await asyncio.to_thread(verb, tmp_path, "property", "load", str(DEMO)) == Ended(0, "demo: 24 rooms\n", "")
    with pytest.raises(HostError, match="does not answer"):
        await serving(tmp_path, clock=ClockSection(simulated="http://127.0.0.1:1"))


async def test_a_database_of_an_older_version_asks_for_the_migration(tmp_path: Path) -> None:
    address = database_url(f"sqlite:///{tmp_path / 'central.db'}")
    store, _ = await open_store(address, Home(tmp_path).prepared(), NOON)
    await store.write(lambda conn: conn.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'"))
    await asyncio.to_thread(store.close)
    with pytest.raises(HostError, match=r"of version 0001.*latchkey-central migrate"):
        await open_store(address, Home(tmp_path), NOON)


def test_a_sealed_field_opens_only_in_its_own_place_and_with_its_key(tmp_path: Path) -> None:
    vault = Vault.in_folder(tmp_path / "keys")
    sealed = vault.seal("guest/demo/1/name", "Ada Lovelace")
    assert b"Ada" not in sealed
    assert sealed != vault.seal("guest/demo/1/name", "Ada Lovelace")
    assert Vault.in_folder(tmp_path / "keys").open_text("guest/demo/1/name", sealed) == "Ada Lovelace"
    for other, place in ((vault, "guest/demo/2/name"), (Vault(bytes(32)), "guest/demo/1/name")):
        with pytest.raises(Unreadable):
            other.open(place, sealed)
    with pytest.raises(Unreadable, match="key or version"):
        vault.open("guest/demo/1/name", b"\x02" + sealed[1:])


@pytest.mark.postgresql
async def test_an_empty_postgresql_database_is_made_ready_too(postgresql_server: Server, tmp_path: Path) -> None:
    postgresql_server.run("CREATE DATABASE fresh TEMPLATE template0")
    for _ in range(2):
        store, _ = await open_store(postgresql_server.url("fresh"), Home(tmp_path).prepared(), NOON)
        assert "demo" in await store.read(all_properties)
        await asyncio.to_thread(store.close)
