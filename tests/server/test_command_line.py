"""`python server.py` with its options and with invalid settings."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.support.seaweed import Bucket, Seaweed
from tests.support.server_process import ROOT, ServerProcess
from tests.support.waiting import WAIT_S


def run(directory: Path, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "server.py", *options],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "HOME": str(directory), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def surprises(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The findings of a check that are not ok, except what the tests' own disk may cause."""
    return [
        line for line in done.stdout.splitlines() if not line.startswith(("ok ", "WARN journal: "))
    ]


def test_help_names_the_options_and_the_settings_file(tmp_path: Path) -> None:
    done = run(tmp_path, "--help")
    assert 0 == done.returncode
    words = ("--check", "--version", ".env.example")
    assert [] == [word for word in words if word not in done.stdout]


def test_the_version_is_in_the_changelog(tmp_path: Path) -> None:
    done = run(tmp_path, "--version")
    name, version = done.stdout.split()
    assert "analytics-platform" == name
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


def test_all_problems_of_the_settings_are_reported_at_once(tmp_path: Path) -> None:
    done = run(tmp_path, PORT="99999", FLUSH_INTERVAL="soon", LOG_FORMAT="xml")
    assert 2 == done.returncode
    names = ("PORT", "FLUSH_INTERVAL", "LOG_FORMAT", "S3_BUCKET_NAME")
    assert [] == [name for name in names if name not in done.stderr]
    assert "Traceback" not in done.stderr
    assert [] == list(tmp_path.iterdir())


def test_settings_come_from_a_file_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('STORAGE_DIR="from file"\nPORT=70000\n')
    assert "PORT" in run(tmp_path).stderr
    assert 0 == run(tmp_path, "--check", PORT="0").returncode
    assert (tmp_path / "from file").is_dir()


def test_check_accepts_a_directory_as_the_store(tmp_path: Path) -> None:
    done = run(tmp_path, "--check", STORAGE_DIR="store", JOURNAL_DIR="journal")
    assert (0, "") == (done.returncode, done.stderr)
    assert [] == surprises(done)
    assert [] == [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


def test_check_warns_of_a_journal_that_others_may_write_to(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal").chmod(0o777)
    done = run(tmp_path, "--check", STORAGE_DIR="store", JOURNAL_DIR="journal")
    assert 0 == done.returncode
    (line,) = [each for each in done.stdout.splitlines() if "chmod" in each]
    assert line.startswith("WARN journal: journal has mode 0777: ")
    assert line.endswith(" -- run `chmod go-w journal`")


def test_check_reports_a_journal_in_use(server: ServerProcess) -> None:
    server.start()
    done = run(server.directory, "--check", STORAGE_DIR="store", JOURNAL_DIR="journal")
    assert 1 == done.returncode
    assert "FAIL journal: " in done.stdout
    assert "stop that process" in done.stdout


def test_check_accepts_a_writer_that_may_only_put(tmp_path: Path, bucket: Bucket) -> None:
    done = run(tmp_path, "--check", **bucket.settings)
    assert 0 == done.returncode, done.stdout
    assert "reading is not permitted, which is fine" in done.stdout
    assert [] == surprises(done)


def test_check_reports_a_host_of_somebody_elses_environment(tmp_path: Path) -> None:
    done = run(tmp_path, "--check", STORAGE_DIR="store", HOST="192.0.2.1")
    assert 1 == done.returncode
    assert "FAIL host: HOST is 192.0.2.1, no address of this machine" in done.stdout


def test_check_reports_a_profile_that_does_not_exist(tmp_path: Path) -> None:
    bucket = {"S3_BUCKET_NAME": "bucket", "AWS_REGION": "us-east-1"}
    done = run(tmp_path, "--check", AWS_PROFILE="missing", **bucket)
    assert (1, "") == (done.returncode, done.stderr)
    assert "AWS_PROFILE names no profile" in done.stdout


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, ("SignatureDoesNotMatch", "the secret key is wrong")),
        ({"AWS_ACCESS_KEY_ID": "stranger"}, ("InvalidAccessKeyId", "the access key is unknown")),
        ({"S3_BUCKET_NAME": "missing"}, ("AccessDenied", "allow s3:PutObject")),
        ({"S3_ENDPOINT_URL": "http://127.0.0.1:1"}, ("127.0.0.1:1", "check the network")),
        (
            {"AWS_ACCESS_KEY_ID": "", "AWS_EC2_METADATA_DISABLED": "true"},
            ("credentials", "aws configure"),
        ),
    ],
    ids=["secret", "key", "bucket", "endpoint", "none"],
)
def test_check_says_how_to_repair_access_to_s3(
    tmp_path: Path, bucket: Bucket, settings: dict[str, str], words: tuple[str, ...]
) -> None:
    done = run(tmp_path, "--check", **bucket.settings | settings)
    assert 1 == done.returncode
    assert "Traceback" not in done.stderr
    assert [] == [word for word in words if word not in done.stdout], done.stdout


def test_check_shows_no_password(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        "--check",
        S3_BUCKET_NAME="bucket",
        AWS_REGION="us-east-1",
        S3_ENDPOINT_URL="http://user:pa55@127.0.0.1:1",
        AWS_ACCESS_KEY_ID="key",
        AWS_SECRET_ACCESS_KEY="pa55",
    )
    assert 1 == done.returncode
    assert "127.0.0.1:1" in done.stdout
    assert "pa55" not in done.stdout + done.stderr


def test_check_reports_a_missing_bucket(tmp_path: Path, seaweed: Seaweed) -> None:
    done = run(tmp_path, "--check", **seaweed.bucket().settings)
    assert 1 == done.returncode
    assert "create the bucket" in done.stdout


def test_a_closed_terminal_stops_the_server_in_good_order(tmp_path: Path) -> None:
    terminal, its_other_end = os.openpty()
    settings = {"STORAGE_DIR": "store", "HOST": "127.0.0.1", "PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, ROOT / "server.py"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **settings},
        stderr=its_other_end,
    )
    os.close(its_other_end)
    written = b""
    with contextlib.suppress(OSError):  # the server has closed its end
        while True:
            written += os.read(terminal, 4096)
            port = re.search(rb"listening .*port=([0-9]+)\r\n", written)
            if port is not None and b"shutdown" not in written:
                # It responds only once it handles signals.
                url = f"http://127.0.0.1:{port[1].decode()}/ready"
                assert 200 == requests.get(url, timeout=WAIT_S).status_code
                process.send_signal(signal.SIGHUP)
    os.close(terminal)
    assert 0 == process.wait(WAIT_S)
    assert b"stopped" in written
