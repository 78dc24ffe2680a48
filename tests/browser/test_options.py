"""The options of beacon.js, by attribute and by the script's URL; fragments and secrets in URLs."""

import pytest

from tests.browser.conftest import Collector, Visit
from tests.browser.site import Site


def tag_of(collector: Collector, query: str, attributes: str = "") -> str:
    return f'<script async src="{collector.url}/beacon.js?{query}"{attributes}></script>'


def viewed(collector: Collector, count: int = 1) -> list[dict[str, str]]:
    found = collector.wait_for("page_view", count=count)
    found.sort(key=lambda event: str(event["timestamp"]))
    return [event["properties"] for event in found]


def test_an_option_may_be_in_the_url_of_the_script(
    collector: Collector, site: Site, tab: Visit
) -> None:
    tag = tag_of(collector, "v=2&key=my%20shop&auto=false&mask=coupon")
    tab.page.goto(site.put("/", head=tag))
    tab.page.evaluate("beacon('click')")
    (event,) = collector.wait_for("click")
    assert "my shop" == event["key"]
    assert ["click"] == [each["event_type"] for each in collector.stored()]


def test_an_attribute_wins_over_the_url_of_the_script(
    collector: Collector, site: Site, tab: Visit
) -> None:
    tag = tag_of(collector, "auto=false&key=url", ' data-auto="true" data-key="attribute"')
    tab.page.goto(site.put("/", head=tag))
    (event,) = collector.wait_for("page_view")
    assert "attribute" == event["key"]


@pytest.mark.parametrize("query", ["key=%", "key=a/s.b", "nokey=x&key2=x", "", "key"])
def test_any_query_of_the_script_keeps_it_working(
    collector: Collector, site: Site, tab: Visit, query: str
) -> None:
    tab.page.goto(site.put("/", head=tag_of(collector, query)))
    (event,) = collector.wait_for("page_view")
    assert {"key=a/s.b": "a/s.b"}.get(query) == event.get("key")


def test_the_fragment_is_not_in_the_url_and_its_change_is_no_view(
    collector: Collector, site: Site, tab: Visit
) -> None:
    url = site.put("/", head=collector.script())
    tab.page.goto(f"{url}#access_token=secret")
    tab.page.evaluate("location.hash = '/second'; beacon('done')")
    collector.wait_for("done")
    assert [url] == [view["url"] for view in viewed(collector)]


@pytest.mark.parametrize("value", ["", "true"])
def test_with_data_hash_each_fragment_is_a_view_without_its_secrets(
    collector: Collector, site: Site, tab: Visit, value: str
) -> None:
    url = site.put("/", head=collector.script(hash=value))
    tab.page.goto(f"{url}#/first?token=secret")
    tab.page.wait_for_function("typeof beacon === 'function'")
    tab.page.evaluate("location.hash = '/second'")
    first, second = viewed(collector, count=2)
    assert f"{url}#/first?token=***" == first["url"] == second["referrer"]
    assert f"{url}#/second" == second["url"]


def test_data_hash_may_be_false(collector: Collector, site: Site, tab: Visit) -> None:
    url = site.put("/", head=collector.script(hash="false"))
    tab.page.goto(f"{url}#part")
    assert [url] == [view["url"] for view in viewed(collector)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"a=1&{name}=s%20cret/+.~&b=2#f", f"a=1&{name}=***&b=2")
        for name in (
            *("token", "access_token", "id_token", "refresh_token", "reset-token", "accessToken"),
            *("password", "passwd", "pwd", "secret", "client_secret", "code", "email", "auth"),
            *("key", "api_key", "apikey", "API-KEY", "session", "sessionid", "session_id", "sid"),
        )
    ]
    + [
        ("monkeys=1&promo_code=2&zip-code=3&author=4&side=5", None),
        ("user[password]=x&user%5Btoken%5D=y", "user[password]=***&user%5Btoken%5D=***"),
        ("code=a=b", "code=***"),
        ("next=%2Fin%3Fcode%3Dx%26y%3D1&z=1", "next=%2Fin%3Fcode%3D***&z=1"),
        ("next=%252Fin%253Fcode%253Dx&z=1", "next=%252Fin%253Fcode%253D***&z=1"),
        ("code", None),
        ("code=", "code=***"),
    ],
)
def test_secrets_are_masked_in_urls(
    collector: Collector, site: Site, tab: Visit, query: str, expected: str | None
) -> None:
    url = site.put("/", head=collector.script())
    tab.page.goto(f"{url}?{query}", referer=f"{site.url}/from?{query.partition('#')[0]}")
    (view,) = viewed(collector)
    assert f"{url}?{query if expected is None else expected}" == view["url"]
    assert view["url"].replace(url, f"{site.url}/from") == view["referrer"]


@pytest.mark.parametrize("mask", ["coupon,card.no", "coupon, card.no", "(,coupon,card.no"])
def test_data_mask_replaces_the_list(
    collector: Collector, site: Site, tab: Visit, mask: str
) -> None:
    url = site.put("/", head=collector.script(mask=mask))
    tab.page.goto(f"{url}?coupon=1&card.no=2&code=3")
    assert [f"{url}?coupon=***&card.no=***&code=3"] == [view["url"] for view in viewed(collector)]
