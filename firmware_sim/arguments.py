"""How a device reads the arguments of a command: whole numbers within their width, or the command is BAD_REQUEST."""

from collections.abc import Mapping
from typing import Any

U8, U16, U32 = 0xFF, 0xFFFF, 0xFFFFFFFF
REQUIRED = -1


class Refuse(Exception):
    """The device answers `error` with this code and changes nothing."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def number(args: Mapping[str, Any], name: str, high: int = U32, default: int = REQUIRED) -> int:
    """The whole number `name` in 0..high; its default when absent or null. Raises Refuse(BAD_REQUEST)."""
    value = args.get(name)
    if value is None:
        if default == REQUIRED:
            raise Refuse("BAD_REQUEST")
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= high:
        raise Refuse("BAD_REQUEST")
    return value


def numbers_list(args: Mapping[str, Any], name: str, high: int, most: int) -> tuple[int, ...]:
    """A list of at most `most` whole numbers; empty when absent. Raises Refuse(BAD_REQUEST)."""
    value = args.get(name) or []
    if not isinstance(value, list | tuple) or len(value) > most:
        raise Refuse("BAD_REQUEST")
    return tuple(number({"n": item}, "n", high) for item in value)


def hex_bytes(args: Mapping[str, Any], name: str, length: int) -> str:
    """`length` bytes as lower-case hex; zeros when absent. Raises Refuse(BAD_REQUEST)."""
    value = args.get(name)
    if value is None:
        return "00" * length
    if not isinstance(value, str) or len(value) != 2 * length:
        raise Refuse("BAD_REQUEST")
    try:
        return bytes.fromhex(value).hex()
    except ValueError:
        raise Refuse("BAD_REQUEST") from None


def named(args: Mapping[str, Any], name: str, table: Mapping[str, int], default: int = REQUIRED) -> int:
    """An enumeration given as its name or its number. Raises Refuse(BAD_REQUEST)."""
    value = args.get(name)
    if isinstance(value, str):
        if value not in table:
            raise Refuse("BAD_REQUEST")
        return table[value]
    found = number(args, name, U8, default)
    if found not in table.values() and found != default:
        raise Refuse("BAD_REQUEST")
    return found
