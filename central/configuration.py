"""Central's own settings: what `central.yaml` may say."""

from typing import Annotated

from pydantic import AfterValidator, Field

from central.store.database import database_url
from host.configuration import Section


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
