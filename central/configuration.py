"""Central's own settings: what `central.yaml` may say."""

from typing import Annotated

from pydantic import AfterValidator, Field
from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from host.configuration import Section

ONE_OF_TWO = "expected sqlite:///FILE or postgresql://USER@HOST/NAME"


def database_url(text: str) -> URL:
    """Return the address of a database; postgresql:// means psycopg 3. Raises ValueError for any other product, and for nonsense."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(ONE_OF_TWO) from None  # the library's words repeat the address, and a password with it
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise ValueError(ONE_OF_TWO)
    return url.set(drivername="sqlite+pysqlite")


def _one_of_ours(text: str) -> str:
    """Return the address of a database as it is; raise ValueError for one that we cannot use. The words never repeat it."""
    database_url(text)
    return text


Database = Annotated[str, AfterValidator(_one_of_ours)]


class Listen(Section):
    """Where central serves. Off loopback a TLS proxy belongs in front."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8800


class ClockSection(Section):
    """Another clock than the machine's: allowed only while every property is marked simulated."""

    simulated: Annotated[str, Field(pattern=r"^https?://")]


class CentralConfiguration(Section):
    """The whole file; an empty one is right for one hotel on one machine."""

    database: Database | None = None  # None: central.db in LATCHKEY_HOME; else sqlite:///FILE or postgresql://USER@HOST/NAME
    listen: Listen = Listen()
    clock: ClockSection | None = None
