from tests.validation.readers import problems_of


def test_twenty_problems_are_reported_and_the_others_counted() -> None:
    found = problems_of([2**64] * 1000)
    assert (20, 980) == (len(found.first), found.more)
