"""What must never be read in a log or an error: secrets, PINs, keys, card images and guests' names, and how they are struck out."""

import re

STRUCK = "[redacted]"

_KEYS = (
    r"[\w-]*(?:token|passw(?:or)?d|passphrase|secret|authorization|cookie|credential_key|private_key|sealing_private|api_?key)[\w-]*"
    r"|k_(?:dev|card|pin)|pin|[\w-]+_pin|pin_(?:hash|code)|digits|card_image|mac_key"
)
_WHO = r"(?:display_|guest_|first_|last_|family_|given_|full_)?name|guest|occupant|phone|e-?mail|id_number|passport"
_QUOTED = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
_BARE = r"[^\s,;&)}\]|'\"]+"
_BARE_WORDS = r"[^,;&)}\]|'\"=\n]+?(?=\s+[\w.-]+=|[,;&)}\]|'\"\n]|$)"  # a person's name has spaces: up to the next key or the end

_SECRET_VALUE = re.compile(rf"""(?<![\w-])(["']?)({_KEYS})\1(\s*[=:]\s*)(?:(?:Bearer|Basic)\s+)?({_QUOTED}|{_BARE})""", re.IGNORECASE)
_PERSON_VALUE = re.compile(rf"""(?<![\w-])(?:({_WHO})(=)|(["'](?:{_WHO})["'])(\s*[=:]\s*))({_QUOTED}|{_BARE_WORDS})""", re.IGNORECASE)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
_LONG_HEX = re.compile(r"(?<![0-9A-Za-z])(?:0x)?[0-9A-Fa-f]{32,}(?![0-9A-Za-z])")
_LONG_BYTES = re.compile(r"""\bb(?:'(?:[^'\\]|\\.){16,}'|"(?:[^"\\]|\\.){16,}")""")
_SECRET_KEY = re.compile(rf"(?:{_KEYS})", re.IGNORECASE)


def redacted(text: str) -> str:
    """Return `text` with what must not be read struck out; twice is the same as once.

    Struck: values behind the names of secrets and of people (`token=…`, `"pin": …`, `name=…`), bearer tokens, 32 and more hex digits
    in a row (a key, a card image; not a UUID, not the four bytes of a fingerprint), and long byte strings.
    """
    text = _BEARER.sub(rf"\1 {STRUCK}", text)
    text = _SECRET_VALUE.sub(rf"\1\2\1\3{STRUCK}", text)
    text = _PERSON_VALUE.sub(lambda found: f"{found[1] or found[3]}{found[2] or found[4]}{STRUCK}", text)
    text = _LONG_HEX.sub(STRUCK, text)
    return _LONG_BYTES.sub(STRUCK, text)


def is_secret(key: str) -> bool:
    """Whether the value under this key must not be shown."""
    return _SECRET_KEY.fullmatch(key) is not None
