"""beacon.js on pages that changed what it uses: no event of this page or the next one is lost."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import Collector, Visit
from tests.browser.hostile import HOSTILE, UNANSWERED
from tests.browser.site import Site
from tests.support.server_process import WAIT_S, ServerProcess

CLICK = """<script>
    beacon("click", {n: 1, list: [1, [2], {}], text: "\\u00e9\\ud83d\\u2028", none: undefined});
</script>"""
PROPERTIES = {"n": 1, "list": [1, [2], {}], "text": "\u00e9\ufffd\u2028"}


@pytest.fixture(scope="module")
def shared_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """One collector for all pages, whose events differ in their `key`."""
    process = ServerProcess(tmp_path_factory.mktemp("collector"))
    collector = Collector(process)
    process.start()
    yield collector
    process.clean_up()


class Pages:
    """A page that was changed before beacon.js ran, and a page that was not."""

    def __init__(self, collector: Collector, site: Site, key: str, script: str) -> None:
        self._collector = collector
        self._key = key
        tag = collector.script(key=key).replace("async ", "")
        changed = f"<script>{script}</script>"
        self.changed = site.put("/changed", head=changed + tag, body=CLICK)
        self.next = site.put("/next", head=tag)

    def wait_for(self, *types: str) -> list[dict[str, Any]]:
        """Return the events of the two pages, as soon as they have these types."""
        until = time.monotonic() + WAIT_S
        while True:
            events = [each for each in self._collector.stored() if each.get("key") == self._key]
            found = sorted(each["event_type"] for each in events)
            if found == sorted(types):
                return events
            assert time.monotonic() < until, found
            time.sleep(0.1)


@pytest.fixture
def pages(
    request: pytest.FixtureRequest, shared_collector: Collector, site: Site, name: str
) -> Pages:
    scripts = {**HOSTILE, **UNANSWERED}
    key = f"{request.function.__name__}-{list(scripts).index(name)}"
    return Pages(shared_collector, site, key, scripts[name])


def of_click(events: list[dict[str, Any]]) -> object:
    return next(each["properties"] for each in events if each["event_type"] == "click")


@pytest.mark.parametrize("name", HOSTILE)
def test_events_arrive_while_the_page_stays(pages: Pages, tab: Visit) -> None:
    tab.page.goto(pages.changed)
    assert PROPERTIES == of_click(pages.wait_for("page_view", "click"))
    tab.page.goto(pages.next)
    pages.wait_for("page_view", "page_view", "click")


@pytest.mark.parametrize("name", [*HOSTILE, *UNANSWERED])
def test_events_arrive_from_a_page_that_is_left(pages: Pages, tab: Visit) -> None:
    tab.page.goto(pages.changed)
    tab.page.goto(pages.next)
    assert PROPERTIES == of_click(pages.wait_for("page_view", "page_view", "click"))
