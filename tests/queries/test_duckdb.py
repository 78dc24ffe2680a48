"""The store as DuckDB reads it, from a directory and from a bucket."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_httpfs
import pytest

from tests.queries.corpus import CONFLICT, Event, answers
from tests.support.seaweed import REGION, SECRET, Bucket

Statements = Callable[[str], list[str]]


@pytest.fixture(params=["directory", "bucket"])
def database(request: pytest.FixtureRequest, statements: Statements) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    if request.param == "directory":
        location = str(request.getfixturevalue("local_store"))
    else:
        bucket: Bucket = request.getfixturevalue("filled_bucket")
        _open_s3(connection, bucket)
        location = f"s3://{bucket.name}/events"
    connection.execute(f"SET VARIABLE location = '{location}'")
    connection.execute(";\n".join(statements("duckdb.sql")))
    return connection


def _open_s3(connection: duckdb.DuckDBPyConnection, bucket: Bucket) -> None:
    folder = Path(duckdb_extension_httpfs.__file__).parent / "extensions"
    (extension,) = folder.rglob("httpfs.duckdb_extension")
    connection.execute(f"LOAD '{extension}'")
    endpoint = bucket.seaweed.endpoint_url.removeprefix("http://")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID 'admin', SECRET '{SECRET}', REGION '{REGION}',"
        f" ENDPOINT '{endpoint}', URL_STYLE 'path', USE_SSL false)"
    )


def rows(database: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    return database.execute(query).fetchall()


def test_every_stored_event_is_a_row(
    database: duckdb.DuckDBPyConnection, sent: list[Event]
) -> None:
    assert [(2 * len([*sent, CONFLICT]),)] == rows(database, "SELECT count(*) FROM stored_events")


def test_each_event_id_is_one_row_of_the_view(
    database: duckdb.DuckDBPyConnection, sent: list[Event]
) -> None:
    found = rows(database, "SELECT event_id FROM events WHERE original_event_id IS NULL")
    assert sorted(each["event_id"] for each in sent) == sorted(event_id for (event_id,) in found)


def test_a_conflict_is_a_row_of_its_own(database: duckdb.DuckDBPyConnection) -> None:
    found = rows(database, "SELECT event_id, original_event_id, properties FROM events")
    (conflict,) = [each for each in found if each[1] is not None]
    assert re.fullmatch("odd-0~[0-9a-f]{16}", conflict[0])
    assert ("odd-0", CONFLICT["properties"]) == (conflict[1], json.loads(conflict[2]))


def test_properties_are_json_text_that_says_what_was_sent(
    database: duckdb.DuckDBPyConnection, sent: list[Event]
) -> None:
    found = dict(rows(database, "SELECT event_id, properties FROM events"))
    for each in sent:
        text = found[each["event_id"]]
        assert each.get("properties") == (None if text is None else json.loads(text))


def test_the_five_questions_have_the_answers_of_the_corpus(
    database: duckdb.DuckDBPyConnection, sent: list[Event], statements: Statements
) -> None:
    found = [rows(database, question) for question in statements("questions.sql")]
    assert answers(sent).in_order == found


def test_the_days_of_the_partitions_are_those_of_the_timestamps(
    database: duckdb.DuckDBPyConnection,
) -> None:
    wrong = "SELECT * FROM events WHERE event_date <> CAST(year||'-'||month||'-'||day AS DATE)"
    assert [] == rows(database, wrong)
