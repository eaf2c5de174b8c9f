"""Children that the demo owns: started with their output in a file, watched, and ended by their own process id."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from host.exits import HostError

START_LIMIT_S = 30.0  # the slowest of them, on two shared cores, took 6 s
LISTENING = "0A"  # proc(5), net/tcp: the state
STOP_LIMIT_S = 8.0  # the box lets go of a radio link within 3 s


class StartFailed(HostError):
    """A program of the hotel did not come up: who, what, what to do."""

    def __init__(self, who: str, what: str, remedy: str) -> None:
        super().__init__(f"{who}: {what}", remedy)


class Child:
    """One program. It ends with the demo, also when the demo is killed (the kernel tells it)."""

    def __init__(self, name: str, words: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.name, self._words, self._log = name, list(words), log
        self._environment = dict(environment or {})
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self) -> None:
        """Start it; nothing happens when it runs already."""
        if self.pid is not None:
            return
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **self._environment},
                start_new_session=True,  # Ctrl-C is ours to pass on, in our order
                preexec_fn=_end_with_parent,
            )

    async def kill9(self) -> None:
        """End it as a power cut would, and return when it is gone."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end, then insist."""
        try:
            async with asyncio.timeout(STOP_LIMIT_S):
                await self._end(signal.SIGTERM)
        except TimeoutError:
            await self.kill9()

    async def _end(self, how: signal.Signals) -> None:
        if self.pid is None or self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(how)
        await self._process.wait()

    async def ready(self, probe: Callable[[], Awaitable[bool]], limit_s: float = START_LIMIT_S) -> None:
        """Return when `probe` says yes. Raises StartFailed with the end of its log when it ends or takes too long."""
        try:
            async with asyncio.timeout(limit_s):
                while not await probe():
                    if self.pid is None:
                        raise StartFailed(self.name, f"it ended at once. The end of its log:\n{self.said()}", "Mend that and start again.")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise StartFailed(
                self.name, f"not ready in {limit_s:.0f} s. The end of its log:\n{self.said()}", f"Read {self._log}."
            ) from None

    async def start_at(self, host: str, port: int) -> None:
        """Start it and return when it takes TCP connections there itself. Raises StartFailed when somebody else holds the port."""
        if self.pid is None and taken(port, host):
            raise StartFailed(self.name, f"port {port} is taken by another program.", "End that program, or choose another port.")
        await self.start()

        async def probe() -> bool:
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                return False
            writer.close()
            return self.pid is not None and listens(self.pid, port)

        await self.ready(probe)

    def said(self, lines: int = 12) -> str:
        """Return the last lines of its log."""
        if not self._log.exists():
            return "(nothing)"
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:]) or "(nothing)"


def taken(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def listens(pid: int, port: int) -> bool:
    """Whether this very process listens on the TCP port (Linux says so in /proc); where that cannot be seen, who answers is believed."""
    sockets: set[str] = set()
    for table in ("tcp", "tcp6"):  # no tcp6 where IPv6 is switched off
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == LISTENING and int(words[1].rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{words[9]}]")
    try:
        handles = list(Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return not Path("/proc/self/fd").exists()  # it has ended; or this is no Linux
    except OSError:
        return True
    for handle in handles:
        with contextlib.suppress(OSError):  # closed meanwhile
            if str(handle.readlink()) in sockets:
                return True
    return False


def _end_with_parent() -> None:
    """Ask the kernel to end this child when its parent dies (Linux: PR_SET_PDEATHSIG = 1); elsewhere the parent's own care must do."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
