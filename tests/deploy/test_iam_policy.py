import json
from pathlib import Path
from typing import Any

import pytest

from settings.variables import VARIABLES

POLICY = Path(__file__).parents[2] / "deploy" / "iam-policy.json"


@pytest.fixture
def statement() -> dict[str, Any]:
    """The only statement of the policy."""
    (only,) = json.loads(POLICY.read_text())["Statement"]
    found: dict[str, Any] = only
    return found


def test_the_policy_has_the_current_version() -> None:
    assert "2012-10-17" == json.loads(POLICY.read_text())["Version"]


def test_only_putting_objects_is_allowed(statement: dict[str, Any]) -> None:
    assert ("Allow", "s3:PutObject") == (statement["Effect"], statement["Action"])
    assert {"Sid", "Effect", "Action", "Resource"} == statement.keys()


def test_only_objects_below_the_default_prefix_are_allowed(statement: dict[str, Any]) -> None:
    (prefix,) = (each.default for each in VARIABLES if each.name == "S3_PREFIX")
    assert f"arn:aws:s3:::my-bucket/{prefix}/*" == statement["Resource"]
