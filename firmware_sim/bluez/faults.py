"""What can go wrong on the radio, and how long things take when nothing does. Plain data that tests and hands set while running."""

from dataclasses import dataclass, field

FAILED = "org.bluez.Error.Failed"
REFUSED = (FAILED, "le-connection-refused")
ABORTED = (FAILED, "le-connection-abort-by-local")  # bleak retries this one by itself until its own time-out


@dataclass(slots=True)
class Faults:
    """Faults of one peripheral; all off. Lists and counts are used up, the rest holds until it is reset."""

    connect_errors: list[tuple[str, str]] = field(default_factory=list)  # D-Bus error name and text, one per attempt
    connect_delay_s: float = 0.0
    connect_never: bool = False  # Connect gets no answer
    services_never: bool = False  # connected, but ServicesResolved stays false
    silent: bool = False  # out of range or battery dead: no report, no answer to Connect; an open link is not touched
    drop_on_write: int = 0  # that many next writes each end the link instead of arriving
    slow_s: float = 0.0  # added to every read and write
    write_errors: list[int] = field(default_factory=list)  # ATT error codes, one per write; the write does not arrive
    lose_notifications: int = 0  # that many next notifications vanish
    rssi: int | None = None  # dBm instead of the peripheral's own
    rssi_jitter: int = 0  # +- dBm


@dataclass(frozen=True, slots=True)
class Timings:
    """How long BlueZ and the radio take, seconds. The defaults follow BlueZ 5.66 on kernels 6.1 and 6.12 as measured."""

    connect_s: float = 0.3  # until the link is up
    connect_gap_s: float = 0.1  # Connected=true, then the reply; at 0 bleak fails under load
    resolve_s: float = 0.1  # reply, then the services
    operation_s: float = 0.03  # one read or write with response: two connection intervals
    disconnect_s: float = 2.4  # seen: 2.2 to 2.6
    forget_s: float = 30.0  # a device that is neither paired nor trusted, after it was last heard or connected


QUICK = Timings(connect_s=0.0, connect_gap_s=0.02, resolve_s=0.0, operation_s=0.0, disconnect_s=0.02)
"""For tests: the same order of everything, hardly any waiting. The gap stays, because without it bleak fails."""
