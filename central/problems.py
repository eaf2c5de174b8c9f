"""What can go wrong for a caller, in words and codes; no HTTP lives here.

Problem
 - NotFound         there is no such thing (or not for you): look for its number again
 - Conflict         it contradicts what is already so (sold, taken, another version): read again, choose something else
 - NotAllowed       the state forbids the action; `reasons` holds the codes of the table in `wire`
 - Invalid          the request makes no sense in this hotel: correct it
 - Unauthenticated  we do not know you: sign in
 - Forbidden        we know you and the answer is no
 - Throttled        too many tries: wait `retry_after_s`
"""

from collections.abc import Sequence


class Problem(Exception):
    """Base of all. `code` is for machines and stable, `what` for people, `remedy` what to do next."""

    status = 500

    def __init__(self, code: str, what: str, remedy: str = "") -> None:
        super().__init__(f"{what} {remedy}".strip())
        self.code, self.what, self.remedy = code, what, remedy


class NotFound(Problem):
    status = 404

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind}_not_found", f"There is no {kind.replace('_', ' ')} {name!r}.", "Check its number.")


class Conflict(Problem):
    status = 409


class NotAllowed(Problem):
    """The state forbids it; every reason is a code of its own."""

    status = 409

    def __init__(self, action: str, reasons: Sequence[str]) -> None:
        super().__init__("not_allowed", f"{action} is not possible now: {', '.join(reasons)}.", "Look at the allowed actions.")
        self.action, self.reasons = action, tuple(reasons)


class Invalid(Problem):
    status = 422


class Unauthenticated(Problem):
    status = 401


class Forbidden(Problem):
    status = 403


class Throttled(Problem):
    status = 429

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("throttled", "Too many tries.", f"Wait {retry_after_s} s.")
        self.retry_after_s = retry_after_s
