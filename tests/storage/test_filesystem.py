import ast
import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.filesystem import (
    AppendFile,
    LocalFileSystem,
    read_range,
    remove_if_exists,
    write_new,
)
from tests.support.failing_filesystem import FaultyFileSystem

FS = LocalFileSystem()
ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def closing(file: AppendFile) -> Iterator[AppendFile]:
    try:
        yield file
    finally:
        file.close()


def test_a_created_or_reopened_file_is_written_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with closing(FS.create(path)) as file:
        file.write(b"one")
        file.write(b"")
        file.write(b"two")
        file.sync()
    with closing(FS.reopen(path)) as file:
        file.write(b"three")
    assert path.read_bytes() == b"onetwothree"


def test_data_written_after_a_cut_follows_the_cut(tmp_path: Path) -> None:
    with closing(FS.create(tmp_path / "file")) as file:
        file.write(b"durable and not")
        file.truncate(7)
        file.write(b"!")
        file.sync()
    assert (tmp_path / "file").read_bytes() == b"durable!"


def test_an_existing_file_is_not_created_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        FS.create(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_missing_file_is_not_reopened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FS.reopen(tmp_path / "file")


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole_write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: whole_write(fd, bytes(data[:7])))
    with closing(FS.create(tmp_path / "file")) as file:
        file.write(bytes(range(100)))
    assert (tmp_path / "file").read_bytes() == bytes(range(100))


def test_other_users_may_not_read_events(tmp_path: Path) -> None:
    FS.create(tmp_path / "file").close()
    FS.make_directory(tmp_path / "directory")
    modes = [(tmp_path / name).stat().st_mode & 0o007 for name in ("file", "directory")]
    assert modes == [0, 0]


def test_a_rename_replaces_its_target(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "old").write_bytes(b"old")
    FS.rename(tmp_path / "new", tmp_path / "old")
    assert {"old": b"new"} == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_entries_are_the_regular_files_and_their_sizes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("a")
    assert {("a", 3), ("b", 0)} == set(FS.entries(tmp_path))


def test_a_file_removed_while_the_directory_is_read_is_left_out(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / str(number)).write_bytes(b"")
    names = []
    for name, _ in FS.entries(tmp_path):
        names.append(name)
        for path in tmp_path.iterdir():
            path.unlink()
    assert len(names) == 1


def test_every_new_directory_is_made_durable_in_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(LocalFileSystem, "sync_directory", lambda _, path: synced.append(path))
    FS.make_directory(tmp_path / "a" / "b")
    FS.make_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert [tmp_path.parent, tmp_path, tmp_path / "a"] == synced


def test_a_file_in_the_way_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(FileExistsError):
        FS.make_directory(tmp_path / "a")


def test_syncing_needs_a_directory_that_is_there(tmp_path: Path) -> None:
    FS.sync_directory(tmp_path)
    with pytest.raises(FileNotFoundError):
        FS.sync_directory(tmp_path / "missing")


def test_a_new_file_is_written_and_synced(tmp_path: Path) -> None:
    fs = FaultyFileSystem()
    write_new(fs, tmp_path / "file", [b"one", b"two"])
    assert b"onetwo" == (tmp_path / "file").read_bytes()
    assert ["create", "write", "write", "sync", "close"] == fs.calls


def test_a_new_file_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        write_new(FS, tmp_path / "file", [b"theirs"])
    assert b"mine" == (tmp_path / "file").read_bytes()


@pytest.mark.parametrize("kind", ["write", "sync", "close"])
def test_a_new_file_that_fails_is_removed(tmp_path: Path, kind: str) -> None:
    fs = FaultyFileSystem()
    fs.fail(kind, partial=2)
    with pytest.raises(OSError, match="Input/output"):
        write_new(fs, tmp_path / "file", [b"one"])
    assert [] == list(tmp_path.iterdir())


def test_a_new_file_whose_content_fails_is_removed(tmp_path: Path) -> None:
    def failing() -> Iterator[bytes]:
        yield b"one"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_new(FS, tmp_path / "file", failing())
    assert [] == list(tmp_path.iterdir())


def test_the_first_failure_is_raised_when_the_partial_file_cannot_be_removed(
    tmp_path: Path,
) -> None:
    fs = FaultyFileSystem()
    fs.fail("write", code=errno.ENOSPC)
    fs.fail("remove")
    with pytest.raises(OSError, match="No space left"):
        write_new(fs, tmp_path / "file", [b"one"])


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [(0, 10, b"0123456789"), (3, 4, b"3456"), (8, 5, b"89"), (5, 0, b""), (20, 5, b"")],
)
def test_a_range_of_a_file_ends_where_the_file_does(
    tmp_path: Path, offset: int, length: int, expected: bytes
) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert expected == b"".join(read_range(FS, tmp_path / "file", offset, length))


