"""beacon.js on difficult pages: closed, offline, without storage, under strict policies."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Route

from tests.browser.conftest import Collector, Visit
from tests.browser.front import Front, Response
from tests.browser.site import Site
from tests.support.waiting import wait_until

BATCH = "/api/v1/events/batch"


def numbers(events: list[dict[str, Any]]) -> list[int]:
    return sorted(event["properties"]["n"] for event in events)


def test_the_last_event_of_a_closed_page_arrives_100_times_of_100(
    collector: Collector, site: Site, visit: Callable[[], Visit]
) -> None:
    url = site.put("/", head=collector.script(auto="false"))
    for n in range(100):
        tab = visit()
        tab.page.goto(url)
        tab.page.evaluate("n => beacon('last', {n})", n)
        tab.page.close()
    # A browser that is short of time may drop a request of a closed page: then the next page sends.
    collector.wait_for("last", count=95)
    visit().page.goto(url)
    assert list(range(100)) == numbers(collector.wait_for("last", count=100))


def test_the_last_click_on_a_page_arrives_before_the_next_page_loads(
    collector: Collector, site: Site, tab: Visit
) -> None:
    site.put("/next")
    link = "<a href=/next onclick=\"beacon('click', {n: 1})\">next</a>"
    tab.page.goto(site.put("/", head=collector.script(), body=link))
    tab.page.click("a")
    tab.page.wait_for_url("**/next")
    assert [1] == numbers(collector.wait_for("click"))


def test_unconfirmed_events_are_sent_again_by_the_next_page_and_stored_once(
    collector: Collector, site: Site, tab: Visit
) -> None:
    # No timer fires: each page sends only when it is left.
    tab.page.clock.install()
    tab.page.clock.pause_at(datetime.now() + timedelta(hours=1))
    for path in ("/1", "/2", "/3"):
        tab.page.goto(site.put(path, head=collector.script()))
        tab.page.evaluate("beacon('click', {n: 1})")
    tab.page.clock.resume()
    found = collector.wait_for("click", count=3)
    collector.wait_for("page_view", count=3)
    assert 3 == len({event["event_id"] for event in found})
    counted = collector.process.get("/health").json()["events"]
    assert counted["duplicate"] >= 2
    tab.page.wait_for_function("Object.keys(localStorage).length === 0")
    ids = [event["event_id"] for event in collector.stored()]
    assert len(ids) == len(set(ids))


def test_events_of_a_page_that_is_offline_arrive_when_it_is_online(
    collector: Collector, site: Site, context: BrowserContext, tab: Visit
) -> None:
    tab.page.goto(site.put("/", head=collector.script()))
    collector.wait_for("page_view")
    context.set_offline(True)
    for n in range(5):
        tab.page.evaluate("n => { beacon('click', {n}); beacon.flush() }", n)
    tab.page.wait_for_function(
        "Object.keys(localStorage).some(key => key.startsWith('beacon.js:'))"
    )
    context.set_offline(False)
    found = collector.wait_for("click", count=5)
    assert list(range(5)) == numbers(found)
    tab.page.wait_for_function("Object.keys(localStorage).length === 0")


def test_a_page_that_ends_offline_leaves_its_events_to_the_next(
    collector: Collector, site: Site, context: BrowserContext, visit: Callable[[], Visit]
) -> None:
    url = site.put("/", head=collector.script(auto="false"))
    tab = visit()
    tab.page.goto(url)
    context.set_offline(True)
    tab.page.evaluate("for (let n = 0; n < 5; n++) beacon('click', {n})")
    tab.page.close()
    context.set_offline(False)
    assert [] == collector.stored()
    visit().page.goto(url)
    assert list(range(5)) == numbers(collector.wait_for("click", count=5))


def test_a_restart_of_the_server_loses_no_event_and_doubles_none(
    collector: Collector, site: Site, visit: Callable[[], Visit]
) -> None:
    url = site.put("/", head=collector.script(auto="false"))
    stays, leaves = visit(), visit()
    for tab in (stays, leaves):
        tab.page.goto(url)
    stays.page.evaluate("beacon('click', {n: 0}); beacon.flush()")
    collector.wait_for("click")
    port = collector.url.rpartition(":")[2]
    collector.process.kill()
    stays.page.evaluate("beacon('click', {n: 1}); beacon.flush()")
    leaves.page.evaluate("beacon('click', {n: 2})")
    leaves.page.close()
    collector.process.start(PORT=port)
    stays.page.evaluate("beacon('click', {n: 3})")
    collector.wait_for("click", count=3)
    visit().page.goto(url)
    assert [0, 1, 2, 3] == numbers(collector.wait_for("click", count=4))


@pytest.mark.parametrize("storage", ["localStorage", "sessionStorage", "both"])
def test_events_arrive_where_storage_is_denied(
    collector: Collector, site: Site, context: BrowserContext, tab: Visit, storage: str
) -> None:
    names = ["localStorage", "sessionStorage"] if storage == "both" else [storage]
    for name in names:
        context.add_init_script(
            f"Object.defineProperty(window, '{name}', {{get() {{ throw new DOMException() }}}})"
        )
    tab.page.goto(site.put("/", head=collector.script()))
    tab.page.evaluate("beacon.identify('u-1'); beacon('click', {n: 1})")
    (event,) = collector.wait_for("click")
    (view,) = collector.wait_for("page_view")
    assert "u-1" == event["user_id"]
    assert view["session_id"] == event["session_id"]


def test_a_sandboxed_frame_without_an_origin_may_send(
    collector: Collector, site: Site, tab: Visit
) -> None:
    site.put("/frame", head=collector.script())
    tab.page.goto(site.put("/", body='<iframe sandbox="allow-scripts" src="/frame"></iframe>'))
    (event,) = collector.wait_for("page_view")
    assert "/frame" == event["properties"]["title"]


def test_a_policy_without_inline_scripts_is_enough(
    collector: Collector, site: Site, tab: Visit
) -> None:
    policy = f"default-src 'none'; script-src {collector.url}; connect-src {collector.url}"
    inline = "<script>window.inline = true</script>"
    headers = {"Content-Security-Policy": policy}
    tab.page.goto(site.put("/", head=collector.script() + inline, headers=headers))
    assert tab.page.evaluate("window.inline === undefined")
    collector.wait_for("page_view")
    collector.process.stop()
    assert 1 == len(collector.requests(BATCH))


def test_events_are_images_where_a_policy_allows_only_images(
    collector: Collector, site: Site, tab: Visit
) -> None:
    policy = f"default-src 'none'; script-src {collector.url}; img-src {collector.url}"
    headers = {"Content-Security-Policy": policy}
    tab.page.goto(site.put("/", head=collector.script(), headers=headers))
    tab.page.evaluate("for (let n = 0; n < 3; n++) beacon('click', {n, text: 'ü+/=?&'})")
    found = collector.wait_for("click", count=3)
    assert [0, 1, 2] == numbers(found)
    assert {"ü+/=?&"} == {event["properties"]["text"] for event in found}
    collector.process.stop()
    assert [] == collector.requests(BATCH)
    assert 4 == len(collector.requests("/api/v1/pixel.gif", "GET"))


def test_a_thousand_events_are_split_and_arrive(
    collector: Collector, site: Site, tab: Visit
) -> None:
    tab.page.goto(site.put("/", head=collector.script(auto="false")))
    tab.page.evaluate("for (let n = 0; n < 1000; n++) beacon('click', {n, x: 'ü'.repeat(50)})")
    assert list(range(1000)) == numbers(collector.wait_for("click", count=1000))
    collector.process.stop()
    requests = collector.requests(BATCH)
    assert len(requests) >= 5
    assert max(line["bytes"] for line in requests) <= 65_536


def test_a_thousand_events_of_a_page_that_is_left_at_once_arrive_with_the_next(
    collector: Collector, site: Site, visit: Callable[[], Visit]
) -> None:
    url = site.put("/", head=collector.script(auto="false"))
    tab = visit()
    tab.page.goto(url)
    tab.page.evaluate("for (let n = 0; n < 400; n++) beacon('click', {n})")
    tab.page.close()
    visit().page.goto(url)
    assert list(range(400)) == numbers(collector.wait_for("click", count=400))


@pytest.mark.parametrize("size", [59_000, 65_536, 70_000, 200_000])
def test_a_large_event_arrives(collector: Collector, site: Site, tab: Visit, size: int) -> None:
    tab.page.goto(site.put("/", head=collector.script(auto="false")))
    tab.page.evaluate("size => { beacon('small'); beacon('big', {x: 'x'.repeat(size)}) }", size)
    found = collector.wait_for("small", "big", count=2)
    assert size == max(len(event.get("properties", {}).get("x", "")) for event in found)


def test_events_for_which_the_copy_has_no_room_are_counted(
    collector: Collector, site: Site, visit: Callable[[], Visit]
) -> None:
    url = site.put("/", head=collector.script(auto="false"))
    tab = visit()
    tab.page.goto(url)
    # Not offline: a beacon that waits for the network would arrive, and not be missing.
    port = collector.url.rpartition(":")[2]
    collector.process.kill()
    tab.page.evaluate("for (let n = 0; n < 30; n++) beacon('click', {n, x: 'x'.repeat(9000)})")
    tab.page.close()
    collector.process.start(PORT=port)
    tab = visit()
    tab.page.goto(url)
    tab.page.evaluate("beacon('next')")
    (event,) = collector.wait_for("next")
    kept = collector.of_type("click")
    assert list(range(len(kept))) == numbers(kept)
    assert 30 - len(kept) == event["lost_events"] > 15


@pytest.mark.parametrize(("hours", "arriving"), [(0, [0, 1, 2]), (21, [0, 1, 2]), (23, [2])])
def test_beacons_that_the_server_may_have_forgotten_are_not_sent_again(
    collector: Collector, site: Site, tab: Visit, hours: int, arriving: list[int]
) -> None:
    tab.page.goto(site.put("/empty"))
    tab.page.evaluate(
        """(hours) => {
            const time = Date.now() - hours * 36e5;
            const event = (n) => "\\n" + JSON.stringify({timestamp: new Date(time),
                event_id: `1-${n}`, event_type: "old", properties: {n}});
            const beacons = event(0) + event(1);
            const copy = `0 ${beacons.length} ${time}` + beacons + event(2);
            localStorage.setItem("beacon.js:other", copy);
        }""",
        hours,
    )
    tab.page.goto(site.put("/", head=collector.script()))
    collector.wait_for("page_view")
    assert arriving == numbers(collector.of_type("old"))
    assert 0 == tab.page.evaluate("localStorage.length")


@pytest.mark.parametrize("garbage", ["", "x", "null", "7", "{}", "[]", "[0]", '["x", 1, 2]'])
def test_events_arrive_despite_garbage_in_the_storage(
    collector: Collector, site: Site, tab: Visit, garbage: str
) -> None:
    tab.page.goto(site.put("/empty"))
    script = """(garbage) => {
        localStorage.setItem("beacon.js:other", garbage);
        localStorage.setItem("beacon:mine", "the page's own");
        sessionStorage.setItem("beacon.js:", garbage);
    }"""
    tab.page.evaluate(script, garbage)
    tab.page.goto(site.put("/", head=collector.script()))
    tab.page.evaluate("beacon('click')")
    collector.wait_for("click")
    assert "the page's own" == tab.page.evaluate("localStorage.getItem('beacon:mine')")


def test_a_page_with_a_broken_fetch_sends_images(
    collector: Collector, site: Site, tab: Visit
) -> None:
    broken = "<script>window.fetch = () => { throw new Error('broken') }</script>"
    tab.page.goto(site.put("/", head=broken + collector.script()))
    collector.wait_for("page_view")


@pytest.fixture
def front(collector: Collector) -> Iterator[Callable[..., Front]]:
    """A function that puts a proxy before the collector; it first gives these responses."""
    fronts: list[Front] = []

    def make(*responses: Response) -> Front:
        fronts.append(Front(collector.url, responses))
        return fronts[-1]

    yield make
    for each in fronts:
        each.close()


def script_of(front: Front) -> str:
    return f'<script async src="{front.url}/beacon.js" data-auto="false"></script>'


@pytest.mark.parametrize(
    "response",
    [
        Response(503, "{}", retry_after="1"),
        Response(503, "{}", retry_after="Wed, 21 Oct 2037 07:28:00 GMT"),
        Response(429, "{}"),
        Response(408),
        Response(502, "<h1>Bad gateway</h1>"),
        Response(200, "<h1>Welcome to our wireless network</h1>"),
        Response(200, "null"),
    ],
    ids=lambda response: f"{response.status} {response.retry_after or response.body}",
)
def test_a_response_that_is_not_the_collectors_is_retried(
    collector: Collector,
    site: Site,
    tab: Visit,
    front: Callable[..., Front],
    response: Response,
) -> None:
    proxy = front(response)
    tab.page.goto(site.put("/", head=script_of(proxy)))
    tab.page.evaluate("beacon('click', {n: 1})")
    assert [1] == numbers(collector.wait_for("click"))
    assert [1, 1] == proxy.batches


def test_retry_after_is_obeyed(
    collector: Collector, site: Site, tab: Visit, front: Callable[..., Front]
) -> None:
    proxy = front(Response(503, "{}", retry_after="3"))
    tab.page.clock.install()
    tab.page.goto(site.put("/", head=script_of(proxy)))
    tab.page.clock.pause_at(datetime.now() + timedelta(hours=1))
    tab.page.evaluate("beacon('click', {n: 1}); beacon.flush()")
    wait_until(lambda: proxy.batches == [1])
    steps_ms: list[int] = []

    def is_sent_again() -> bool:
        steps_ms.append(100)
        tab.page.clock.run_for(steps_ms[-1])
        return len(proxy.batches) == 2

    wait_until(is_sent_again)
    assert 3000 <= sum(steps_ms)
    collector.wait_for("click")
    assert [1, 1] == proxy.batches


def test_a_batch_that_is_too_large_for_a_proxy_is_halved(
    collector: Collector, site: Site, tab: Visit, front: Callable[..., Front]
) -> None:
    proxy = front(Response(413, "<h1>413</h1>"), Response(413, "<h1>413</h1>"))
    tab.page.goto(site.put("/", head=script_of(proxy)))
    tab.page.evaluate("for (let n = 0; n < 8; n++) beacon('click', {n})")
    assert list(range(8)) == numbers(collector.wait_for("click", count=8))
    assert [8, 4, 2] == proxy.batches[:3]


def test_events_refused_for_ever_are_reported_once_and_dropped(
    collector: Collector, site: Site, tab: Visit, front: Callable[..., Front]
) -> None:
    proxy = front(Response(404, '{"error": {"message": "wrong way"}}'))
    tab.page.goto(site.put("/", head=script_of(proxy)))
    with tab.page.expect_console_message(
        lambda message: "beacon.js: 404" in message.text
    ) as caught:
        tab.page.evaluate("beacon('gone')")
    assert "wrong way" in str(caught.value.args[2].json_value())
    tab.page.evaluate("beacon('next')")
    collector.wait_for("next")
    assert [] == collector.of_type("gone")


def test_a_tab_that_is_hidden_and_shown_again_doubles_nothing(
    collector: Collector, site: Site, tab: Visit
) -> None:
    tab.page.goto(site.put("/", head=collector.script(auto="false")))
    hide = """hidden => {
        Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    for n in range(3):
        tab.page.evaluate("n => beacon('click', {n})", n)
        tab.page.evaluate(hide, True)
        tab.page.evaluate(hide, False)
    tab.page.evaluate("beacon('done')")
    collector.wait_for("done")
    found = collector.wait_for("click", count=3)
    assert dict.fromkeys(range(3), 1) == Counter(numbers(found))


@pytest.mark.parametrize("ahead_ms", [7.2e6, 8e11])
def test_a_retry_after_the_clock_was_set_back_is_the_same_event(
    collector: Collector, site: Site, tab: Visit, ahead_ms: float
) -> None:
    ahead = f"""<script>
        let ahead = {ahead_ms};
        const now = Date.now;
        window.Date = class extends Date {{
            constructor(...given) {{ super(...(given.length ? given : [now() + ahead])) }} }}
    </script>"""
    tab.page.goto(site.put("/", head=ahead + collector.script(auto="false")))

    def lose_response(route: Route) -> None:
        route.fetch()
        route.abort()

    tab.page.route(f"**{BATCH}", lose_response, times=1)
    tab.page.route("**/pixel.gif*", lambda route: route.abort())
    with tab.page.expect_event("requestfailed", lambda request: "pixel.gif" in request.url):
        tab.page.evaluate("beacon('click')")
    with tab.page.expect_response(f"**{BATCH}"):
        tab.page.evaluate("ahead = 0")
        tab.page.unroute_all()
    counted = collector.process.health()["events"]
    assert (1, 0) == (counted["duplicate"], counted["conflict"])
    (event,) = collector.of_type("click")
    assert round(-ahead_ms / 1e6) == round(event["clock_correction_ms"] / 1e6)
