"""A real browser, a site, and a collector at another origin."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.browser.site import Site
from tests.support.objects import events_in, files
from tests.support.parts import require
from tests.support.server_process import ServerProcess
from tests.support.waiting import wait_until

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
    """Chromium. It ends with its module, since its event loop must not run in others."""
    path = require("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A new visitor."""
    context = browser.new_context()
    context.set_default_timeout(60_000)
    yield context
    context.close()


class Visit:
    """A page and the lines of its console. No script on the page may fail."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.console: list[str] = []
        self.failures: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.failures.append(str(error)))

    def _on_console(self, message: ConsoleMessage) -> None:
        self.console.append(message.text)

    def said(self, pattern: str) -> bool:
        """Return whether a line of the console matches."""
        return any(re.search(pattern, line) for line in self.console)


@pytest.fixture
def visit(context: BrowserContext) -> Iterator[Callable[[], Visit]]:
    """A function that opens a tab."""
    visits: list[Visit] = []

    def open_tab() -> Visit:
        visits.append(Visit(context.new_page()))
        return visits[-1]

    yield open_tab
    assert [] == [failure for each in visits for failure in each.failures]


@pytest.fixture
def tab(visit: Callable[[], Visit]) -> Visit:
    """A tab."""
    return visit()


@pytest.fixture
def site() -> Iterator[Site]:
    """A site that has no pages yet."""
    site = Site()
    yield site
    site.close()


class Collector:
    """The whole server, and the events that it has delivered."""

    def __init__(self, process: ServerProcess) -> None:
        self.process = process
        process.settings["FLUSH_INTERVAL"] = "50ms"

    @property
    def url(self) -> str:
        """The origin of the collector."""
        return self.process.url

    def script(self, path: str = "/beacon.js", **data: str) -> str:
        """Return the tag of the collector's script."""
        given = "".join(f' data-{name.replace("_", "-")}="{value}"' for name, value in data.items())
        return f'<script async src="{self.url}{path}"{given}></script>'

    def stored(self) -> list[dict[str, Any]]:
        """Return every event in the store in the order of receipt."""
        self.process.wait_until_delivered()
        found = events_in(files(self.process.store))
        return sorted(found, key=lambda event: (event["received_at"], event["timestamp"]))

    def of_type(self, *types: str) -> list[dict[str, Any]]:
        """Return the delivered events of these types."""
        return [event for event in self.stored() if event["event_type"] in types]

    def wait_for(self, *types: str, count: int = 1) -> list[dict[str, Any]]:
        """Return the delivered events of these types as soon as there are so many."""
        found: list[dict[str, Any]] = []

        def is_enough() -> bool:
            found[:] = self.of_type(*types)
            return len(found) >= count

        wait_until(is_enough, lambda: [len(found), self.process.log()[-10:]])
        return found

    def requests(self, path: str, method: str = "POST") -> list[dict[str, Any]]:
        """Return the access log's lines for a path."""
        return [
            line
            for line in self.process.log("request")
            if (line["path"], line["method"]) == (path, method)
        ]


@pytest.fixture
def collector(server: ServerProcess) -> Collector:
    """The collector, running."""
    collector = Collector(server)
    server.start()
    return collector


@pytest.fixture
def stopped_collector(server: ServerProcess) -> Collector:
    """The collector, for a test that starts it with its own settings."""
    return Collector(server)


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """A folder for screenshots."""
    return tmp_path
