"""A store that cannot be reached."""

from tests.support.seaweed import free_ports


def absent_store() -> dict[str, str | None]:
    """Return the settings of a bucket at whose address nobody listens."""
    (port,) = free_ports(1)
    return {
        "STORAGE_DIR": None,
        "S3_BUCKET_NAME": "nowhere",
        "AWS_REGION": "eu-central-1",
        "S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }
