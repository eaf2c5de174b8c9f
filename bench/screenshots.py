"""`./dev screenshots`: pictures of every page of the demo, two sizes, two languages, found by walking the links as a person would.

Uses the demo that runs in LATCHKEY_HOME, or the one that `--demo FILE` describes, or brings one up in an empty folder meanwhile.
"""

import argparse
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from host.exits import HostError, guarded
from host.home import home

SIZES = ((1366, 768), (390, 844))  # a desk's screen and a phone
LANGUAGES = ("zh", "en")
MOST_PAGES = 40
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
NOT_PAGES = re.compile(r"/(?:static|logout|live|events|api)\b|\.(?:csv|xlsx|json|pdf|ics)$")


def kind_of(path: str) -> str:
    """A page's kind: its path without the parts that name one thing, so that one order stands for all of them."""
    parts = [part for part in path.split("/") if part and not re.search(r"\d", part)]
    return "-".join(parts) or "start"


def walk(page: Page, start: str) -> dict[str, str]:
    """The first URL of each kind of page that links lead to from `start`, nearest first."""
    found: dict[str, str] = {}
    waiting = [start]
    while waiting and len(found) < MOST_PAGES:
        url = waiting.pop(0)
        if kind_of(urlsplit(url).path) in found:
            continue
        page.goto(url, wait_until="load")
        found.setdefault(kind_of(urlsplit(page.url).path), page.url.partition("?")[0])
        links: list[str] = page.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))")
        targets = [urljoin(page.url, link).partition("#")[0].partition("?")[0] for link in links]
        waiting += [target for target in targets if target.startswith(origin(start)) and not NOT_PAGES.search(urlsplit(target).path)]
    return found


def origin(url: str) -> str:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def log_in(page: Page, url: str, login: dict[str, str]) -> str:
    """Log in at central and return the page that follows."""
    page.goto(url, wait_until="load")
    page.fill("input[name=user]", login["user"])
    page.fill("input[name=password]", login["password"])
    page.click("form button")
    page.wait_for_load_state("load")
    if page.query_selector("input[name=password]"):
        raise HostError("central refused the demo's login", "Start the demo anew")
    return page.url


def shoot(browser: Browser, demo: dict[str, Any], into: Path) -> list[Path]:
    """Take every picture and return where they are."""
    taken = []
    first = browser.new_context()
    page = first.new_page()
    start = log_in(page, f"{demo['central']}/login", demo["login"])
    pages = {**walk(page, start), "login": f"{demo['central']}/login"}
    state = first.storage_state()
    for width, height in SIZES:
        for language in LANGUAGES:
            size = ViewportSize(width=width, height=height)
            known = browser.new_context(viewport=size, storage_state=state, device_scale_factor=1)
            stranger = browser.new_context(viewport=size)
            for name, url in pages.items():
                view = (stranger if name == "login" else known).new_page()
                view.goto(f"{url}?lang={language}", wait_until="load")
                taken.append(into / f"{name}-{language}-{width}x{height}.png")
                view.screenshot(path=taken[-1], full_page=True)
                view.close()
            known.close()
            stranger.close()
    return taken


@contextmanager
def running(told: Path | None) -> Iterator[dict[str, Any]]:
    """The demo's status file: that which was told, or which runs here, or a demo of our own for the length of the block."""
    status = told or home().root / "demo" / "demo.json"
    if told or status.exists():
        yield read(status)
        return
    with tempfile.TemporaryDirectory(prefix="latchkey-screenshots-") as folder:
        words = [sys.executable, "-m", "demo.cli", "run", "--home", folder, "--json"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
            try:
                yield read(wait_for(child.stdout or ()))
            finally:
                child.send_signal(signal.SIGINT)
                child.communicate()


def wait_for(lines: Iterable[str]) -> Path:
    """Where the status of a demo is that is being started, once it says that it is open; shows what it says until then."""
    for line in lines:
        said = json.loads(line)
        print(said["say"], file=sys.stderr)
        if "status" in said:
            return Path(said["status"])
    raise HostError("the demo did not come up", "`./dev run` says why")


def read(status: Path) -> dict[str, Any]:
    """One status file."""
    try:
        return dict(json.loads(status.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise HostError(f"{status} is no status of a running demo", "Start one with `./dev run`") from error


@guarded
def main() -> int:
    """Take the pictures and say where each is."""
    parser = argparse.ArgumentParser(prog="./dev screenshots", description="Pictures of every page of the demo.")
    parser.add_argument("--demo", type=Path, help="the demo.json of a running demo")
    parser.add_argument("--into", type=Path, default=Path("screenshots"), help="the folder for the pictures")
    told = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        raise HostError("Chromium is not installed", "apt-get install chromium fonts-noto-cjk")
    told.into.mkdir(parents=True, exist_ok=True)
    with running(told.demo) as demo, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for picture in shoot(browser, demo, told.into):
            print(picture)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
