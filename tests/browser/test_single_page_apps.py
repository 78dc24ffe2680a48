"""Page views of single-page apps, built with the routers and title libraries of Vue and React."""

from pathlib import Path

import pytest

from tests.browser.conftest import Collector, Visit
from tests.browser.npm_project import NpmProject
from tests.browser.site import Site

SOURCES = Path(__file__).parent / "spa"
PATHS = ("/", "/second", "/third", "/old")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The script of each app."""
    project = NpmProject(SOURCES, tmp_path_factory.mktemp("spa"))
    bundle = ("--bundle", "--minify", '--define:process.env.NODE_ENV="production"', "--outdir=dist")
    done = project.run("exec", "--", "esbuild", "vue.js", "react.js", *bundle)
    assert 0 == done.returncode, done.stdout + done.stderr
    return {
        each: (project.directory / "dist" / f"{each}.js").read_text() for each in ("vue", "react")
    }


class App:
    """The app in a tab, opened at its first page."""

    def __init__(self, tab: Visit, site: Site, head: str, script: str) -> None:
        self._page = tab.page
        site.put_file("/app.js", script)
        body = '<div id="app"></div><script src="/app.js"></script>'
        for path in PATHS:
            site.put(path, head=head, body=body)
        self._page.goto(site.url)
        self.wait_for("First")

    def wait_for(self, title: str) -> None:
        """Wait until the page has this title."""
        self._page.wait_for_function("title => document.title === title", arg=title)

    def go(self, path: str, title: str) -> None:
        """Follow a link, and wait for the title of the page."""
        self._page.click(f"a[href='{path}']")
        self.wait_for(title)


@pytest.fixture(params=["vue", "react"])
def app(
    request: pytest.FixtureRequest,
    bundles: dict[str, str],
    collector: Collector,
    site: Site,
    tab: Visit,
) -> App:
    return App(tab, site, collector.script(), bundles[request.param])


def views(collector: Collector, site: Site, count: int) -> list[tuple[str, str]]:
    found = collector.wait_for("page_view", count=count)
    found.sort(key=lambda event: str(event["timestamp"]))
    properties = [event["properties"] for event in found]
    return [(each["url"].removeprefix(site.url), each["title"]) for each in properties]


def test_each_view_has_its_own_title_where_the_next_one_follows_at_once(
    app: App, collector: Collector, site: Site
) -> None:
    app.go("/second", "Second")
    app.go("/third", "Third")
    app.go("/", "First")
    app.go("/old", "Second")
    expected = [
        ("/", "First"),
        ("/second", "Second"),
        ("/third", "Third"),
        ("/", "First"),
        ("/second", "Second"),
    ]
    assert expected == views(collector, site, count=5)


def test_each_view_has_its_own_title_where_it_is_sent_before_the_next(
    app: App, collector: Collector, site: Site
) -> None:
    assert [("/", "First")] == views(collector, site, count=1)
    app.go("/third", "Third")
    assert ("/third", "Third") == views(collector, site, count=2)[-1]


def test_the_last_view_has_its_own_title_where_the_page_is_left(
    app: App, collector: Collector, site: Site, tab: Visit
) -> None:
    app.go("/third", "Third")
    tab.page.close()
    assert [("/", "First"), ("/third", "Third")] == views(collector, site, count=2)


def test_a_view_keeps_the_time_at_which_it_began(
    app: App, collector: Collector, tab: Visit
) -> None:
    tab.page.evaluate("beacon('before')")
    app.go("/second", "Second")
    tab.page.evaluate("beacon('after')")
    found = collector.wait_for("page_view", "before", "after", count=4)
    found.sort(key=lambda event: str(event["timestamp"]))
    types = [event["event_type"] for event in found]
    assert ["page_view", "before", "page_view", "after"] == types
    assert "Second" == found[2]["properties"]["title"]
