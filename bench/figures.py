"""Arithmetic on what was measured: quantiles, memory of a process, bars."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of `values` lie (nearest rank). Raises ValueError when there are none."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return n, p50, p95 and the worst of `values`, rounded to a tenth."""
    return {
        "n": len(values),
        "p50": round(quantile(values, 0.5), 1),
        "p95": round(quantile(values, 0.95), 1),
        "worst": round(max(values), 1),
    }


def pss_mb(pid: int) -> float:
    """Return the proportional set size of a process in MB (1,000,000 bytes), children not counted (Linux: smaps_rollup)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return round(int(line.split()[1]) * 1024 / 1e6, 1)
    raise ValueError(f"no Pss for process {pid}")


def verdict(bars: dict[str, tuple[float, float]], **more: Any) -> dict[str, Any]:
    """Return the last line of a benchmark. `bars` is name -> (measured, limit), met when measured <= limit."""
    return {
        "ok": all(measured <= limit for measured, limit in bars.values()),
        "bars": {name: {"measured": measured, "limit": limit, "met": measured <= limit} for name, (measured, limit) in bars.items()},
        **more,
    }
