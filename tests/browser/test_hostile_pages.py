"""beacon.js on pages that changed what it uses: no event of this page or the next one is lost."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import Collector, Visit
from tests.browser.hostile import HOSTILE, UNANSWERED
from tests.browser.site import Site
from tests.support.server_process import ServerProcess
from tests.support.waiting import WAIT_S

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


def titles_and_urls(collector: Collector, count: int) -> list[tuple[str, str]]:
    found = collector.wait_for("page_view", count=count)
    found.sort(key=lambda event: str(event["timestamp"]))
    return [(each["properties"]["title"], each["properties"]["url"]) for each in found]


def test_a_push_state_that_a_router_kept_is_seen(
    collector: Collector, site: Site, tab: Visit
) -> None:
    kept = "<script>const kept = history.pushState.bind(history)</script>"
    url = site.put("/", head=kept + collector.script())
    tab.page.goto(url)
    tab.page.evaluate("kept({}, '', '/second'); document.title = 'second'")
    assert [("/", url), ("second", f"{url}second")] == titles_and_urls(collector, count=2)


def test_without_the_navigation_api_it_is_seen_at_the_next_event(
    collector: Collector, site: Site, tab: Visit
) -> None:
    kept = """<script>const kept = history.pushState.bind(history);
        Object.defineProperty(window, "navigation", {value: undefined})</script>"""
    url = site.put("/", head=kept + collector.script())
    tab.page.goto(url)
    tab.page.evaluate("kept({}, '', '/second'); beacon('click')")
    assert [url, f"{url}second"] == [each[1] for each in titles_and_urls(collector, count=2)]


def test_where_local_storage_is_full_the_tab_keeps_what_was_not_sent(
    collector: Collector, site: Site, tab: Visit
) -> None:
    full = f"<script>{HOSTILE['localStorage full']}</script>"
    url = site.put("/", head=full + collector.script(auto="false"))
    tab.page.goto(url)
    port = collector.url.rpartition(":")[2]
    collector.process.kill()
    tab.page.evaluate("beacon('click')")
    tab.page.goto(site.put("/empty"))
    collector.process.start(PORT=port)
    tab.page.goto(site.put("/next", head=collector.script()))
    collector.wait_for("click")


def test_dates_and_own_classes_keep_their_json(
    collector: Collector, site: Site, tab: Visit
) -> None:
    changed = """<script>for (const each of [Date, Array, Object])
        each.prototype.toJSON = () => "changed"</script>"""
    tab.page.goto(site.put("/", head=changed + collector.script()))
    tab.page.evaluate(
        """() => {
            class Money { constructor() { this.cents = 5 } toJSON() { return "0.05" } }
            beacon("sale", {date: new Date(0), money: new Money(), url: new URL("http://a/"),
                list: [undefined, () => 1, NaN, Infinity, null, true, -0, 1.5e300], invalid:
                new Date(NaN), method() {}, "k\\ud83d": Object.create({inherited: 1})});
        }"""
    )
    (event,) = collector.wait_for("sale")
    assert {
        "date": "1970-01-01T00:00:00.000Z",
        "money": "0.05",
        "url": "http://a/",
        "list": [None, None, None, None, None, True, 0, 1.5e300],
        "invalid": None,
        "k\ufffd": {},
    } == event["properties"]


def test_a_long_title_and_url_are_cut(collector: Collector, site: Site, tab: Visit) -> None:
    long = "<script>document.title = '\\u{1f600}'.repeat(3000)</script>"
    url = site.put("/", head=long + collector.script())
    tab.page.goto(f"{url}?x={'y' * 9000}")
    ((title, viewed),) = titles_and_urls(collector, count=1)
    assert "\U0001f600" * 2000 == title
    assert f"{url}?x={'y' * 9000}"[:4000] == viewed
