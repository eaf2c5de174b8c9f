"""The pages of the documentation lead somewhere: links and what code cites exist."""

import re
from pathlib import PurePosixPath

import pytest

from tests.house.tree import ROOT, files, text_of

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)|<img[^>]+src=\"([^\"]+)\"")
CITED = re.compile(r"\bdocs/[\w/-]+\.md\b")


def dead_links(path: str, text: str) -> list[str]:
    """Relative links of one page that lead nowhere."""
    links = [first or second for first, second in LINK.findall(text)]
    return [link for link in links if "://" not in link and not (ROOT / PurePosixPath(path).parent / link).exists()]


@pytest.mark.parametrize("page", [path for path in files() if path.endswith(".md")])
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    assert dead_links(page, text_of(page)) == []


def test_every_sheet_that_code_cites_exists() -> None:
    cited = {(path, name) for path in files() if path.endswith(".py") for name in CITED.findall(text_of(path))}
    assert [(path, name) for path, name in sorted(cited) if not (ROOT / name).exists()] == []


def test_every_sheet_is_listed_in_the_table_of_sheets() -> None:
    listed = text_of("docs/devices/README.md")
    assert [path for path in files() if path.startswith("docs/devices/") and f"({PurePosixPath(path).name})" not in listed] == [
        "docs/devices/README.md"
    ]


def test_a_dead_link_is_found() -> None:
    assert dead_links("docs/devices/README.md", "see [a](nowhere.md#part), [b](../architecture.md), [c](https://example.invalid/x)") == [
        "nowhere.md"
    ]
