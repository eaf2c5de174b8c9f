"""How dates, times, durations and money are written for a reader of Chinese or English; pure."""

from datetime import date, datetime

_WEEKDAYS = {"en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), "zh": ("周一", "周二", "周三", "周四", "周五", "周六", "周日")}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SIGNS = {"EUR": "€", "CNY": "¥", "USD": "$", "GBP": "£", "JPY": "JP¥", "HKD": "HK$"}
_WHOLE = {"JPY", "KRW", "VND"}  # currencies without minor units (ISO 4217, exponent 0)


def day(value: date, language: str, *, weekday: bool = True) -> str:
    """Write a calendar day: "Sat 21 Nov" or 11月21日 周六."""
    if language == "zh":
        return f"{value.month}月{value.day}日" + (f" {_WEEKDAYS['zh'][value.weekday()]}" if weekday else "")
    return (f"{_WEEKDAYS['en'][value.weekday()]} " if weekday else "") + f"{value.day} {_MONTHS[value.month - 1]}"


def clock(value: datetime) -> str:
    """Write the time of day, 24 hours; `value` is already in the zone of the reader."""
    return f"{value:%H:%M}"


def moment(value: datetime, today: date, language: str) -> str:
    """Write an instant as short as is clear: the time alone when it is today, else day and time; both in the reader's zone."""
    return clock(value) if value.date() == today else f"{day(value.date(), language, weekday=False)} {clock(value)}"


def short(value: datetime, today: date, language: str) -> str:
    """Write what fits on a tile: the time of day when it is today, else the day alone."""
    return clock(value) if value.date() == today else day(value.date(), language, weekday=False)


def money(minor: int, currency: str) -> str:
    """Write whole minor units with the currency's sign: € 1,234.50; a negative amount has a true minus sign before the currency."""
    digits = 0 if currency in _WHOLE else 2
    whole, rest = divmod(abs(minor), 10**digits)
    text = f"{whole:,}" + (f".{rest:0{digits}d}" if digits else "")
    return f"{'−' if minor < 0 else ''}{_SIGNS.get(currency, currency)} {text}"


def minor(text: str, currency: str) -> int:
    """Read an amount as people type it, with a point or a comma before the minor units; raise ValueError for anything else."""
    digits = 0 if currency in _WHOLE else 2
    whole, _, rest = text.strip().replace(",", ".").partition(".")
    sign, whole = (-1, whole[1:]) if whole[:1] in {"-", "−"} else (1, whole)
    if not (whole.isascii() and whole.isdigit()) or len(rest) > digits or (rest and not (rest.isascii() and rest.isdigit())):
        raise ValueError("not an amount")
    return sign * int(whole + rest.ljust(digits, "0"))


def decimal(minor: int, currency: str) -> str:
    """Write whole minor units as a plain decimal number, for files: 1234.50."""
    digits = 0 if currency in _WHOLE else 2
    whole, rest = divmod(abs(minor), 10**digits)
    return f"{'-' if minor < 0 else ''}{whole}" + (f".{rest:0{digits}d}" if digits else "")
