"""One kept-alive HTTP connection to central, used by one thread; knows nothing of what it carries.

ChannelError
 - Lost        no answer, or none in time: whether central got the request is unknown, so it must be one that may be repeated
 - Answered    central answered with something else than 200; `status` and its own words say what
"""

import http.client
import ipaddress
import json
import socket
import ssl
import zlib
from urllib.parse import urlsplit

CONNECT_S = 3.0
DEFLATE_FROM = 512  # bytes; below it packing costs more than it saves
KEEPALIVE = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))  # a line cut under a long poll shows in 25 s


class ChannelError(Exception):
    """The exchange did not come to a good end."""


class Lost(ChannelError):
    """No answer."""


class Answered(ChannelError):
    """An answer, but not the one asked for."""

    def __init__(self, status: int, why: str, retry_s: float = 0.0) -> None:
        super().__init__(f"{status} {why}")
        self.status, self.retry_s = status, retry_s


class PlainHttp(ValueError):
    """http:// to another machine: names and keys would cross in clear."""


class Channel:
    """One connection; opened when first needed and again after every trouble."""

    def __init__(self, url: str, token: str, agent: str) -> None:
        """Raise PlainHttp or ValueError for an address that cannot be used. `url` is where central is, without /sync."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"central.url: {url!r} is no address; write https://HOST")
        if parts.scheme == "http" and not _loopback(parts.hostname):
            raise PlainHttp(f"central.url: {url!r} is not encrypted; write https:// (http is for this machine itself only)")
        self._parts = parts
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": agent, "Accept": "application/json"}
        self._conn: http.client.HTTPConnection | None = None
        self._given_up = False

    def exchange(self, method: str, path: str, body: bytes | None, limit_s: float) -> bytes:
        """Send one request and return the body of its 200. Raise Answered for another status, Lost without an answer in `limit_s`.

        A kept connection that the other side has closed meanwhile is opened again, once: the request may then arrive twice.
        """
        kept, self._given_up = self._conn is not None, False
        try:
            return self._once(method, path, body, limit_s)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not kept or self._given_up or isinstance(error, TimeoutError):
                raise Lost(_why(error)) from None
        try:
            return self._once(method, path, body, limit_s)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Lost(_why(error)) from None

    def _once(self, method: str, path: str, body: bytes | None, limit_s: float) -> bytes:
        conn = self._conn or self._opened()
        if conn.sock is not None:
            conn.sock.settimeout(limit_s)
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
            if len(body) >= DEFLATE_FROM:
                body, headers["Content-Encoding"] = zlib.compress(body, 1), "deflate"
        conn.request(method, self._parts.path.rstrip("/") + path, body, headers)
        answer = conn.getresponse()
        content = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise Answered(answer.status, _said(content), _seconds(answer.headers.get("Retry-After")))
        return content

    def _opened(self) -> http.client.HTTPConnection:
        host, port = str(self._parts.hostname), self._parts.port
        if self._parts.scheme == "https":
            conn: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=CONNECT_S, context=ssl.create_default_context()
            )
        else:
            conn = http.client.HTTPConnection(host, port, timeout=CONNECT_S)
        conn.connect()
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            conn.sock.setsockopt(socket.IPPROTO_TCP, option, value)
        self._conn = conn
        return conn

    def close(self) -> None:
        """Close the connection; the next exchange opens another."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    def abort(self) -> None:
        """End an exchange that another thread waits in: it raises Lost there. Safe at any time."""
        conn, self._given_up = self._conn, True
        if conn is not None and conn.sock is not None:
            try:
                conn.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it has ended by itself


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _why(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _said(content: bytes) -> str:
    """Return central's own words from problem+json, if it has any."""
    try:
        told = json.loads(content)
        return str(told.get("title") or told.get("detail") or "")[:200] if isinstance(told, dict) else ""
    except ValueError:
        return ""


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdigit() else 0.0
