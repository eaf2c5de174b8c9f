"""The smallest pieces of a page: icons, and words with their icon and tone. A board draws a thousand of them, so each is made once."""

from collections.abc import Callable, Mapping
from functools import cache

from markupsafe import Markup, escape

from web import assets
from web.catalogue import catalogue
from web.words import Word

_ICON = Markup('<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>')
_WORD = Markup('<span class="{} {}">{}<span>{}</span></span>')


@cache
def icon(name: str) -> Markup:
    """Draw an icon. It always stands beside a word that says the same, so it is hidden from readers."""
    return _ICON.format(assets.url("icons.svg"), name)


def pieces(language: str) -> dict[str, Callable[..., Markup]]:
    """Return what templates draw with: icon(name), pill(word), mark(word), named_in(names, otherwise)."""
    say = catalogue(language).gettext

    @cache
    def pill(word: Word) -> Markup:
        """A word on a ground of its tone: the state of something."""
        return _WORD.format("pill", word.tone, icon(word.icon), say(word.text))

    @cache
    def mark(word: Word) -> Markup:
        """A word in the colour of its tone: a remark beside something."""
        return _WORD.format("mark", word.tone, icon(word.icon), say(word.text))

    def named_in(names: Mapping[str, str] | tuple[tuple[str, str], ...], otherwise: str) -> Markup:
        """A name that is kept per language, such as that of a room type."""
        return escape(dict(names).get(language, otherwise))

    return {"icon": icon, "pill": pill, "mark": mark, "named_in": named_in}
