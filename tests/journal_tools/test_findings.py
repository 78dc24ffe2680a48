import pytest

from journal_tools.findings import Finding, advice
from storage.stores.store import StoreError


@pytest.mark.parametrize(
    ("finding", "label"),
    [
        (Finding(True, "t"), "ok"),
        (Finding(True, "t", warns=True), "WARN"),
        (Finding(False, "t"), "FAIL"),
    ],
)
def test_a_line_begins_with_how_bad_the_finding_is(finding: Finding, label: str) -> None:
    assert label == finding.label


def test_an_error_that_an_operator_can_repair_has_advice() -> None:
    error = StoreError("NoSuchBucket", "there is none", permanent=True)
    assert " -- create the bucket, or correct S3_BUCKET_NAME" == advice(error)
    assert " -- let the user that runs the server write there" == advice(PermissionError())


def test_another_error_has_none() -> None:
    assert "" == advice(StoreError("Unheard", "of", permanent=False)) == advice(OSError())
