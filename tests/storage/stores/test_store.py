from storage.stores.store import StoreError


def test_a_store_error_names_the_code_and_whether_retries_can_help() -> None:
    error = StoreError("NoSuchBucket", "the bucket does not exist", permanent=True)
    assert "NoSuchBucket: the bucket does not exist" == str(error)
    assert ("NoSuchBucket", True) == (error.code, error.permanent)
