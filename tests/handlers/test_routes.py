"""Promises of the routes: aliases, short names and trailing slashes."""

import json

import pytest

from handlers.pixel import GIF
from handlers.routes import normalized_path
from tests.handlers.server import BATCH, ONE, Fetch, Site, make_site
from tests.support.server_process import ROOT

# Words that ad blockers look for in paths.
BLOCKED = ("event", "track", "collect", "pixel", "analytics", "beacon", "log", "stat", "metric")


@pytest.fixture
def site() -> Site:
    return make_site(aliases=["/a", "/deep/er"])


@pytest.mark.parametrize("alias", ["/a", "/deep/er"])
@pytest.mark.parametrize(
    ("path", "short"),
    [("/api/v1/events", "/e"), ("/api/v1/events/batch", "/b"), ("/api/v1/pixel.gif", "/i.gif")],
)
async def test_events_are_accepted_under_an_alias(
    fetch: Fetch, site: Site, alias: str, path: str, short: str
) -> None:
    for name in (path, short, f"{short}/"):
        if "gif" in path:
            assert GIF == (await fetch(f"{alias}{name}?event_type=c", "GET")).body
        else:
            event = {"event_type": "c"}
            body = json.dumps([event] if "batch" in path else event)
            assert 200 == (await fetch(f"{alias}{name}", body=body)).code
    assert 3 == len(site.sink.events)


@pytest.mark.parametrize(
    "path", ["/e", "/b", "/i.gif", "/a", "/a/", "/b/e", "/deep/e", "/a/health"]
)
async def test_an_alias_has_no_other_paths(fetch: Fetch, path: str) -> None:
    assert 404 == (await fetch(path, "GET")).code


def test_short_names_have_no_word_that_is_blocked(site: Site) -> None:
    long = ("/api/v1", "beacon")
    under = [path for path in site.app.routes if path.startswith("/a/")]
    short = [path for path in under if not any(word in path for word in long)]
    assert 5 == len(short)
    assert [] == [path for path in short if any(word in path for word in BLOCKED)]


def test_the_page_on_beacons_has_every_short_name(site: Site) -> None:
    page = (ROOT / "docs" / "beacons.md").read_text()
    for path in ("/a/e", "/a/b", "/a/i.gif", "/a/s.js", "/a/api/v1/events", "/a/beacon.js"):
        assert path in site.app.routes
        assert f"`{path}`" in page


@pytest.mark.parametrize("path", [ONE + "/", BATCH + "/", "/health/", "/ready/"])
async def test_a_slash_at_the_end_makes_no_difference(fetch: Fetch, path: str) -> None:
    assert 404 != (await fetch(path, "GET")).code


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/events",
        "/api/v1/events/",
        "//api/v1/events",
        "/api//v1///events//",
        "http://collect.example/api/v1/events",
        "HTTPS://collect.example:8443//api/v1/events",
    ],
)
def test_every_form_of_a_request_target_finds_the_endpoint(target: str) -> None:
    assert "/api/v1/events" == normalized_path(target)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", ""),
        ("*", "*"),
        ("http://a", ""),
        ("http://a/", ""),
        ("a:443", "a:443"),
        ("/a/b", "/a/b"),
    ],
)
def test_other_targets_stay_what_they_are(target: str, path: str) -> None:
    assert path == normalized_path(target)


async def test_a_base_url_that_ends_with_a_slash_works(fetch: Fetch) -> None:
    assert 200 == (await fetch("//api/v1/events", body=b'{"event_type":"a"}')).code
