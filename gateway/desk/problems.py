"""What can go wrong for a person at the box's desk, in words and codes; no HTTP lives here.

Problem
 - NotFound      there is no such thing here: look for it again
 - Conflict      it contradicts what is already so (taken, busy): choose something else
 - NotAllowed    the state forbids it; `reasons` holds the codes of the table in `wire`
 - NeedsManager  no hold covers it: a manager's PIN is needed
 - Invalid       it makes no sense in this hotel: correct it
 - SignedOut     nobody is signed in, or the PIN is wrong
 - Forbidden     we know you and the answer is no
 - Throttled     too many tries: wait `retry_after_s`
 - NotReady      the box has never met central, or is not enrolled: do that first
"""

from collections.abc import Sequence


class Problem(Exception):
    """Base of all. `code` is for machines and stable, `what` for people, `remedy` what to do next. Never a guest's name in any."""

    status = 500

    def __init__(self, code: str, what: str, remedy: str = "", reasons: Sequence[str] = ()) -> None:
        super().__init__(f"{what} {remedy}".strip())
        self.code, self.what, self.remedy, self.reasons = code, what, remedy, tuple(reasons)


class NotFound(Problem):
    status = 404

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind}_not_found", f"There is no {kind.replace('_', ' ')} {name!r} on this box.", "Check its number.")


class Conflict(Problem):
    status = 409


class NotAllowed(Problem):
    status = 409

    def __init__(self, action: str, reasons: Sequence[str]) -> None:
        super().__init__("not_allowed", f"{action} is not possible now: {', '.join(reasons)}.", "Look at the allowed actions.", reasons)
        self.action = action


class NeedsManager(Problem):
    status = 403

    def __init__(self, nights: int) -> None:
        super().__init__(
            "needs_manager", f"{nights} night(s) are not among the rooms that central gave to this box.", "Ask a manager for the PIN."
        )


class Invalid(Problem):
    status = 422


class SignedOut(Problem):
    status = 401


class Forbidden(Problem):
    status = 403


class Throttled(Problem):
    status = 429

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("throttled", "Too many tries.", f"Wait {retry_after_s} s.")
        self.retry_after_s = retry_after_s


class NotReady(Problem):
    status = 503
