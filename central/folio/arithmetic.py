"""Sums in whole minor units; every rule says how it rounds."""

from collections.abc import Sequence

BASIS = 10_000  # basis points in a whole


def split(total_minor: int, shares: Sequence[int]) -> list[int]:
    """Divide `total_minor` by `shares` (whole weights); the parts always add up to the total.

    Leftover minor units go to the largest remainders, ties to the earlier share. A negative total is the mirror of its positive.
    Raises ValueError when no share is positive, or one is negative.
    """
    whole = sum(shares)
    if whole <= 0 or min(shares) < 0:
        raise ValueError("shares are whole weights, none negative and at least one positive")
    sign = -1 if total_minor < 0 else 1
    parts = [abs(total_minor) * share // whole for share in shares]
    remainders = [abs(total_minor) * share % whole for share in shares]
    left = abs(total_minor) - sum(parts)
    for at in sorted(range(len(shares)), key=lambda at: (-remainders[at], at))[:left]:
        parts[at] += 1
    return [sign * part for part in parts]


def tax_included(gross_minor: int, basis_points: int) -> tuple[int, int]:
    """Return (net, tax) of a price that includes its tax; they add up to `gross_minor`.

    The tax is rounded to the nearest minor unit, half away from zero, so that a reversal is exactly the negative of its original.
    """
    if basis_points < 0:
        raise ValueError("a tax is not negative")
    whole = BASIS + basis_points
    tax = (abs(gross_minor) * basis_points * 2 + whole) // (whole * 2)
    if gross_minor < 0:
        tax = -tax
    return gross_minor - tax, tax
