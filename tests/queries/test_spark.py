"""The store as Spark reads it, from a directory."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from tests.queries.corpus import CONFLICT, Event, answers
from tests.support.parts import require

Statements = Callable[[str], list[str]]

_PLACEHOLDER = "s3a://my-bucket/events"


@pytest.fixture(scope="module")
def spark(
    local_store: Path, statements: Statements, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SparkSession]:
    require("java")
    folder = tmp_path_factory.mktemp("spark")
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    for statement in statements("spark.sql"):
        session.sql(statement.replace(_PLACEHOLDER, str(local_store)))
    session.catalog.cacheTable("events")
    yield session
    session.stop()
    shutil.rmtree(folder)


def rows(spark: SparkSession, query: str) -> list[Any]:
    return [tuple(map(_in_utc, row)) for row in spark.sql(query).collect()]


# Spark hands an instant over as local time without a zone.
def _in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def test_every_stored_event_is_a_row(spark: SparkSession, sent: list[Event]) -> None:
    assert [(2 * len([*sent, CONFLICT]),)] == rows(
        spark, "SELECT count(event_id) FROM stored_events"
    )


def test_each_event_id_is_one_row_of_the_view(spark: SparkSession, sent: list[Event]) -> None:
    found = rows(spark, "SELECT event_id FROM events WHERE original_event_id IS NULL")
    assert sorted(each["event_id"] for each in sent) == sorted(event_id for (event_id,) in found)


def test_a_conflict_is_a_row_of_its_own(spark: SparkSession) -> None:
    found = rows(spark, "SELECT event_id, original_event_id, properties FROM events")
    (conflict,) = [each for each in found if each[1] is not None]
    assert re.fullmatch("odd-0~[0-9a-f]{16}", conflict[0])
    assert ("odd-0", CONFLICT["properties"]) == (conflict[1], json.loads(conflict[2]))


def test_properties_are_json_text_that_says_what_was_sent(
    spark: SparkSession, sent: list[Event]
) -> None:
    found = dict(rows(spark, "SELECT event_id, properties FROM events"))
    for each in sent:
        text = found[each["event_id"]]
        assert each.get("properties") == (None if text is None else json.loads(text))


def test_the_five_questions_have_the_answers_of_the_corpus(
    spark: SparkSession, sent: list[Event], statements: Statements
) -> None:
    found = [rows(spark, question) for question in statements("questions.sql")]
    assert answers(sent).in_order == found
