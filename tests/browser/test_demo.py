"""`make demo`: a site and a collector, started by the command in the Makefile."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import Visit
from tests.support.objects import events_in, files
from tests.support.server_process import ROOT
from tests.support.waiting import WAIT_S, wait_until


class Demo:
    """The demo as a process, with the addresses that it prints."""

    def __init__(self, data: Path) -> None:
        self.store = data / "store"
        ports = ["--port", "0", "--collector-port", "0"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "examples.demo", *ports, "--data", str(data)],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": str(data)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        printed = [self._process.stdout.readline() for _ in range(3)]
        self.site, self.selftest = re.findall(r"http://\S+", "".join(printed))

    def wait_for(self, views: set[str], *types: str) -> list[dict[str, Any]]:
        """Return the delivered events as soon as they have these types and views of pages."""
        found: list[dict[str, Any]] = []

        def is_complete() -> bool:
            found[:] = events_in(files(self.store))
            titles = {event["properties"].get("title") for event in found if "event_id" in event}
            return views <= titles and set(types) <= {event["event_type"] for event in found}

        wait_until(is_complete, lambda: found)
        return found

    def stop(self) -> tuple[int, str]:
        """Interrupt the demo, and return its exit code and its standard error."""
        self._process.send_signal(signal.SIGINT)
        _, complaints = self._process.communicate(timeout=WAIT_S)
        return self._process.returncode, complaints

    def clean_up(self) -> None:
        """Stop the demo if it still runs."""
        if self._process.poll() is None:
            self.stop()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path / "demo")
    yield demo
    demo.clean_up()


def test_every_click_is_an_event(demo: Demo, tab: Visit) -> None:
    tab.page.goto(demo.site)
    tab.page.click("text=Add a teapot")
    tab.page.click("text=Sign in")
    tab.page.click("text=Leave and send")
    tab.page.wait_for_url("**/product.html")
    tab.page.click("text=A single-page app")
    tab.page.click("button:has-text('Cellar')")
    found = demo.wait_for({"A teapot", "Kitchen", "Cellar"}, "add_to_cart", "last_word")
    assert {"u-17"} == {each["user_id"] for each in found if each["event_type"] == "last_word"}
    assert {"teapots"} == {event["key"] for event in found}
    assert (0, "") == demo.stop()


def test_the_second_address_is_the_self_test(demo: Demo, tab: Visit) -> None:
    tab.page.goto(demo.selftest)
    tab.page.locator("main[data-bad]").wait_for()


def test_without_javascript_the_image_sends_the_page_view(browser: Browser, demo: Demo) -> None:
    context = browser.new_context(java_script_enabled=False)
    context.new_page().goto(demo.site)
    demo.wait_for({"Teapots"}, "page_view")
    context.close()


@pytest.mark.parametrize("name", ["", "product.html", "app.html"])
def test_its_pages_fit_a_small_screen(browser: Browser, demo: Demo, name: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(demo.site + name)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()


def test_a_port_in_use_is_reported(demo: Demo, tmp_path: Path) -> None:
    port = demo.site.rpartition(":")[2].strip("/")
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo", "--port", port, "--data", str(tmp_path / "other")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert (1, "") == (done.returncode, done.stdout)
    assert "cannot be served" in done.stderr
