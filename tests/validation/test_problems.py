import pytest

from validation.problems import (
    MAX_MESSAGE_CHARS,
    MAX_PATH_CHARS,
    NO_PROBLEMS,
    Problem,
    excerpt,
    kind_of,
    path_of,
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("properties.items[3].price", "properties.items[3].price is required"),
        ("", "the event is required"),
    ],
)
def test_a_problem_reads_as_a_sentence_about_its_path(path: str, text: str) -> None:
    assert text == str(Problem(path, "is required"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("short", "short"),
        ("Größe 😀", "Größe 😀"),
        ("a" * 100, "a" * 100),
        ("a" * 101, "a" * 100 + "..."),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_an_excerpt_is_short_and_valid_unicode(text: str, expected: str) -> None:
    assert expected == excerpt(text)
    assert excerpt(text).encode("utf-8")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        ({}, "an object"),
        ([], "an array"),
        ("", "a string"),
        (True, "a boolean"),
        (1, "a number"),
        (1.5, "a number"),
    ],
)
def test_a_kind_is_the_name_that_json_has_for_it(value: object, kind: str) -> None:
    assert kind == kind_of(value)


def test_a_path_is_dotted_with_indexes_in_brackets() -> None:
    assert "properties.items[3].price" == path_of(["properties", "items", 3, "price"])
    assert "" == path_of([])


def test_the_middle_of_a_long_path_is_left_out() -> None:
    path = path_of(["first", *["x" * 100] * 60, "last"])
    assert MAX_PATH_CHARS - 1 <= len(path) <= MAX_PATH_CHARS
    assert path.startswith("first.x")
    assert path.endswith("x.last")
    assert "x...x" in path


def test_problems_beyond_the_first_twenty_are_counted() -> None:
    many = [Problem(str(number), "is bad") for number in range(30)]
    found = NO_PROBLEMS.followed_by(many[:15]).followed_by(many[15:])
    assert (tuple(many[:20]), 10) == (found.first, found.more)
    assert found.summary().endswith("; 19 is bad; and 10 more")


def test_a_summary_is_bounded_and_counts_what_it_leaves_out() -> None:
    long = Problem("p" * MAX_PATH_CHARS, "is bad")
    summary = NO_PROBLEMS.followed_by([long] * 50).summary()
    assert len(summary) <= MAX_MESSAGE_CHARS + 30
    assert summary.endswith("; and 46 more")
    assert f"{long}; {long}" == NO_PROBLEMS.followed_by([long] * 2).summary()
