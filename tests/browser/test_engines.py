"""The claims of docs/beacons.md that depend on the browser, in each engine."""

from collections.abc import Iterator

import pytest

from tests.browser.conftest import Collector
from tests.browser.engines import ENGINES, Engine, started
from tests.browser.site import Site

BATCH = "/api/v1/events/batch"


@pytest.fixture(scope="module", params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with started(request.param) as engine:
        yield engine


def test_a_page_view_arrives(engine: Engine, collector: Collector, site: Site) -> None:
    url = site.put("/shop", head=collector.script(key="shop"))
    engine.visit(url)
    (event,) = collector.wait_for("page_view")
    assert ("shop", url, "/shop") == (
        event["key"],
        event["properties"]["url"],
        event["properties"]["title"],
    )


def test_events_are_sent_in_batches_without_a_preflight(
    engine: Engine, collector: Collector, site: Site
) -> None:
    engine.visit(site.put("/", head=collector.script(auto="false")))
    engine.run("for (let n = 0; n < 20; n++) beacon('click', {n, text: 'ü'})")
    found = collector.wait_for("click", count=20)
    collector.process.stop()
    assert set(range(20)) == {event["properties"]["n"] for event in found}
    assert 1 == len(collector.requests(BATCH))
    assert [] == collector.requests(BATCH, "OPTIONS")


def test_the_last_event_arrives_by_beacon(engine: Engine, collector: Collector, site: Site) -> None:
    engine.visit(site.put("/", head=collector.script(auto="false")))
    engine.run("beacon('last')")
    engine.visit(site.put("/next"))
    collector.wait_for("last")


def test_the_last_event_arrives_by_fetch_with_keepalive(
    engine: Engine, collector: Collector, site: Site
) -> None:
    without = "<script>navigator.sendBeacon = undefined</script>"
    engine.visit(site.put("/", head=without + collector.script(auto="false")))
    engine.run("beacon('last')")
    engine.visit(site.put("/next"))
    collector.wait_for("last")


def test_the_title_of_a_view_is_read_late(engine: Engine, collector: Collector, site: Site) -> None:
    engine.visit(site.put("/", head=collector.script()))
    engine.run("""document.title = "first"; history.pushState({}, "", "/second");
        setTimeout(() => { document.title = "second" }, 300)""")
    found = collector.wait_for("page_view", count=2)
    assert ["first", "second"] == [event["properties"]["title"] for event in found]


@pytest.mark.parametrize(
    "script",
    [
        """for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window,
            name, {get() { throw new Error("denied") }})""",
        """localStorage["beacon.js:other"] = sessionStorage["beacon.js:"] = '["x", {}'""",
    ],
    ids=["denied", "damaged"],
)
def test_events_arrive_without_storage(
    engine: Engine, collector: Collector, site: Site, script: str
) -> None:
    changed = f"<script>{script}</script>"
    engine.visit(site.put("/", head=changed + collector.script()))
    collector.wait_for("page_view")


def test_events_that_could_not_be_sent_are_sent_by_the_next_page(
    engine: Engine, collector: Collector, site: Site
) -> None:
    url = site.put("/", head=collector.script(auto="false"))
    engine.visit(url)
    port = collector.url.rpartition(":")[2]
    collector.process.kill()
    engine.run("for (let n = 0; n < 5; n++) beacon('click', {n}); beacon.flush()")
    engine.visit(site.put("/next"))
    collector.process.start(PORT=port)
    engine.visit(url)
    found = collector.wait_for("click", count=5)
    assert list(range(5)) == sorted(event["properties"]["n"] for event in found)
