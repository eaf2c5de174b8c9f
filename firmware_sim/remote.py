"""How the command line speaks to a running simulator: one JSON request over HTTP, and errors as sentences."""

import json
from typing import Any

from host.exits import HostError, Refused, Unreachable

LIMIT_S = 90.0  # a step waits up to a minute for its followers


def ask(url: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Return the JSON answer. Raises Unreachable when nobody answers, Refused with the simulator's own sentence."""
    import urllib.error
    import urllib.request  # here, because it would make --help half as slow again

    if not url.startswith(("http://", "https://")):
        raise HostError(f"{url} is no address", "Write it as http://127.0.0.1:8803")
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url.rstrip("/") + path, content, {"Content-Type": "application/json"}, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:  # noqa: S310 - the scheme was looked at
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise Refused(_sentence(error.read(), error.code)) from None
    except (OSError, ValueError):
        raise Unreachable(f"no simulator answers at {url}", "Start one with latchkey-sim run, or say where it is with --url") from None


def _sentence(content: bytes, status: int) -> str:
    try:
        return str(json.loads(content)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the simulator answered {status}"
