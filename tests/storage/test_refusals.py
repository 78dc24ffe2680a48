import pytest

from storage import refusals
from storage.refusals import Refusal

REFUSALS: list[type[Refusal]] = [each for each in vars(refusals).values() if isinstance(each, type)]


def test_every_refusal_has_a_code_of_its_own() -> None:
    codes = [each.code for each in REFUSALS]
    assert sorted(set(codes)) == sorted(codes)


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_says_what_is_wrong_and_when_to_retry(kind: type[Refusal]) -> None:
    refusal = kind("the disk is full", 17)
    assert ("the disk is full", 17) == (str(refusal), refusal.retry_after_s)


def test_only_events_of_an_unconfirmed_delivery_may_still_be_delivered() -> None:
    assert [refusals.Unconfirmed] == [each for each in REFUSALS if each.may_deliver]
