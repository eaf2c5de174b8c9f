"""The server's half of D-Bus authentication (SASL EXTERNAL) as a pure state machine over lines."""

from dataclasses import dataclass


@dataclass(slots=True)
class Handshake:
    """One connection's way from the first NUL to BEGIN."""

    guid: str
    peer_uid: int  # what the kernel says about the socket's other end
    passes_fds: bool = False
    waits_for_data: bool = False
    known: bool = False
    begun: bool = False

    def answer(self, line: str) -> str | None:
        """Return the answer to `line` (neither with CR LF), None when there is none; sets `begun` at the end."""
        verb, _, rest = line.partition(" ")
        if verb == "AUTH" and rest.startswith("EXTERNAL"):
            return self._external(rest.removeprefix("EXTERNAL").strip())
        if verb == "DATA" and self.waits_for_data:
            return self._external(rest.strip() or str(self.peer_uid).encode().hex())
        if verb == "NEGOTIATE_UNIX_FD" and self.known:
            self.passes_fds = True
            return "AGREE_UNIX_FD"
        if verb == "BEGIN" and self.known:
            self.begun = True
            return None
        return "REJECTED EXTERNAL" if verb in ("AUTH", "CANCEL", "ERROR", "BEGIN") else "ERROR"

    def _external(self, hex_uid: str) -> str:
        if not hex_uid:
            self.waits_for_data = True
            return "DATA"
        self.waits_for_data = False
        self.known = hex_uid == str(self.peer_uid).encode().hex()
        return f"OK {self.guid}" if self.known else "REJECTED EXTERNAL"
