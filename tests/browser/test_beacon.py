"""beacon.js on ordinary pages: the requests that it sends, and the form of its events."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import BrowserContext

from handlers.assets import WebFiles
from tests.browser.conftest import Collector, Visit
from tests.browser.site import Site
from tests.support.server_process import ROOT
from tests.support.waiting import WAIT_S

DOCS = (ROOT / "docs" / "beacons.md").read_text(encoding="utf-8")
STUB = next(block for block in re.findall(r"```html\n(.*?)```", DOCS, re.S) if "beacon.q" in block)


def test_a_page_view_is_sent_without_a_call(collector: Collector, site: Site, tab: Visit) -> None:
    url = site.put("/shop", head=collector.script(key="teapots"))
    tab.page.goto(url, referer="https://search.example/")
    (event,) = collector.wait_for("page_view")
    assert {"url": url, "title": "/shop", "referrer": "https://search.example/"} == event[
        "properties"
    ]
    assert "teapots" == event["key"]
    assert re.fullmatch(r"[0-9-]{7,43}", event["event_id"])
    assert re.fullmatch(r"[0-9-]{7,43}", event["session_id"])
    assert event["timestamp"] <= event["sent_at"]
    assert "HeadlessChrome" in event["user_agent"]
    assert not {"user_id", "lost_events", "clock_correction_ms"} & event.keys()


def test_events_are_batched_as_text_without_a_preflight(
    collector: Collector, site: Site, tab: Visit
) -> None:
    tab.page.goto(site.put("/", head=collector.script()))
    tab.page.evaluate("for (let n = 0; n < 20; n++) beacon('click', {n})")
    found = collector.wait_for("click", count=20)
    collector.process.stop()
    assert list(range(20)) == sorted(event["properties"]["n"] for event in found)
    assert 21 == len({event["event_id"] for event in found}) + 1
    assert len(collector.requests("/api/v1/events/batch")) <= 2
    assert [] == collector.requests("/api/v1/events/batch", "OPTIONS")


def test_properties_have_the_values_of_the_time_of_the_call(
    collector: Collector, site: Site, tab: Visit
) -> None:
    tab.page.goto(site.put("/", head=collector.script()))
    tab.page.evaluate("const p = {n: 1}; beacon('click', p); p.n = 2")
    (event,) = collector.wait_for("click")
    assert {"n": 1} == event["properties"]


def test_a_visitor_is_identified_for_the_session_and_on_the_next_page(
    collector: Collector, site: Site, tab: Visit
) -> None:
    first, second = (site.put(path, head=collector.script()) for path in ("/1", "/2"))
    tab.page.goto(first)
    tab.page.evaluate("beacon.identify('u-17'); beacon('a')")
    tab.page.goto(second)
    tab.page.evaluate("beacon('b'); beacon.identify(null); beacon('c')")
    found = {event["event_type"]: event for event in collector.wait_for("a", "b", "c", count=3)}
    assert ("u-17", "u-17", None) == tuple(found[name].get("user_id") for name in "abc")
    assert 1 == len({event["session_id"] for event in found.values()})


def test_a_session_ends_after_half_an_hour_without_an_event(
    collector: Collector, site: Site, tab: Visit
) -> None:
    tab.page.clock.install()
    tab.page.goto(site.put("/", head=collector.script(auto="false")))
    tab.page.evaluate("beacon('a')")
    tab.page.clock.fast_forward("29:00")
    tab.page.evaluate("beacon('b')")
    tab.page.clock.fast_forward("31:00")
    tab.page.evaluate("beacon('c'); beacon.flush()")
    found = {event["event_type"]: event for event in collector.wait_for("a", "b", "c", count=3)}
    assert found["a"]["session_id"] == found["b"]["session_id"] != found["c"]["session_id"]


def test_calls_before_the_script_is_loaded_are_made_later(
    collector: Collector, site: Site, tab: Visit
) -> None:
    early = "<script>beacon.identify('u-1'); beacon('early', {n: 1}); beacon.flush()</script>"
    later = collector.script()
    tab.page.goto(site.put("/", head=STUB + early, body=later))
    event, view = collector.wait_for("early", "page_view", count=2)
    assert ("u-1", "u-1") == (event["user_id"], view["user_id"])
    assert ("early", {"n": 1}) == (event["event_type"], event["properties"])
    assert event["timestamp"] <= view["timestamp"]


def test_navigation_through_the_history_api_is_a_page_view(
    collector: Collector, site: Site, tab: Visit
) -> None:
    start = site.put("/app", head=collector.script())
    tab.page.goto(start)
    tab.page.evaluate(
        """async () => {
            const pause = () => new Promise((resolve) => setTimeout(resolve, 20));
            const back = () => new Promise((resolve) => {
                addEventListener("popstate", () => pause().then(resolve), {once: true});
                history.back();
            });
            history.pushState({}, "", "/app?room=1"); document.title = "one"; await pause();
            history.replaceState({}, "", "/app?room=1"); await pause();
            history.replaceState({}, "", "/app?room=2"); document.title = "two"; await pause();
            location.hash = "part"; await pause();
            await back(); await back();
        }"""
    )
    found = collector.wait_for("page_view", count=4)
    views = [(event["properties"]["url"], event["properties"]["title"]) for event in found]
    assert [
        (start, "/app"),
        (f"{start}?room=1", "one"),
        (f"{start}?room=2", "two"),
        (start, "two"),
    ] == views
    assert start == found[1]["properties"]["referrer"]


def test_a_page_restored_from_the_browsers_cache_is_viewed_again(
    collector: Collector, site: Site, tab: Visit
) -> None:
    tab.page.goto(site.put("/", head=collector.script()))
    collector.wait_for("page_view")
    tab.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    collector.wait_for("page_view", count=2)


def test_without_auto_nothing_is_sent_without_a_call(
    collector: Collector, site: Site, tab: Visit
) -> None:
    tab.page.goto(site.put("/", head=collector.script(auto="false")))
    tab.page.evaluate("history.pushState({}, '', '/x'); beacon('only')")
    collector.wait_for("only")
    assert ["only"] == [event["event_type"] for event in collector.stored()]


@pytest.mark.parametrize("wish", ["globalPrivacyControl", "doNotTrack"])
@pytest.mark.parametrize("respect", [True, False])
def test_a_visitor_who_asks_not_to_be_tracked_is_not_tracked(
    collector: Collector, site: Site, context: BrowserContext, tab: Visit, wish: str, respect: bool
) -> None:
    value = "true" if wish == "globalPrivacyControl" else "'1'"
    context.add_init_script(f"Object.defineProperty(navigator, '{wish}', {{value: {value}}})")
    data = {} if respect else {"respect_privacy": "false"}
    tab.page.goto(site.put("/", head=collector.script(**data)))
    tab.page.evaluate("beacon('a'); beacon.identify('u'); beacon.flush()")
    if respect:
        tab.page.goto(site.put("/next"))
        assert [] == collector.stored()
        assert 0 == tab.page.evaluate("localStorage.length + sessionStorage.length")
    else:
        collector.wait_for("a")


def test_a_second_tag_changes_nothing(collector: Collector, site: Site, tab: Visit) -> None:
    twice = collector.script() + collector.script()
    tab.page.goto(site.put("/", head=twice))
    tab.page.evaluate("beacon('done')")
    collector.wait_for("done")
    assert 1 == len(collector.of_type("page_view"))


def test_an_element_named_beacon_does_no_harm(collector: Collector, site: Site, tab: Visit) -> None:
    tab.page.goto(site.put("/", body=f'<p id="beacon">x</p>{collector.script()}'))
    collector.wait_for("page_view")


def test_no_call_throws_into_the_page(collector: Collector, site: Site, tab: Visit) -> None:
    tab.page.goto(site.put("/", head=collector.script()))
    tab.page.evaluate(
        """() => {
            const circle = {}; circle.circle = circle;
            beacon("circle", circle); beacon("big", {n: 1n}); beacon(); beacon.identify(circle);
            beacon.identify(null); beacon("fine");
        }"""
    )
    collector.wait_for("fine")
    assert tab.said("circular structure")
    assert tab.said("BigInt")


def test_the_console_says_why_an_event_was_rejected(
    collector: Collector, site: Site, tab: Visit
) -> None:
    tab.page.goto(site.put("/", head=collector.script()))
    with tab.page.expect_console_message(lambda message: "beacon.js:" in message.text) as caught:
        tab.page.evaluate("beacon(' '); beacon('good')")
    errors = caught.value.args[2].json_value()
    assert "event_type must not be blank" == errors[0]["message"]
    collector.wait_for("good")
    tab.page.goto(site.put("/next", head=collector.script()))
    collector.wait_for("page_view", count=2)
    assert 1 == collector.process.get("/health").json()["events"]["rejected"]


def test_a_script_with_integrity_is_run(collector: Collector, site: Site, tab: Visit) -> None:
    asset = WebFiles.read(ROOT / "web").beacon
    tag = (
        f'<script async src="{collector.url}/beacon.{asset.hash}.js" '
        f'integrity="{asset.integrity}" crossorigin></script>'
    )
    tab.page.goto(site.put("/", head=tag))
    collector.wait_for("page_view")


def test_a_copy_of_the_script_finds_the_collector_by_its_address(
    collector: Collector, site: Site, tab: Visit
) -> None:
    copy = site.put_file("/assets/mine.js", WebFiles.read(ROOT / "web").beacon.body.decode())
    tag = f'<script src="{copy}" data-url="{collector.url}/"></script>'
    tab.page.goto(site.put("/", head=tag))
    collector.wait_for("page_view")


@pytest.mark.parametrize(
    ("script", "batch"), [("/a/s.js", "/a/b"), ("/a/beacon.js", "/a/api/v1/events/batch")]
)
def test_a_script_under_an_alias_sends_under_it(
    stopped_collector: Collector, site: Site, tab: Visit, script: str, batch: str
) -> None:
    collector = stopped_collector
    collector.process.start(INGEST_ALIASES="/a")
    tab.page.goto(site.put("/", head=collector.script(script)))
    collector.wait_for("page_view")
    collector.process.stop()
    assert 1 == len(collector.requests(batch))


def test_an_alias_gets_past_a_blocker(
    stopped_collector: Collector, site: Site, context: BrowserContext, visit: Callable[[], Visit]
) -> None:
    collector = stopped_collector
    collector.process.start(INGEST_ALIASES="/a")
    blocked = re.compile(r"127\.0\.0\.1.*(event|track|collect|pixel|analytics|beacon)")
    context.route(blocked, lambda route: route.abort("blockedbyclient"))
    named, neutral = visit(), visit()
    named.page.goto(site.put("/named", head=collector.script()))
    assert named.page.evaluate("window.beacon === undefined")
    neutral.page.goto(site.put("/neutral", head=collector.script("/a/s.js")))
    (event,) = collector.wait_for("page_view")
    assert "/neutral" == event["properties"]["title"]


def test_a_wrong_clock_is_corrected(collector: Collector, site: Site, tab: Visit) -> None:
    tab.page.clock.install(time=datetime(2031, 5, 1, 12))
    tab.page.goto(site.put("/", head=collector.script(auto="false")))
    tab.page.clock.pause_at(datetime(2031, 5, 1, 13))
    tab.page.evaluate("beacon('late')")
    tab.page.clock.run_for(1500)
    (event,) = collector.wait_for("late")
    names = ("original_timestamp", "sent_at", "timestamp", "received_at")
    made, sent, corrected, received = (datetime.fromisoformat(event[name]) for name in names)
    assert 2031 == made.year
    assert timedelta(seconds=1) == sent - made, "the page sends a second after the event"
    # The correction is by the time of reading, which follows that of receipt.
    read_after = (sent - made) - (received - corrected)
    assert timedelta(milliseconds=-1) <= read_after < timedelta(seconds=WAIT_S)
    assert event["clock_correction_ms"] < -100_000_000_000
