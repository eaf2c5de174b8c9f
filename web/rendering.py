"""Turns templates and contexts into pages: one Jinja environment per language over the same folders."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from web import assets, formats, pieces, words
from web.catalogue import LANGUAGES, TAGS, catalogue
from web.views import LineState

FOLDER = Path(__file__).parent / "jinja"


@dataclass(frozen=True, slots=True)
class NavItem:
    """One entry of the main navigation; `text` is a msgid, `icon` a name in icons.jinja."""

    href: str
    text: str
    icon: str
    current: bool = False


@dataclass(frozen=True, slots=True)
class Shell:
    """What stands around every page. `console` is a msgid that says which console this is; `place` the hotel's name.

    `now` is business time in the hotel's zone; `live` the address of the page's event stream, None for a page that stands still;
    `line` is how a box stands with central, None where nothing is between.
    """

    console: str
    place: str
    now: datetime
    business_date: date | None = None
    nav: tuple[NavItem, ...] = ()
    person: str | None = None
    csrf: str = ""
    simulated: bool = False
    live: str | None = None
    logout: str | None = None
    path: str = "/"
    line: LineState | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """The templates of one program, ready in every language."""

    environments: Mapping[str, Environment] = field(repr=False)

    def render(self, name: str, language: str, **context: Any) -> str:
        """Return the text of template `name`; raises jinja2's errors for an unknown name or a missing value."""
        return self.environments[language].get_template(name).render(context)

    def fragment(self, name: str, macro: str, language: str, *arguments: Any) -> str:
        """Return what one macro of a template draws: the same text that stands in the whole page."""
        module = self.environments[language].get_template(name).module
        return str(getattr(module, macro)(*arguments)).strip()

    def page(self, name: str, language: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """Return a whole page; it is never kept by a cache, because it shows guests."""
        headers = {"Cache-Control": "no-store", "Content-Language": TAGS[language], "Vary": "Accept, Accept-Language, Cookie"}
        return HTMLResponse(self.render(name, language, **context), status, headers)


def templates(*folders: Path, names: Mapping[str, Any] | None = None) -> Look:
    """Return the templates of `folders` (the program's own first) over the shared ones.

    Templates get gettext (`_`, `ngettext`, `pgettext`), `asset(name)`, `words` (code -> Word), icon, pill, mark and named_in of
    pieces.py, and the filters day, clock, moment, short and money, all bound to the page's language; `names` adds what the
    program's own templates need. A missing value is an error, never an empty place on a page.
    """
    environments = {}
    for language in LANGUAGES:
        loader = FileSystemLoader([*folders, FOLDER])
        environment = Environment(
            loader=loader,
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        install = vars(environment)["install_gettext_translations"]  # put there by the extension
        install(catalogue(language), newstyle=True)
        environment.globals |= {
            "asset": assets.url,
            "words": words,
            "language": language,
            "languages": LANGUAGES,
            "tag": TAGS[language],
            "tags": TAGS,
        }
        environment.globals |= pieces.pieces(language) | dict(names or {})
        environment.filters |= _bound(language) | {"dict": dict}
        environments[language] = environment
    return Look(environments)


def _bound(language: str) -> dict[str, Callable[..., str]]:
    """The filters that write for a reader of `language`."""
    return {
        "day": lambda value, weekday=True: formats.day(value, language, weekday=weekday),
        "clock": formats.clock,
        "moment": lambda value, today: formats.moment(value, today, language),
        "short": lambda value, today: formats.short(value, today, language),
        "money": formats.money,
    }
