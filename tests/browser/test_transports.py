"""Every transport from a page at another origin, in a real browser."""

import pytest

from tests.browser.conftest import Collector, Visit
from tests.browser.site import Site

ONE = "/api/v1/events"
BATCH = "/api/v1/events/batch"

# Each returns what the page can see of the response.
TRANSPORTS = {
    "simple": """async ({url, text}) =>
        (await fetch(url + "/api/v1/events", {method: "POST", body: text})).status""",
    "with credentials": """async ({url, text}) => (await fetch(url + "/api/v1/events",
        {method: "POST", body: text, credentials: "include"})).status""",
    "preflighted": """async ({url, text}) => (await fetch(url + "/api/v1/events", {method: "POST",
        body: text, credentials: "include", headers: {"Content-Type": "application/json",
        "Authorization": "Bearer x", "X-Project-ID": "p"}})).status""",
    "string beacon": """async ({url, text}) =>
        navigator.sendBeacon(url + "/api/v1/events", text)""",
    "blob beacon": """async ({url, text}) => navigator.sendBeacon(url + "/api/v1/events",
        new Blob([text], {type: "application/json"}))""",
    "keepalive": """async ({url, text}) => (await fetch(url + "/api/v1/events/batch",
        {method: "POST", body: `[${text}]`, keepalive: true})).status""",
    "image": """({url, text}) => new Promise((resolve) => {
        const image = new Image();
        image.onload = () => resolve(image.naturalWidth);
        image.onerror = () => resolve("error");
        image.src = url + "/api/v1/pixel.gif?data=" + btoa(text);
    })""",
    "gzip": """async ({url, text}) => {
        const packed = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
        return (await fetch(url + "/api/v1/events", {method: "POST",
            body: await new Response(packed).arrayBuffer(),
            headers: {"Content-Encoding": "gzip"}})).status;
    }""",
}
SEEN = {"string beacon": True, "blob beacon": True, "image": 1}
PREFLIGHTED = {"preflighted", "blob beacon", "gzip"}


def send(tab: Visit, collector: Collector, transport: str, event_type: str) -> object:
    text = f'{{"event_type": "{event_type}"}}'
    script = f"(given) => ({TRANSPORTS[transport]})(given).catch(() => 'refused')"
    return tab.page.evaluate(script, {"url": collector.url, "text": text})


@pytest.mark.parametrize("allowed", ["*", "listed"])
def test_every_transport_arrives_from_an_allowed_origin(
    stopped_collector: Collector, site: Site, tab: Visit, allowed: str
) -> None:
    collector = stopped_collector
    collector.process.start(CORS_ALLOWED_ORIGINS=site.url if allowed == "listed" else allowed)
    tab.page.goto(site.put("/"))
    for transport in TRANSPORTS:
        assert SEEN.get(transport, 200) == send(tab, collector, transport, transport), transport
    found = collector.wait_for(*TRANSPORTS, count=len(TRANSPORTS))
    assert set(TRANSPORTS) == {event["event_type"] for event in found}
    assert {"127.0.0.1"} == {event["ip_address"] for event in found}
    collector.process.stop()
    preflights = sum(len(collector.requests(path, "OPTIONS")) for path in (ONE, BATCH))
    assert preflights <= len(PREFLIGHTED)


def test_no_transport_arrives_from_another_origin(
    stopped_collector: Collector, site: Site, tab: Visit
) -> None:
    collector = stopped_collector
    collector.process.start(CORS_ALLOWED_ORIGINS="https://shop.example.com")
    tab.page.goto(site.put("/"))
    for transport in TRANSPORTS:
        seen = send(tab, collector, transport, transport)
        # A page never learns the response to a beacon; an image loads whatever its status.
        assert SEEN.get(transport, "refused") == seen, transport
    assert [] == collector.stored()
    collector.process.stop()
    refused = collector.process.log("request")
    codes = {line.get("code") for line in refused if line["path"] != "/health"}
    assert {"origin_not_allowed"} == codes


def test_a_preflight_is_asked_once_for_many_requests(
    collector: Collector, site: Site, tab: Visit
) -> None:
    tab.page.goto(site.put("/"))
    for _ in range(5):
        assert 200 == send(tab, collector, "preflighted", "c")
    collector.process.stop()
    assert 5 == len(collector.requests(ONE))
    assert 1 == len(collector.requests(ONE, "OPTIONS"))


def test_a_page_can_read_why_its_event_was_rejected(
    collector: Collector, site: Site, tab: Visit
) -> None:
    tab.page.goto(site.put("/"))
    seen = tab.page.evaluate(
        """async (url) => {
            const answer = await fetch(url + "/api/v1/events", {method: "POST", body: "{}"});
            const image = await fetch(url + "/api/v1/pixel.gif");
            return [(await answer.json()).error.message, answer.headers.get("X-Request-Id").length,
                image.status, image.headers.get("X-Event-Error")];
        }""",
        collector.url,
    )
    assert ["event_type is required", 16, 400, "invalid_event: event_type is required"] == seen


def test_65_536_bytes_is_the_most_that_a_beacon_takes(
    collector: Collector, site: Site, tab: Visit
) -> None:
    tab.page.goto(site.put("/"))
    script = """([url, size]) => {
        const event = {event_type: "big", x: ""};
        event.x = "x".repeat(size - JSON.stringify(event).length);
        return navigator.sendBeacon(url + "/api/v1/events", JSON.stringify(event));
    }"""
    assert tab.page.evaluate(script, [collector.url, 65_536])
    (event,) = collector.wait_for("big")
    assert 65_536 == len(event["x"]) + len('{"event_type":"big","x":""}')
    assert not tab.page.evaluate(script, [collector.url, 65_537])
