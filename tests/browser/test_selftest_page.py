"""The self-test in a real browser: green if all is well, otherwise the setting to change."""

import re
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Locator, Route

from tests.browser.conftest import Collector, Visit
from tests.browser.front import Front
from tests.browser.site import Site

ROWS = 8
ABOUT = 2


def result(tab: Visit) -> Locator:
    """Return the result as soon as the page shows it."""
    main = tab.page.locator("main[data-bad]")
    main.wait_for()
    return main


def bad(tab: Visit) -> dict[str, str]:
    """Return the failed rows with their advice."""
    boxes = result(tab).locator("details:has(> .bad)").all()
    return {
        box.locator("summary").inner_text(): box.locator(".advice").inner_text() for box in boxes
    }


def shown(tab: Visit) -> str:
    """Return the whole text of the result, for the message of a failure."""
    return result(tab).inner_text()


def hint(tab: Visit) -> str:
    """Return the hint above the result, empty if there is none."""
    return "".join(result(tab).locator(".hint").all_inner_texts())


def go_through_a_proxy(collector: Collector, tab: Visit, **added: str) -> None:
    """Open the self-test at a public name; a proxy adds headers and puts its own Host."""
    public = "http://collector.example"

    def deliver(route: Route) -> None:
        url = route.request.url.replace(public, collector.url)
        route.fulfill(response=route.fetch(url=url, headers={**route.request.headers, **added}))

    tab.page.route(re.compile(re.escape(public)), deliver)
    tab.page.goto(f"{public}/selftest")


def test_the_collectors_own_page_is_green(collector: Collector, tab: Visit) -> None:
    tab.page.goto(f"{collector.url}/selftest")
    assert {} == bad(tab)
    assert "Everything arrives" == result(tab).locator("h1").inner_text()
    assert ROWS + ABOUT == result(tab).locator("details").count()
    assert [] == tab.console
    assert [] == collector.stored()


def test_it_runs_on_a_page_of_a_site_and_tests_the_aliases_too(
    stopped_collector: Collector, site: Site, tab: Visit
) -> None:
    collector = stopped_collector
    collector.process.start(CORS_ALLOWED_ORIGINS=site.url, INGEST_ALIASES="/a,/deep/er")
    tab.page.goto(site.put("/", body=f'<script src="{collector.url}/selftest.js"></script>'))
    assert {} == bad(tab)
    assert ROWS + ABOUT + 2 == result(tab).locator("details").count()
    row = result(tab).locator("details").first
    row.locator("summary").click()
    shown = row.inner_text()
    for fact in (site.url, "it is in CORS_ALLOWED_ORIGINS", "POST /api/v1/events", "status 200"):
        assert fact in shown
    address = result(tab).locator("details", has_text="Address").text_content()
    assert "your address127.0.0.1" in (address or "")


def test_its_own_line_for_the_console_runs_it(collector: Collector, site: Site, tab: Visit) -> None:
    tab.page.goto(f"{collector.url}/selftest")
    line = result(tab).locator("pre").last.inner_text()
    tab.page.goto(site.put("/"))
    tab.page.evaluate(line + "; 0")
    assert {} == bad(tab)


def test_its_tags_load_the_script(collector: Collector, site: Site, tab: Visit) -> None:
    tab.page.goto(f"{collector.url}/selftest")
    tags = result(tab).locator("pre").all_inner_texts()[:2]
    for number, tag in enumerate(tags):
        tab.page.goto(site.put(f"/{number}", head=tag))
    collector.wait_for("page_view", count=2)


def test_an_unlisted_origin_gets_the_setting_to_add_it_to(
    stopped_collector: Collector, site: Site, tab: Visit
) -> None:
    collector = stopped_collector
    collector.process.start(CORS_ALLOWED_ORIGINS="https://shop.example.com")
    tab.page.goto(site.put("/", body=f'<script src="{collector.url}/selftest.js"></script>'))
    found = bad(tab)
    assert ROWS == len(found)
    expected = f"The collector refuses this origin. Add {site.url} to CORS_ALLOWED_ORIGINS."
    assert {expected} == set(found.values())


def test_the_collectors_own_page_says_to_test_from_a_site_if_it_is_not_listed(
    stopped_collector: Collector, tab: Visit
) -> None:
    collector = stopped_collector
    collector.process.start(CORS_ALLOWED_ORIGINS="https://shop.example.com")
    tab.page.goto(f"{collector.url}/selftest")
    assert "Test from one of your sites" in hint(tab), shown(tab)
    assert {} == bad(tab)


def test_the_collectors_own_page_names_the_proxy_that_changes_the_host(
    stopped_collector: Collector, tab: Visit
) -> None:
    collector = stopped_collector
    collector.process.start(CORS_ALLOWED_ORIGINS="https://shop.example.com")
    go_through_a_proxy(collector, tab)
    assert "Configure the proxy to forward the Host header" in hint(tab), shown(tab)


