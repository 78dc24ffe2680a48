"""A real browser, a site, and a collector at another origin."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.browser.site import Site
from tests.support.objects import events_in, files
from tests.support.parts import require
from tests.support.server_process import WAIT_S, ServerProcess

_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. It ends with its module: its event loop must not be there in others."""
    path = require("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor who was never here."""
    context = browser.new_context()
    context.set_default_timeout(15_000)
    yield context
    context.close()


class Visit:
    """A page, and what it said on its console. No script on it may fail."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.console: list[str] = []
        self.failures: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.failures.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        self.console.append(message.text)

    def said(self, pattern: str) -> bool:
        """Whether the console has a line that matches."""
        return any(re.search(pattern, line) for line in self.console)


@pytest.fixture
def visit(context: BrowserContext) -> Iterator[Callable[[], Visit]]:
    """Open a tab."""
    visits: list[Visit] = []

    def open_tab() -> Visit:
        visits.append(Visit(context.new_page()))
        return visits[-1]

    yield open_tab
    assert [] == [failure for each in visits for failure in each.failures]


@pytest.fixture
def tab(visit: Callable[[], Visit]) -> Visit:
    """One tab."""
    return visit()


@pytest.fixture
def site() -> Iterator[Site]:
    """A site without pages yet."""
    site = Site()
    yield site
    site.close()


class Collector:
    """The whole server, and what it has stored."""

    def __init__(self, process: ServerProcess) -> None:
        self.process = process
        process.settings["FLUSH_INTERVAL"] = "50ms"

    @property
    def url(self) -> str:
        """Its origin."""
        return self.process.url

    def script(self, path: str = "/beacon.js", **data: str) -> str:
        """The tag of its script."""
        given = "".join(f' data-{name.replace("_", "-")}="{value}"' for name, value in data.items())
        return f'<script async src="{self.url}{path}"{given}></script>'

    def stored(self) -> list[dict[str, Any]]:
        """Every event in the store, by time of receipt."""
        self.process.wait_until_delivered()
        found = events_in(files(self.process.store))
        return sorted(found, key=lambda event: (event["received_at"], event["timestamp"]))

    def of_type(self, *types: str) -> list[dict[str, Any]]:
        """The stored events of these types."""
        return [event for event in self.stored() if event["event_type"] in types]

    def wait_for(self, *types: str, count: int = 1) -> list[dict[str, Any]]:
        """The stored events of these types, as soon as there are so many."""
        until = time.monotonic() + WAIT_S
        while len(found := self.of_type(*types)) < count:
            assert time.monotonic() < until, [len(found), self.process.log()[-10:]]
            time.sleep(0.05)
        return found

    def requests(self, path: str, method: str = "POST") -> list[dict[str, Any]]:
        """What its log says of the requests to a path."""
        return [
            line
            for line in self.process.log("request")
            if (line["path"], line["method"]) == (path, method)
        ]


@pytest.fixture
def collector(server: ServerProcess) -> Collector:
    """The collector, started."""
    collector = Collector(server)
    server.start()
    return collector


@pytest.fixture
def stopped_collector(server: ServerProcess) -> Collector:
    """The collector, for a test that starts it with settings of its own."""
    return Collector(server)


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """A folder for screenshots."""
    return tmp_path
