import ast
import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.filesystem import AppendFile, DirectoryInUse, DirectoryLock, LocalFileSystem

FS = LocalFileSystem()
ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def closing(file: AppendFile) -> Iterator[AppendFile]:
    try:
        yield file
    finally:
        file.close()


def test_a_file_is_written_at_its_end_whoever_opened_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with closing(FS.create(path)) as file:
        file.write(b"one")
        file.write(b"")
        file.write(b"two")
        file.sync()
    with closing(FS.reopen(path)) as file:
        file.write(b"three")
    assert path.read_bytes() == b"onetwothree"


def test_what_is_written_after_a_cut_comes_after_the_cut(tmp_path: Path) -> None:
    with closing(FS.create(tmp_path / "file")) as file:
        file.write(b"durable and not")
        file.truncate(7)
        file.write(b"!")
        file.sync()
    assert (tmp_path / "file").read_bytes() == b"durable!"


def test_a_file_that_is_there_is_not_created_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        FS.create(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_file_that_is_not_there_is_not_reopened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FS.reopen(tmp_path / "file")


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole_write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: whole_write(fd, bytes(data[:7])))
    with closing(FS.create(tmp_path / "file")) as file:
        file.write(bytes(range(100)))
    assert (tmp_path / "file").read_bytes() == bytes(range(100))


def test_nobody_else_may_read_events(tmp_path: Path) -> None:
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


HOLD_THE_LOCK = """
import sys
from pathlib import Path
from storage.filesystem import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holder(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until it is killed."""
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(directory)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_and_told_who_holds_the_directory(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with pytest.raises(DirectoryInUse) as caught:
            DirectoryLock(tmp_path)
        assert str(tmp_path) in str(caught.value)
        assert f'"pid": {process.pid}' in str(caught.value)
        assert socket.gethostname() in str(caught.value)


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.kill()
        assert process.wait() == -signal.SIGKILL
        DirectoryLock(tmp_path).release()


def test_a_released_lock_can_be_taken_again_and_says_by_whom(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("x" * 500)
    DirectoryLock(tmp_path).release()
    lock = DirectoryLock(tmp_path)
    assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
    lock.release()


def test_one_process_cannot_take_it_twice(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    with pytest.raises(DirectoryInUse):
        DirectoryLock(tmp_path)
    lock.release()


def test_a_lock_in_a_missing_directory_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        DirectoryLock(tmp_path / "missing")


# What opens, syncs, renames, makes or removes files, by how it is called.
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
PORTS = {"fs", "self._fs", "item"}


def file_calls(source: str) -> list[str]:
    """Every use of a file in a module that does not go through a port."""
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
    "logs/sink.py": {"os.write"},
    # They come with the program, and nobody writes them.
    "handlers/assets.py": {"path.read_bytes"},
}


@pytest.mark.parametrize("module", [each for each in our_modules() if "filesystem" not in each])
def test_one_module_alone_opens_syncs_and_renames_files(module: str) -> None:
    found = set(file_calls((ROOT / module).read_text()))
    assert found - PERMITTED.get(module, set()) == set()


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
def test_uses_of_files_are_recognised(source: str, expected: list[str]) -> None:
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
