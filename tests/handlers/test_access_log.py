"""One line for each request."""

import logging
from typing import Any

import pytest

from storage.refusals import JournalFull
from tests.handlers.server import EVENT, ONE, Fetch, Site


def access_lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [
        vars(record)["fields"] for record in caplog.records if record.name == "handlers.access_log"
    ]


async def test_a_request_has_one_line_in_the_log(
    fetch: Fetch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        response = await fetch(ONE, body=EVENT)
    (line,) = access_lines(caplog)
    assert line.pop("ms") >= 0
    assert {
        "method": "POST",
        "path": ONE,
        "status": 200,
        "bytes": len(EVENT),
        "request_id": response.headers["X-Request-Id"],
        "client": "127.0.0.1",
        "durable": 1,
        "event_id": "made-1",
    } == line


async def test_the_line_of_a_rejected_event_has_its_reason(
    fetch: Fetch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await fetch(ONE, body=b"{}")
    (line,) = access_lines(caplog)
    assert ("invalid_event", "event_type is required") == (line["code"], line["message"])


async def test_at_level_warning_only_failures_of_the_server_are_logged(
    fetch: Fetch, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await fetch(ONE, body=EVENT)
        await fetch(ONE, body=b"{}")
        site.sink.refused = JournalFull("the journal is full", 7)
        await fetch(ONE, body=EVENT)
    (line,) = access_lines(caplog)
    assert (503, "journal_full") == (line["status"], line["code"])


async def test_a_long_path_is_truncated(fetch: Fetch, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await fetch("/" + "a" * 5000, "GET")
    (line,) = access_lines(caplog)
    assert 500 == len(line["path"])
