"""What must never be read in a log or an error: secrets, PINs, keys, card images and guests' names, and how they are struck out.

Every pattern here takes time in proportion to the text, whatever the text: it is run on what strangers send.
"""

import re

STRUCK = "[redacted]"

_SECRET_KEY = re.compile(
    r"[\w-]*(?:token|passw(?:or)?d|passphrase|secret|authorization|cookie|private_key|sealing_private|api_?key)[\w-]*"
    r"|k_(?:dev|card|pin)|pin|[\w-]+_pin|pin_(?:hash|code)|digits|card_image|mac_key",
    re.IGNORECASE,
)
_PERSON_KEY = re.compile(
    r"(?:display_|guest_|first_|last_|family_|given_|full_)?name|guest|occupant|phone|e-?mail|id_number|passport", re.IGNORECASE
)
_KEY = re.compile(r"""(?<![\w-])(["']?)([\w-]{1,64}+)\1(\s{0,8}[=:]\s{0,8})""")
_SECRET_VALUE = re.compile(r"""(?:(?:Bearer|Basic)\s+)?(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|[^\s,;&)}\]|]+)""", re.IGNORECASE)
_PERSON_VALUE = re.compile(r""""(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|(?:[^,;&)}\]|'"=\n]|(?<=\w)'(?=\w))++""")
_BEARER = re.compile(r"\b(Bearer|Basic)\s{1,8}[\w.~+/=-]{8,}+", re.IGNORECASE)
_LONG_HEX = re.compile(r"(?<![0-9A-Za-z])(?:0x)?[0-9A-Fa-f]{32,}+(?![0-9A-Za-z])")
_LONG_BYTES = re.compile(r"""\bb(?:'(?:[^'\\]|\\.){16,}+'|"(?:[^"\\]|\\.){16,}+")""")


def redacted(text: str) -> str:
    """Return `text` with what must not be read struck out; twice is the same as once.

    Struck: values behind the names of secrets and of people (`token=…`, `"pin": …`, `name=…`), bearer tokens, 32 and more hex digits
    in a row (a key, a card image; not a UUID, not the four bytes of a fingerprint), and long byte strings. `name: x` without quotes
    stays: devices and files have names too.
    """
    text = _LONG_BYTES.sub(STRUCK, text)
    text = _BEARER.sub(rf"\1 {STRUCK}", text)
    return _LONG_HEX.sub(STRUCK, _values_struck(text))


def is_secret(key: str) -> bool:
    """Whether the value under this key must not be shown."""
    return len(key) <= 64 and _SECRET_KEY.fullmatch(key) is not None


def _values_struck(text: str) -> str:
    """The text without the values behind telling keys."""
    kept: list[str] = []
    done = 0
    for found in _KEY.finditer(text):
        if found.start() < done:
            continue  # inside a value that is struck already
        end = _end_of_value(text, found)
        if end > found.end():
            kept += text[done : found.end()], STRUCK
            done = end
    return "".join((*kept, text[done:]))


def _end_of_value(text: str, found: re.Match[str]) -> int:
    """Where the value behind a telling key ends; where it begins when the key tells nothing."""
    quote, key, between = found.groups()
    if text.startswith(STRUCK, found.end()):
        return found.end()
    if is_secret(key):
        value = _SECRET_VALUE.match(text, found.end())
        return value.end() if value else found.end()
    if _PERSON_KEY.fullmatch(key) and (quote or between == "="):
        value = _PERSON_VALUE.match(text, found.end())
        return _before_next_key(text, value) if value else found.end()
    return found.end()


def _before_next_key(text: str, value: re.Match[str]) -> int:
    """A person's name may have spaces; when the next key was taken for a part of it, it ends before that key."""
    if text.startswith("=", value.end()):
        return value.start() + len(value[0].rpartition(" ")[0])
    return value.end()
