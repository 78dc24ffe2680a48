"""`make demo`: a site and a collector, by the command that the Makefile runs."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import Visit
from tests.support.objects import events_in, files
from tests.support.server_process import ROOT, WAIT_S


class Demo:
    """The demo as a process, and what it prints."""

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
        said = [self._process.stdout.readline() for _ in range(3)]
        self.site, self.selftest = re.findall(r"http://\S+", "".join(said))

    def wait_for(self, views: set[str], *types: str) -> list[dict[str, Any]]:
        """The stored events, as soon as these types and views of pages are among them."""
        until = time.monotonic() + WAIT_S
        while True:
            found = events_in(files(self.store))
            titles = {event["properties"].get("title") for event in found if "event_id" in event}
            if views <= titles and set(types) <= {event["event_type"] for event in found}:
                return found
            assert time.monotonic() < until, titles
            time.sleep(0.05)

    def stop(self) -> tuple[int, str]:
        """Interrupt it: its exit code, and what it complained about."""
        self._process.send_signal(signal.SIGINT)
        _, complaints = self._process.communicate(timeout=WAIT_S)
        return self._process.returncode, complaints

    def clean_up(self) -> None:
        """Leave nothing running."""
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


def test_the_second_address_is_that_of_the_self_test(demo: Demo, tab: Visit) -> None:
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


def test_a_port_that_is_taken_is_told(demo: Demo, tmp_path: Path) -> None:
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