def test_a_request_that_arrives_later_than_its_preflight_is_waited_for(
    collector: Collector, site: Site, tab: Visit
) -> None:
    early: list[object] = []

    def hold_a_beacon_back(route: Route) -> None:
        """Make one report say that of one beacon only the preflight has arrived."""
        response = route.fetch()
        report = response.json()
        if not early and "blob" in report["rows"]:
            early.append(report)
            preflight = {"status": 204, "headers": "content-type", "origin_allowed": True}
            report["rows"]["blob"] = {"preflight": preflight}
        route.fulfill(response=response, json=report)

    tab.page.route("**/report*", hold_a_beacon_back)
    tab.page.goto(site.put("/", body=f'<script src="{collector.url}/selftest.js"></script>'))
    assert {} == bad(tab)
    assert 1 == len(early)


def test_a_policy_that_forbids_it_is_named(collector: Collector, site: Site, tab: Visit) -> None:
    policy = f"default-src 'none'; script-src {collector.url}; connect-src {collector.url}"
    page = site.put(
        "/",
        body=f'<script src="{collector.url}/selftest.js"></script>',
        headers={"Content-Security-Policy": policy},
    )
    tab.page.goto(page)
    found = bad(tab)
    assert ["Image"] == list(found)
    assert f"img-src {collector.url}" in found["Image"]


def test_a_proxy_that_loses_headers_is_found_out(
    collector: Collector, site: Site, tab: Visit, losing_front: Front
) -> None:
    tab.page.goto(site.put("/", body=f'<script src="{losing_front.url}/selftest.js"></script>'))
    assert "lost on the way" in bad(tab)["POST with Authorization and preflight"]


@pytest.fixture
def losing_front(collector: Collector, request: pytest.FixtureRequest) -> Front:
    front = Front(collector.url, [], loses=("authorization",))
    request.addfinalizer(front.close)
    return front


@pytest.mark.parametrize(
    ("peer_is_trusted", "forwarded", "advice"),
    [
        (True, None, "must set X-Forwarded-For"),
        (False, "203.0.113.9", "add it to TRUSTED_PROXIES"),
        (True, "203.0.113.9", None),
    ],
)
def test_an_address_that_is_the_proxys_is_found_out(
    stopped_collector: Collector,
    tab: Visit,
    peer_is_trusted: bool,
    forwarded: str | None,
    advice: str | None,
) -> None:
    collector = stopped_collector
    trusted = "127.0.0.0/8" if peer_is_trusted else "none"
    collector.process.start(TRUSTED_PROXIES=trusted)
    go_through_a_proxy(collector, tab, **({"x-forwarded-for": forwarded} if forwarded else {}))
    found = bad(tab)
    if advice is None:
        assert "Address" not in found
    else:
        assert advice in found["Address"]


def test_a_clock_that_is_wrong_is_found_out(collector: Collector, tab: Visit) -> None:
    tab.page.add_init_script("const now = Date.now; Date.now = () => now() - 60000")
    tab.page.goto(f"{collector.url}/selftest")
    assert "clock" in bad(tab)["Clock"]


@pytest.mark.parametrize("path", ["runs", "report"])
def test_a_collector_that_is_away_is_no_riddle(collector: Collector, tab: Visit, path: str) -> None:
    tab.page.route(f"**/selftest/{path}*", lambda route: route.abort())
    tab.page.goto(f"{collector.url}/selftest")
    assert "cannot be reached" in result(tab).locator("h1").inner_text()


def test_a_run_that_the_collector_forgot_ends_with_the_reason(
    collector: Collector, tab: Visit
) -> None:
    def begin_newer_runs(route: Route) -> None:
        for _ in range(64):
            urlopen(f"{collector.url}/selftest/runs", data=b"", timeout=60).close()
        route.continue_()

    tab.page.route("**/selftest/report*", begin_newer_runs)
    tab.page.goto(f"{collector.url}/selftest")
    assert "could not be completed" in result(tab).locator("h1").inner_text()
    assert "run the self-test again" in hint(tab), shown(tab)


def test_a_request_that_another_process_received_is_named(collector: Collector, tab: Visit) -> None:
    tab.page.route("**/events?*.post.*", lambda route: route.fulfill(status=200))
    tab.page.goto(f"{collector.url}/selftest")
    found = bad(tab)
    assert ["POST without preflight"] == list(found)
    assert "REUSE_PORT" in found["POST without preflight"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_it_fits_every_screen(
    browser: Browser, collector: Collector, width: int, scheme: str
) -> None:
    page = browser.new_page(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page.goto(f"{collector.url}/selftest")
    page.locator("main[data-bad]").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    ground, ink = page.evaluate(
        """() => {
            const style = getComputedStyle(
                document.getElementById("collector-selftest").shadowRoot.querySelector("main"));
            return [style.backgroundColor, style.color].map(
                (color) => color.match(/\\d+/g).map(Number).reduce((a, b) => a + b));
        }"""
    )
    assert (ground < ink) == (scheme == "dark")
    page.close()