def test_a_file_is_removed_if_it_exists(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for _ in range(2):
        remove_if_exists(FS, tmp_path / "file")
        assert [] == list(tmp_path.iterdir())


def test_a_removal_that_the_disk_refuses_is_an_error(tmp_path: Path) -> None:
    fs = FaultyFileSystem()
    fs.fail("remove")
    with pytest.raises(OSError, match="Input/output"):
        remove_if_exists(fs, tmp_path / "file")


# Functions of `os` and methods of `Path` that open, sync, rename, make or remove files.
OS_CALLS = {
    "open", "fdopen", "fsync", "fdatasync", "sync", "rename", "renames", "replace", "remove",
    "unlink", "mkdir", "makedirs", "rmdir", "removedirs", "write", "writev", "pwrite", "truncate",
    "ftruncate", "link", "symlink", "scandir", "sendfile",
}  # fmt: skip
PATH_METHODS = {
    "open", "rename", "remove", "unlink", "mkdir", "rmdir", "touch", "write_bytes", "write_text",
    "read_bytes", "read_text", "symlink_to", "hardlink_to",
}  # fmt: skip
FILE_MODULES = {"shutil", "tempfile", "fcntl", "aiofiles", "mmap"}

# A file system that was passed in, and the body of an object.
PORTS = {"fs", "self.fs", "self._fs", "directory.fs", "self._directory.fs", "item"}


def file_calls(source: str) -> list[str]:
    """Return every use of a file in a module that does not go through a port."""
    return [found for node in ast.walk(ast.parse(source)) if (found := file_call(node))]


def file_call(node: ast.AST) -> str | None:
    match node:
        case ast.Call(func=ast.Name(id="open")):
            return "open"
        case ast.Call(func=ast.Attribute(value=ast.Name(id="io" | "os" as module), attr=attr)):
            return f"{module}.{attr}" if attr in OS_CALLS else None
        case ast.Call(func=ast.Attribute(value=owner, attr=attr)) if attr in PATH_METHODS:
            return None if ast.unparse(owner) in PORTS else f"{ast.unparse(owner)}.{attr}"
        case ast.Import(names=names):
            return next((each.name for each in names if each.name in FILE_MODULES), None)
        case ast.ImportFrom(module=str(module)) if module in {*FILE_MODULES, "os", "io"}:
            return f"from {module}"
    return None


def our_modules() -> list[str]:
    folders = ("http1", "handlers", "journal_tools", "settings", "storage", "validation", "logs")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(str(path.relative_to(ROOT)) for path in [*found, *ROOT.glob("*.py")])


PERMITTED = {
    # These files are part of the program, and nobody writes them.
    "validation/shapes.py": {"self._recent.remove"},  # of a list
    "handlers/assets.py": {"path.read_bytes", "packed.read_bytes", "page.read_bytes"},
    # The kernel's list of mounts is no file of the journal.
    "journal_tools/mounts.py": {"_MOUNTS.read_text"},
}


@pytest.mark.parametrize("module", [each for each in our_modules() if "filesystem" not in each])
def test_only_one_module_opens_syncs_and_renames_files(module: str) -> None:
    found = set(file_calls((ROOT / module).read_text()))
    assert PERMITTED.get(module, set()) == found


def test_the_module_for_files_does_use_them() -> None:
    found = file_calls((ROOT / "storage" / "filesystem.py").read_text())
    assert {"os.fsync", "os.fdatasync", "source.rename", "path.unlink", "path.mkdir"} <= set(found)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("open('x')", ["open"]),
        ("os.fsync(3)", ["os.fsync"]),
        ("Path('x').open()", ["Path('x').open"]),
        ("(a / b).write_bytes(c)", ["a / b.write_bytes"]),
        ("from os import fsync", ["from os"]),
        ("import shutil", ["shutil"]),
        ("self._fs.rename(a, b)", []),
        ("text.replace('a', 'b')", []),
        ("item.open()", []),
        ("os.getpid()", []),
    ],
)
def test_uses_of_files_are_recognized(source: str, expected: list[str]) -> None:
    assert expected == file_calls(source)


@pytest.mark.parametrize("has_links", [True, False])
def test_a_new_name_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    if not has_links:

        def refuse(target: Path, source: Path) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(Path, "hardlink_to", refuse)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"new")
    FS.rename_new(source, target)
    assert (False, b"new") == (source.exists(), target.read_bytes())
    source.write_bytes(b"newer")
    with pytest.raises(FileExistsError):
        FS.rename_new(source, target)
    assert (b"newer", b"new") == (source.read_bytes(), target.read_bytes())


def test_a_symbolic_link_is_never_followed_to_a_file(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"mine")
    link.symlink_to(target)
    with pytest.raises(FileNotFoundError, match="symbolic link is in its place"):
        FS.open_read(link)
    with pytest.raises(FileNotFoundError, match="symbolic link is in its place"):
        FS.reopen(link)
    with pytest.raises(FileExistsError):
        FS.create(link)
    assert b"mine" == target.read_bytes()


def test_a_directory_may_be_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "file").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    with FS.open_read(tmp_path / "link" / "file") as stream:
        assert b"mine" == stream.read()
