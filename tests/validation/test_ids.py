from itertools import islice
from uuid import RFC_4122, UUID

from validation.ids import random_ids


def test_each_id_is_a_different_random_uuid() -> None:
    ids = list(islice(random_ids(), 1000))
    assert 1000 == len(set(ids))
    assert {4} == {UUID(each).version for each in ids}
    assert {RFC_4122} == {UUID(each).variant for each in ids}
    assert set("89ab") == {each[19] for each in ids}
    assert ids == [str(UUID(each)) for each in ids]


def test_two_sources_share_no_id() -> None:
    one, other = (set(islice(random_ids(), 300)) for _ in range(2))
    assert one.isdisjoint(other)
