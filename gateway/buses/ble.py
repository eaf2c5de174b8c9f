"""The box's one radio: a scanner that never stops and short GATT sessions, by bleak, unmodified. No device is known here."""

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as settings_dataclass

from gateway.device import Drops


@settings_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class BleSettings:
    """The `buses.ble` block."""

    adapter: str = "hci0"
    connections: int = 3


class BleBus:
    """One adapter."""

    def __init__(self, settings: BleSettings, drops: Drops) -> None:
        self._settings, self._drops = settings, drops

    async def run(self) -> None:
        """Scan until cancelled."""
