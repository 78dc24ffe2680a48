from pathlib import Path

import pytest

from journal_tools.mounts import danger_of, file_system_of, read_mounts

MOUNTS = r"""
22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:5 / /dev rw,nosuid shared:2 master:1 - devtmpfs udev rw
24 22 0:22 / /run rw - tmpfs tmpfs rw,size=1000k
25 22 0:40 / /srv/two\040words rw - nfs4 server:/x rw
26 22 0:41 / /srv rw - xfs /dev/vdb rw
27 22 0:42 / /var/lib rw - ext4 /dev/vdc rw
28 27 0:43 / /var/lib rw - overlay overlay rw
broken
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "ext4"),
        ("/home/x", "ext4"),
        ("/run", "tmpfs"),
        ("/run/journal", "tmpfs"),
        ("/running", "ext4"),
        ("/srv/one", "xfs"),
        ("/srv/two words/journal", "nfs4"),
        ("/var/lib/journal", "overlay"),
    ],
)
def test_the_deepest_and_last_mount_holds_a_directory(path: str, expected: str) -> None:
    assert expected == file_system_of(Path(path), MOUNTS)


def test_without_mounts_nothing_is_known() -> None:
    assert None is file_system_of(Path("/"), "")


def test_the_mounts_of_this_machine_are_read(tmp_path: Path) -> None:
    mounts = read_mounts()
    assert not mounts or file_system_of(tmp_path.resolve(), mounts)


@pytest.mark.parametrize("local", ["ext4", "xfs", "btrfs", "zfs", "fuseblk", "f2fs", "devtmpfs"])
def test_a_local_disk_is_no_danger(local: str) -> None:
    assert None is danger_of(local)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ("tmpfs", "in memory"),
        ("ramfs", "in memory"),
        ("overlay", "lost with the container"),
        ("nfs", "no local disk"),
        ("nfs4", "no local disk"),
        ("cifs", "no local disk"),
        ("fuse.sshfs", "no local disk"),
        ("fuse.mount-s3", "no local disk"),
    ],
)
def test_a_file_system_that_loses_events_is_a_danger(other: str, words: str) -> None:
    assert words in (danger_of(other) or "")
