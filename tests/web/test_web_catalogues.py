"""Every text that a person reads has its Chinese words, and the reader of the catalogues agrees with Babel's."""

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po as babel_read_po

from web import words
from web.catalogue import FOLDER, LANGUAGES, BadCatalogue, catalogue, read_po
from wire.entities import Care, KeyKind, KeyStatus, StayStatus
from wire.facts import RightState
from wire.rooms import BOOKED, BOOKED_DIRTY, DIRTY, DUE_OUT, OCCUPIED, OUT_OF_ORDER, OUT_OF_SERVICE, VACANT
from wire.stays import Reason, Status

ROOT = Path(__file__).resolve().parents[2]
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2"), ("jinja/**", "jinja2")]
KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}
SAME_IN_CHINESE: set[str] = set()  # names and codes that are written alike; none so far
HAN = re.compile(r"[\u4e00-\u9fff]")
DEVICE_CODES = [
    "OK",
    "BAD_REQUEST",
    "UNSUPPORTED",
    "UNAUTHENTICATED",
    "REPLAY",
    "STALE_VERSION",
    "EXPIRED",
    "BUSY",
    "TIMEOUT",
    "RESOURCE_EXHAUSTED",
    "NOT_FOUND",
    "CONFLICT",
    "CLOCK_INVALID",
    "LOW_POWER",
    "ACTUATOR_JAM",
    "PRIVACY_ACTIVE",
    "STORAGE_FAULT",
    "NO_CARD",
    "CARD_REMOVED",
    "WRONG_CARD_TYPE",
    "WRITE_ERROR",
    "VERIFY_MISMATCH",
    "FOREIGN_CARD",
    "CARD_PROTECTED",
    "SENSOR_FAULT",
    "LINK_DOWN",
]  # device sheet, section 1


def marked() -> Iterator[str]:
    """Every msgid that templates and modules of all consoles mark."""
    for package in ("web", "central", "gateway", "firmware_sim"):
        for _, _, message, _, _ in extract_from_dir(str(ROOT / package), METHODS, keywords=KEYWORDS):
            yield message if isinstance(message, str) else message[0]


def test_every_marked_text_has_chinese_words() -> None:
    known = {entry["msgid"]: entry["msgstr0"] for entry in read_po(FOLDER / "zh.po")}
    silent = sorted({text for text in marked() if not HAN.search(known.get(text, "")) and text not in SAME_IN_CHINESE})
    assert silent == [], "texts without Chinese words in web/locale/zh.po"


def test_no_chinese_words_are_left_over() -> None:
    in_use = set(marked())
    assert [entry["msgid"] for entry in read_po(FOLDER / "zh.po") if entry["msgid"] and entry["msgid"] not in in_use] == []


def test_no_text_stands_twice_in_a_catalogue() -> None:
    texts = [entry["msgid"] for entry in read_po(FOLDER / "zh.po")]
    assert len(texts) == len(set(texts))


@pytest.mark.parametrize("language", LANGUAGES)
def test_our_reader_agrees_with_babel(language: str) -> None:
    with (FOLDER / f"{language}.po").open("rb") as file:
        theirs = {m.id if isinstance(m.id, str) else m.id[0]: m.string for m in babel_read_po(file) if m.id}
    ours = {e["msgid"]: tuple(e[k] for k in sorted(e) if k.startswith("msgstr")) for e in read_po(FOLDER / f"{language}.po") if e["msgid"]}
    assert ours == {text: (said,) if isinstance(said, str) else tuple(said or ()) for text, said in theirs.items()}


def test_placeholders_survive_translation() -> None:
    for entry in read_po(FOLDER / "zh.po"):
        if entry["msgid"]:
            assert set(re.findall(r"%\(\w+\)\w", entry["msgid"])) == set(re.findall(r"%\(\w+\)\w", entry["msgstr0"])), entry["msgid"]


def test_a_broken_catalogue_names_the_line(tmp_path: Path) -> None:
    broken = tmp_path / "xx.po"
    broken.write_text('msgid "Vacant"\nmsgstr "空房"\n\nmsgid Booked\n', "utf-8")
    with pytest.raises(BadCatalogue, match=r"xx\.po:4: .*Booked"):
        read_po(broken)


def test_long_texts_contexts_and_plurals_are_read(tmp_path: Path) -> None:
    file = tmp_path / "xx.po"
    lines = [
        "#, fuzzy",
        'msgctxt "bed"',
        'msgid ""',
        '"Dou"',
        '"ble"',
        r'msgstr "\"双\"\n"',
        "",
        'msgid "%(n)d day"',
        'msgid_plural "%(n)d days"',
    ]
    file.write_text("\n".join([*lines, 'msgstr[0] "a"', 'msgstr[1] "b"', ""]), "utf-8")
    assert read_po(file) == [
        {"msgctxt": "bed", "msgid": "Double", "msgstr0": '"双"\n'},
        {"msgid": "%(n)d day", "msgid_plural": "%(n)d days", "msgstr0": "a", "msgstr1": "b"},
    ]


def test_plurals_follow_the_language() -> None:
    assert [catalogue("en").ngettext("%(num)d night", "%(num)d nights", n) for n in (1, 2)] == ["%(num)d night", "%(num)d nights"]
    assert {catalogue("zh").ngettext("%(num)d night", "%(num)d nights", n) for n in (1, 2)} == {"%(num)d 晚"}


@pytest.mark.parametrize(
    ("table", "codes"),
    [
        (words.CARE, Care), (words.RIGHT, RightState), (words.KEY, KeyStatus), (words.KEY_KIND, KeyKind), (words.STATUS, StayStatus),
        (words.STATUS, Status), (words.REASON, Reason),
    ],
)  # fmt: skip
def test_every_code_on_the_line_has_a_word(table: dict[str, object], codes: type[StrEnum]) -> None:
    assert {str(code) for code in codes} - table.keys() == set()


def test_every_word_of_the_board_has_icon_and_text() -> None:
    shown = {s.word for s in (OUT_OF_ORDER, OUT_OF_SERVICE, OCCUPIED, DUE_OUT, BOOKED, BOOKED_DIRTY, DIRTY, VACANT)}
    assert shown == words.SHOWN.keys()
    assert all(word.text and word.icon for word in words.SHOWN.values())


@pytest.mark.parametrize("code", DEVICE_CODES)
def test_every_device_code_tells_a_receptionist_what_to_do(code: str) -> None:
    for language in LANGUAGES:
        said = catalogue(language).gettext(words.coded(code).text)
        assert said
        assert code not in said
    if code != "OK":
        assert words.coded(code).advice


def test_every_icon_that_is_named_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="(\w+)"', (ROOT / "web/static/icons.svg").read_text()))
    tables = [t for t in vars(words).values() if isinstance(t, dict)]
    named = {word.icon for table in tables for word in table.values() if isinstance(word, words.Word)}
    for template in [*ROOT.glob("web/jinja/*"), *ROOT.glob("central/pages/templates/*"), *ROOT.glob("gateway/desk/templates/*")]:
        named |= set(re.findall(r"icon\('(\w+)'\)", template.read_text()))
    assert named - drawn == set()


@pytest.mark.parametrize(
    ("kind", "data", "says"),
    [
        ("lock_operation", {"op": "unlock", "source": "rfid"}, "Opened with a card"),
        ("lock_operation", {"op": "lock", "source": "auto"}, "Locked"),
        ("access_denied", {"reason": "superseded"}, "Not opened: a newer key has replaced this one"),
        ("access_denied", {}, "Not opened"),
        ("door_state", {"state": "open"}, "Door open"),
        ("door_state", {"state": 77}, "The door moved"),
        ("alarm", {"kind": "forced"}, "Alarm: the door was forced"),
        ("something_new", {}, "Other event of the lock"),
    ],
)
def test_a_door_speaks_in_words(kind: str, data: dict[str, object], says: str) -> None:
    assert words.door_event(kind, data).text == says
