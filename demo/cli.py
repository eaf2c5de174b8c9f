"""The entry point of `latchkey-demo`. The verbs are in verbs.py, and what they need is imported when a verb runs."""

import sys

from host.exits import guarded


@guarded
def main() -> int:
    """Run one verb and return the exit code."""
    from demo.verbs import app

    try:
        app(prog_name="latchkey-demo")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    return 0


if __name__ == "__main__":
    sys.exit(main())
