"""Promises of the warning about a journal directory that others may write to."""

from pathlib import Path

import pytest

from storage.journal.permissions import OpenToOthers, open_to_others
from tests.storage.segments import local


@pytest.mark.parametrize(
    ("mode", "cause"),
    [
        (0o770, "has mode 0770: its group may remove, replace or add events"),
        (0o702, "has mode 0702: every user may remove, replace or add events"),
        (0o1777, "has mode 1777: its group and every user may remove, replace or add events"),
    ],
)
def test_a_directory_that_others_may_write_to_is_found(
    tmp_path: Path, mode: int, cause: str
) -> None:
    tmp_path.chmod(mode)
    (found,) = open_to_others(local(tmp_path))
    assert OpenToOthers(tmp_path, mode) == found
    assert cause == found.cause
    assert f"run `chmod go-w {tmp_path}`" == found.remedy


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755])
def test_a_directory_that_only_its_owner_may_write_to_needs_no_warning(
    tmp_path: Path, mode: int
) -> None:
    tmp_path.chmod(mode)
    assert [] == list(open_to_others(local(tmp_path)))


@pytest.mark.parametrize("name", ["ids", "staged", "quarantine"])
def test_a_subdirectory_that_others_may_write_to_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name).chmod(0o777)
    assert [tmp_path / name] == [each.path for each in open_to_others(local(tmp_path))]


def test_a_missing_directory_needs_no_warning(tmp_path: Path) -> None:
    assert [] == list(open_to_others(local(tmp_path / "missing")))


def test_the_command_may_be_pasted_into_a_shell(tmp_path: Path) -> None:
    path = tmp_path / "the journal"
    path.mkdir(mode=0o700)
    path.chmod(0o720)
    (found,) = open_to_others(local(path))
    assert f"run `chmod go-w '{path}'`" == found.remedy
