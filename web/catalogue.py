"""The gettext catalogues and the reader of their text form.

The .po files are the source and are read as they are when a program starts, so that a fresh clone needs no build step and no
compiled file can lag behind its source. One file per language holds the texts of all consoles: `web/locale/<language>.po`.
English texts are the msgids themselves; `en.po` holds only what English must say differently (plurals).
"""

import ast
import re
from functools import cache
from gettext import NullTranslations, c2py  # its parser of plural rules
from pathlib import Path

FOLDER = Path(__file__).parent / "locale"
LANGUAGES: dict[str, str] = {"zh": "中文", "en": "English"}  # code -> its own name; the first is the fallback of nobody
TAGS: dict[str, str] = {"zh": "zh-Hans", "en": "en"}  # what the lang attribute says
_CONTEXT = "\x04"  # gettext's own separator between context and msgid
_LINE = re.compile(r'(?:(msgctxt|msgid_plural|msgid|msgstr)(?:\[(\d+)])?\s+)?("(?:[^"\\]|\\.)*")\s*')

Entry = dict[str, str]  # "msgctxt", "msgid", "msgid_plural", "msgstr0", "msgstr1" …


class BadCatalogue(Exception):
    """A line of a .po file that cannot be read; the message names file and line. A developer must act."""


class Catalogue(NullTranslations):
    """The texts of one language; a text that is missing is answered with its msgid, as gettext does."""

    def __init__(self, entries: list[Entry]) -> None:
        super().__init__()
        head = next((entry["msgstr0"] for entry in entries if not entry["msgid"]), "")
        rule = re.search(r"plural=([^;\n]+)", head)
        self._plural = c2py(rule[1]) if rule else lambda n: int(n != 1)
        self.texts: dict[str, str] = {}
        self._forms: dict[str, tuple[str, ...]] = {}
        for entry in entries:
            key = _key(entry.get("msgctxt"), entry["msgid"])
            forms = tuple(entry[name] for name in sorted(entry) if name.startswith("msgstr"))
            if "msgid_plural" in entry:
                self._forms[key] = forms
            if entry["msgid"] and forms[0]:
                self.texts[key] = forms[0]

    def gettext(self, message: str) -> str:
        return self.texts.get(message, message)

    def pgettext(self, context: str, message: str) -> str:
        return self.texts.get(_key(context, message), message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        forms = self._forms.get(msgid1)
        if not forms or not forms[0]:
            return msgid1 if n == 1 else msgid2
        return forms[min(self._plural(n), len(forms) - 1)]

    def npgettext(self, context: str, msgid1: str, msgid2: str, n: int) -> str:
        forms = self._forms.get(_key(context, msgid1))
        return self.ngettext(msgid1, msgid2, n) if not forms else forms[min(self._plural(n), len(forms) - 1)]


def _key(context: str | None, message: str) -> str:
    return f"{context}{_CONTEXT}{message}" if context is not None else message


def read_po(path: Path) -> list[Entry]:
    """Return the entries of a .po file in order, the header (msgid "") first; raise BadCatalogue naming the line that is wrong.

    Obsolete entries (#~) and comments are skipped; an entry marked fuzzy counts, because a person can at least read it.
    """
    entries: list[Entry] = []
    current: Entry = {}
    field = ""
    for number, raw in enumerate(path.read_text("utf-8").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None or not (found[1] or field):
            raise BadCatalogue(f"{path}:{number}: expected msgid, msgstr or a quoted text, found {line[:60]!r}")
        if found[1]:
            field = f"msgstr{found[2] or 0}" if found[1] == "msgstr" else found[1]
            if field == "msgctxt" or (field == "msgid" and "msgid" in current):
                entries.append(current)
                current = {}
        current[field] = current.get(field, "") + ast.literal_eval(found[3])
    entries.append(current)
    return [entry for entry in entries if "msgid" in entry]


@cache
def catalogue(language: str) -> Catalogue:
    """Return the catalogue of a language in LANGUAGES, read once a process."""
    return Catalogue(read_po(FOLDER / f"{language}.po"))


def N_(text: str) -> str:  # noqa: N802 - gettext's customary name for "to be translated later"; the extractor knows it
    """Mark a text for the catalogues and return it as it is."""
    return text
