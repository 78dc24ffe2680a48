from storage.stores.store import StoreError


def test_a_store_error_names_the_code_and_whether_retries_can_help() -> None:
    error = StoreError("NoSuchBucket", "the bucket does not exist", permanent=True)
    assert "NoSuchBucket: the bucket does not exist" == str(error)
    assert ("NoSuchBucket", True) == (error.code, error.permanent)


def test_the_texts_of_a_store_are_bounded_printable_and_without_secrets() -> None:
    error = StoreError("Co\nde" * 1_000_000, "to http://user:pa55@host\x1b[2J", permanent=True)
    assert 100 == len(error.code)
    assert error.code.startswith(r"Co\ndeCo\n")
    assert str(error).endswith(r": to http://***@host\x1b[2J")
    assert len(str(StoreError("Code", "x" * 5_000_000, permanent=True))) < 1100
