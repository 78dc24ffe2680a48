"""The queries for Athena, as far as they can be judged without it: they parse, and agree."""

from collections.abc import Callable

import sqlglot
from sqlglot import exp

Statements = Callable[[str], list[str]]


def columns_of_view(text: str, dialect: str) -> list[str]:
    (statement,) = sqlglot.parse(text, read=dialect)
    assert isinstance(statement, exp.Create)
    select = statement.expression
    assert isinstance(select, exp.Select)
    return [each.alias_or_name for each in select.expressions]


def test_the_table_and_the_view_are_athenas(statements: Statements) -> None:
    table, view = (sqlglot.parse_one(each, read="athena") for each in statements("athena.sql"))
    assert ["TABLE", "VIEW"] == [each.args["kind"] for each in (table, view)]


def test_the_view_has_the_same_columns_everywhere(statements: Statements) -> None:
    views = {
        name: columns_of_view(statements(f"{name}.sql")[-1], name)
        for name in ("duckdb", "spark", "athena")
    }
    assert views["duckdb"] == views["spark"] == views["athena"]


def test_the_questions_are_athenas_too(statements: Statements) -> None:
    for question in statements("questions.sql"):
        assert isinstance(sqlglot.parse_one(question, read="athena"), exp.Select)


def test_the_partitions_are_projected_with_leading_zeros(statements: Statements) -> None:
    table = sqlglot.parse_one(statements("athena.sql")[0], read="athena")
    properties = {
        each.name: each.args["value"].name
        for each in table.find_all(exp.Property)
        if "value" in each.args
    }
    assert "2" == properties["projection.month.digits"] == properties["projection.day.digits"]
    assert (
        "s3://my-bucket/events/year=${year}/month=${month}/day=${day}/"
        == properties["storage.location.template"]
    )
