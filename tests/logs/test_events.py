import logging

import pytest

from logs.events import EventLogger, get_logger


def fields(record: logging.LogRecord) -> dict[str, object]:
    found: dict[str, object] = vars(record)["fields"]
    return found


def test_an_event_has_its_fields_by_name(caplog: pytest.LogCaptureFixture) -> None:
    get_logger("a.module").warning("torn tail cut off", segment="s", bytes=17)
    (record,) = caplog.records
    assert ("a.module", "WARNING", "torn tail cut off") == (
        record.name,
        record.levelname,
        record.getMessage(),
    )
    assert {"segment": "s", "bytes": 17} == fields(record)


@pytest.mark.parametrize("name", ["info", "warning"])
def test_a_level_has_a_method_of_its_name(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    getattr(EventLogger(logging.getLogger("a")), name)("seen")
    assert [name.upper()] == [record.levelname for record in caplog.records]


@pytest.mark.parametrize("name", ["error", "critical"])
def test_a_level_that_needs_a_person_has_a_method_too(
    name: str, caplog: pytest.LogCaptureFixture, expected_errors: list[str]
) -> None:
    expected_errors.append("seen")
    getattr(get_logger("a"), name)("seen")
    assert [name.upper()] == [record.levelname for record in caplog.records]


def test_an_exception_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture, expected_errors: list[str]
) -> None:
    expected_errors.append("failed")
    error = ValueError("why")
    get_logger("a").error("failed", exc_info=error)
    (record,) = caplog.records
    assert record.exc_info is not None
    assert error is record.exc_info[1]


def test_fields_may_have_the_names_of_the_parameters(caplog: pytest.LogCaptureFixture) -> None:
    get_logger("a").warning("seen", event="e", level="l", self="s")
    assert {"event": "e", "level": "l", "self": "s"} == fields(caplog.records[0])
