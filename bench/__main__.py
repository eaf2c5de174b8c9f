"""`python -m bench NAME [--json]`: runs one benchmark; the last line holds `ok`, the bars, the figures and their ratios."""

import argparse
import asyncio
import importlib
import json
import keyword
import pkgutil
import sys
from typing import Any

import bench

NOT_BENCHES = {"__main__", "figures", "screenshots"}


def names() -> list[str]:
    """Return the benchmarks there are: the modules of this package (`import_.py` is `import`: the plain word is Python's)."""
    return sorted(m.name.rstrip("_") for m in pkgutil.iter_modules(bench.__path__) if m.name not in NOT_BENCHES)


def show(line: dict[str, Any], as_json: bool) -> None:
    """Print one object a line, or one `key value` list a line for people."""
    if as_json:
        print(json.dumps(line), flush=True)
        return
    print("  ".join(f"{key} {json.dumps(value) if isinstance(value, dict | list) else value}" for key, value in line.items()), flush=True)


def main(words: list[str] | None = None) -> int:
    """Run one benchmark and return 0 when every bar is met, else 1."""
    parser = argparse.ArgumentParser(prog="./dev bench", description="Measure one thing beside a limit or a peer, in one run.")
    parser.add_argument("name", choices=names(), metavar="NAME", help=", ".join(names()))
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--rounds", type=int, default=0, help="how many to measure (0 = the benchmark's own number)")
    found = parser.parse_args(words)
    module = importlib.import_module(f"bench.{found.name}{'_' * keyword.iskeyword(found.name)}")
    result: dict[str, Any] = asyncio.run(module.measure(lambda line: show(line, found.json), found.rounds))
    show(result, found.json)
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
