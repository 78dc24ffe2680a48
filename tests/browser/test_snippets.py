"""Every snippet of docs/beacons.md, run."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator

from tests.browser.conftest import Collector, Visit
from tests.browser.front import Front, Response
from tests.browser.next_app import NextApp
from tests.browser.site import Site
from tests.support.parts import require
from tests.support.server_process import ROOT

DOCS = (ROOT / "docs" / "beacons.md").read_text(encoding="utf-8")
SNIPPETS = DOCS.partition("\n## Snippets\n")[2]
ADDRESS = "https://collector.example.com"


def snippet(heading: str, url: str) -> str:
    """Return the first block of code under a heading, with the collector's address."""
    text = SNIPPETS.partition(f"\n### {heading}\n")[2]
    block = re.search(r"```\w+\n(.*?)```", text, re.S)
    assert block is not None
    return block[1].replace(ADDRESS, url)


def test_every_snippet_is_run() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    headings = re.findall(r"^### (.*)$", SNIPPETS, re.M)
    assert 9 == len(headings)
    assert [] == [each for each in headings if f'snippet("{each}"' not in source]


def test_a_plain_page(collector: Collector, site: Site, tab: Visit) -> None:
    tab.page.goto(site.put("/", body=snippet("A plain page", collector.url)))
    tab.page.click("button")
    (event,) = collector.wait_for("add_to_cart")
    assert ({"item": "teapot", "price": 29.5}, "shop") == (event["properties"], event["key"])


def test_a_policy(collector: Collector, site: Site, tab: Visit) -> None:
    name, _, value = snippet("A page with a Content-Security-Policy", collector.url).partition(":")
    headers = {name: value.strip()}
    tab.page.goto(site.put("/", head=collector.script(), headers=headers))
    collector.wait_for("page_view")
    assert not tab.said("Content.Security.Policy")


def test_a_single_page_app(collector: Collector, site: Site, tab: Visit) -> None:
    tab.page.goto(site.put("/", body=snippet("A single-page app", collector.url)))
    tab.page.evaluate("show('second')")
    found = collector.wait_for("page_view", count=2)
    assert ["start", "second"] == [event["properties"]["page"] for event in found]


def test_mail(collector: Collector, site: Site, tab: Visit) -> None:
    page = site.put("/", body=snippet("Mail", collector.url))
    for _ in range(2):
        tab.page.goto(page)
    (event,) = collector.wait_for("mail_open")
    assert ("c27e5b9f41d8463a", "u-17") == (event["event_id"], event["user_id"])


@pytest.fixture(scope="module")
def next_app(tmp_path_factory: pytest.TempPathFactory) -> NextApp:
    """A Next.js app, installed."""
    return NextApp(tmp_path_factory.mktemp("next"))


@pytest.fixture
def served(next_app: NextApp) -> Iterator[Callable[..., str]]:
    yield next_app.serve
    next_app.stop()


def test_react_and_next(collector: Collector, tab: Visit, served: Callable[..., str]) -> None:
    url = served(
        layout=snippet("Next.js", collector.url), component=snippet("React", collector.url)
    )
    tab.page.goto(url)
    button: Locator = tab.page.locator("button")
    collector.wait_for("page_view")
    button.click()
    (event,) = collector.wait_for("buy")
    assert ({"item": "teapot"}, "shop") == (event["properties"], event["key"])
    tab.page.click("a")
    tab.page.wait_for_url("**/second")
    views = collector.wait_for("page_view", count=2)
    assert f"{url}/second" == views[-1]["properties"]["url"]


RIGHT = """
beacon("a"); beacon("a", {n: 1}); beacon.identify("u"); beacon.identify(17);
beacon.identify(null); beacon.flush(); window.beacon?.("a");
"""
WRONG = [
    "beacon();",
    "beacon(1);",
    "beacon('a', 'b');",
    "beacon.identify();",
    "window.beacon('a');",
]


def test_the_types_accept_right_calls_and_refuse_wrong_ones(next_app: NextApp) -> None:
    types = (ROOT / "web" / "beacon.d.ts").read_text(encoding="utf-8")
    assert [] == next_app.type_errors(types, RIGHT)
    refused = {line: next_app.type_errors(types, line) for line in WRONG}
    assert {line: [1] for line in WRONG} == refused


def test_curl(collector: Collector) -> None:
    require("curl")
    command = snippet("curl", collector.url)
    for _ in range(2):
        done = subprocess.run(command, shell=True, capture_output=True, timeout=60, check=True)
        assert "d4a9e6b2-5c07-4f38-8e1b-7a6c3d2f9e50" == json.loads(done.stdout)["event_id"]
    (event,) = collector.wait_for("order")
    assert {"total": 59} == event["properties"]


EVENTS: list[dict[str, Any]] = [
    {"event_type": "order"},
    {"event_type": " "},
    {"event_type": "order"},
]


@pytest.fixture
def unreliable(collector: Collector) -> Iterator[Front]:
    """A proxy that fails the first two requests."""
    front = Front(collector.url, [Response(503, "{}", retry_after="0"), Response(502, "<h1>")])
    yield front
    front.close()


def test_python(collector: Collector, unreliable: Front) -> None:
    namespace: dict[str, Any] = {}
    exec(snippet("Python", unreliable.url), namespace)  # noqa: S102  it is what is tested
    (error,) = namespace["send"](EVENTS)
    assert (1, "event_type must not be blank") == (error["index"], error["message"])
    assert 2 == len(collector.wait_for("order", count=2))
    assert [3, 3, 3] == unreliable.batches


def test_node(collector: Collector, unreliable: Front, tmp_path: Path) -> None:
    (tmp_path / "send.mjs").write_text(snippet("Node", unreliable.url))
    (tmp_path / "main.mjs").write_text(
        'import { send } from "./send.mjs";\n'
        f"console.log(JSON.stringify(await send({json.dumps(EVENTS)})));"
    )
    command = [require("node"), "main.mjs"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=True)
    (error,) = json.loads(done.stdout)
    assert (1, "event_type must not be blank") == (error["index"], error["message"])
    assert 2 == len(collector.wait_for("order", count=2))
    assert [3, 3, 3] == unreliable.batches
