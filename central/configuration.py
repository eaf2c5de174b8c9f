"""Central's own settings: what `central.yaml` may say."""

from typing import Annotated

from pydantic import Field

from host.configuration import Section


class Listen(Section):
    """Where central serves. Off loopback a TLS proxy belongs in front."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8800


class ClockSection(Section):
    """Another clock than the machine's: allowed only while every property is marked simulated."""

    simulated: Annotated[str, Field(pattern=r"^https?://")]


class CentralConfiguration(Section):
    """The whole file; an empty one is right for one hotel on one machine."""

    database: str | None = None  # None: central.db in LATCHKEY_HOME; else sqlite:///FILE or postgresql://USER@HOST/NAME
    listen: Listen = Listen()
    clock: ClockSection | None = None
