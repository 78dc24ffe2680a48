import dataclasses
import re
from ipaddress import IPv4Network, ip_network
from pathlib import Path

import pytest
from dotenv import dotenv_values

from settings.origins import allowed_origin
from settings.settings import Settings, SettingsError, describe, load_settings
from settings.variables import VARIABLES

EXAMPLE = Path(__file__).parents[2] / ".env.example"
LOCAL = {"STORAGE_DIR": "data/store"}
S3 = {"S3_BUCKET_NAME": "my-bucket", "AWS_REGION": "eu-central-1"}
FIELDS = {variable.name: variable.field for variable in VARIABLES}


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ)
    return caught.value.problems


def value_of(name: str, text: str, base: dict[str, str] = LOCAL) -> object:
    return getattr(load_settings(base | {name: text}), FIELDS[name])


def test_the_defaults_are_those_of_the_design() -> None:
    private = (
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "fc00::/7",
    )
    expected = Settings(
        storage_dir=Path("data/store"),
        s3_bucket_name=None,
        aws_region=None,
        s3_endpoint_url=None,
        s3_prefix="events",
        s3_server_side_encryption=None,
        s3_sse_kms_key_id=None,
        s3_conditional_writes="auto",
        host="",
        port=8080,
        reuse_port=False,
        cors_allowed_origins=(allowed_origin("*"),),
        cors_debug=False,
        ingest_aliases=(),
        trusted_proxies=tuple(map(ip_network, private)),
        idle_timeout_s=120.0,
        body_timeout_s=30.0,
        body_min_rate=100,
        shutdown_delay_s=0.0,
        drain_timeout_s=20.0,
        ack="journal",
        ack_timeout_s=10.0,
        journal_dir=Path("data/journal"),
        journal_max_bytes=10 * 1024**3,
        flush_interval_s=1.0,
        segment_max_bytes=8 * 1024**2,
        dedup_window_s=86400.0,
        dedup_max_events=1_000_000,
        object_layout="auto",
        auto_batch_above=100,
        upload_concurrency=8,
        max_body_bytes=5 * 1024**2,
        max_event_bytes=256 * 1024,
        max_batch_events=1000,
        log_level="info",
        log_format="text",
    )
    assert expected == load_settings(LOCAL)


def test_every_field_has_one_variable() -> None:
    assert [each.name for each in dataclasses.fields(Settings)] == [v.field for v in VARIABLES]
    assert len(VARIABLES) == len({variable.name for variable in VARIABLES})


def test_settings_cannot_be_changed() -> None:
    settings = load_settings(LOCAL)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("STORAGE_DIR", "/srv/events", Path("/srv/events")),
        ("S3_ENDPOINT_URL", "http://localhost:9000/", "http://localhost:9000"),
        ("S3_PREFIX", "tenant=a/events", "tenant=a/events"),
        ("HOST", "::1", "::1"),
        ("PORT", "0", 0),
        ("PORT", " 65535 ", 65535),
        ("CORS_ALLOWED_ORIGINS", "https://a.example", (allowed_origin("https://a.example"),)),
        (
            "CORS_ALLOWED_ORIGINS",
            "http://a, http://*.b:1,",
            (allowed_origin("http://a"), allowed_origin("http://*.b:1")),
        ),
        ("CORS_DEBUG", "Yes", True),
        ("TRUSTED_PROXIES", "none", ()),
        ("TRUSTED_PROXIES", "10.0.0.0/8", (IPv4Network("10.0.0.0/8"),)),
        ("TRUSTED_PROXIES", "192.0.2.1 , ::1", (ip_network("192.0.2.1"), ip_network("::1"))),
        ("DRAIN_TIMEOUT", "0", 0.0),
        ("DRAIN_TIMEOUT", "1h", 3600.0),
        ("JOURNAL_DIR", "../journal", Path("../journal")),
        ("JOURNAL_MAX_BYTES", "64MiB", 64 * 1024**2),
        ("FLUSH_INTERVAL", "10ms", 0.01),
        ("SEGMENT_MAX_BYTES", "64KiB", 64 * 1024),
        ("SEGMENT_MAX_BYTES", "1GiB", 1024**3),
        ("OBJECT_LAYOUT", "batch", "batch"),
        ("AUTO_BATCH_ABOVE", "0", 0),
        ("UPLOAD_CONCURRENCY", "256", 256),
        ("MAX_BODY_BYTES", "1GiB", 1024**3),
        ("MAX_EVENT_BYTES", "256", 256),
        ("MAX_BATCH_EVENTS", "100000", 100_000),
        ("LOG_LEVEL", "WARNING", "warning"),
        ("LOG_FORMAT", "json", "json"),
    ],
)
def test_a_valid_value_is_parsed(name: str, text: str, value: object) -> None:
    assert value == value_of(name, text)


def test_a_bucket_and_its_region_are_read() -> None:
    settings = load_settings(S3)
    assert (None, "my-bucket") == (settings.storage_dir, settings.s3_bucket_name)
    assert "eu-central-1" == settings.aws_region


@pytest.mark.parametrize(
    ("name", "text", "constraint"),
    [
        ("STORAGE_DIR", "~/store", "must be a directory written in full"),
        ("S3_ENDPOINT_URL", "localhost:9000", "must be a URL"),
        ("S3_PREFIX", "events/", "must not begin or end with a slash"),
        ("HOST", "[::1]", "must be a host name or an IP address"),
        ("PORT", "65536", "must be a whole number from 0 to 65535"),
        (
            "CORS_ALLOWED_ORIGINS",
            "https://a.example/",
            "has a trailing slash: leave it out and write https://a.example",
        ),
        ("CORS_ALLOWED_ORIGINS", "null", "has an opaque origin"),
        ("CORS_ALLOWED_ORIGINS", "*, https://a.example", "must be a comma-separated list"),
        ("CORS_ALLOWED_ORIGINS", "*,*", "must be a comma-separated list"),
        ("CORS_ALLOWED_ORIGINS", ",", "must be a comma-separated list"),
        ("CORS_DEBUG", "2", "must be true or false"),
        ("TRUSTED_PROXIES", "10.0.0.0/33", "must list networks"),
        ("TRUSTED_PROXIES", ",", "must be a comma-separated list"),
        ("DRAIN_TIMEOUT", "3601", "must be a duration from 0s to 3600s"),
        ("JOURNAL_DIR", "~", "must be a directory written in full"),
        ("JOURNAL_MAX_BYTES", "63MiB", "must be a size from 64MiB to 1024TiB"),
        ("FLUSH_INTERVAL", "9ms", "must be a duration from 0.01s to 3600s"),
        ("SEGMENT_MAX_BYTES", "65535", "must be a size from 64KiB to 1GiB"),
        ("OBJECT_LAYOUT", "parquet", "must be one of auto, event, batch"),
        ("AUTO_BATCH_ABOVE", "1000001", "must be a whole number from 0 to 1000000"),
        ("UPLOAD_CONCURRENCY", "0", "must be a whole number from 1 to 256"),
        ("MAX_BODY_BYTES", "1023", "must be a size from 1KiB to 1GiB"),
        ("MAX_EVENT_BYTES", "9MiB", "must be a size from 256 to 8MiB"),
        ("MAX_BATCH_EVENTS", "0", "must be a whole number from 1 to 100000"),
        ("LOG_LEVEL", "trace", "must be one of debug, info, warning, error"),
        ("LOG_FORMAT", "xml", "must be one of text, json"),
    ],
)
def test_a_bad_value_is_reported_with_its_name_and_constraint(
    name: str, text: str, constraint: str
) -> None:
    [problem] = problems(LOCAL | {name: text})
    assert problem.startswith(f"{name} {constraint}")
    assert problem.endswith(f', not "{text}"')


@pytest.mark.parametrize(
    ("name", "text"), [("S3_BUCKET_NAME", "a/b"), ("AWS_REGION", "eu central")]
)
def test_a_bad_value_for_s3_is_reported(name: str, text: str) -> None:
    [problem] = problems(S3 | {name: text})
    assert re.fullmatch(rf'{name} must be a .*, not "{text}"', problem)


def test_a_problem_is_a_sentence() -> None:
    expected = ['PORT must be a whole number from 0 to 65535, not "80a"']
    assert expected == problems(LOCAL | {"PORT": "80a"})


def test_all_problems_are_reported_at_once_in_the_order_of_the_variables() -> None:
    bad = {variable.name: "~ \x07" for variable in VARIABLES}
    names = [problem.partition(" ")[0] for problem in problems(bad)]
    assert ["STORAGE_DIR", *FIELDS] == names


KEY = {"S3_SSE_KMS_KEY_ID": "alias/events"}
POINT = {"S3_BUCKET_NAME": "arn:aws:s3:eu-central-1:123456789012:accesspoint/my-point"}


@pytest.mark.parametrize("encryption", [{}, {"S3_SERVER_SIDE_ENCRYPTION": "AES256"}])
def test_a_kms_key_needs_encryption_by_kms(encryption: dict[str, str]) -> None:
    assert ["S3_SSE_KMS_KEY_ID must only be set with S3_SERVER_SIDE_ENCRYPTION=aws:kms"] == (
        problems(S3 | KEY | encryption)
    )
    found = load_settings(S3 | KEY | {"S3_SERVER_SIDE_ENCRYPTION": "aws:kms"})
    assert ("aws:kms", "alias/events") == (found.s3_server_side_encryption, found.s3_sse_kms_key_id)


def test_an_access_point_has_no_endpoint_of_its_own() -> None:
    assert POINT["S3_BUCKET_NAME"] == load_settings(S3 | POINT).s3_bucket_name
    assert [
        "S3_ENDPOINT_URL must not be set if S3_BUCKET_NAME is the ARN of an access point"
    ] == problems(S3 | POINT | {"S3_ENDPOINT_URL": "https://s3.example.com"})


def test_each_invalid_origin_is_reported_with_a_correction() -> None:
    text = "https://shop.example.com/, https://a.example, localhost:3000"
    slash = "has a trailing slash: leave it out and write https://shop.example.com"
    no_scheme = "has no scheme: write it as in https://shop.example.com"
    assert [
        f'CORS_ALLOWED_ORIGINS {slash}, not "https://shop.example.com/"',
        f'CORS_ALLOWED_ORIGINS {no_scheme}, not "localhost:3000"',
    ] == problems(LOCAL | {"CORS_ALLOWED_ORIGINS": text})


@pytest.mark.parametrize(
    "text",
    [
        "https://key:s3cret@a.example",
        "https://key:s3cret@a.example/",
        "key:s3cret@a.example",
        "https://a.example, https://key:24680/x@b.example",
        "https://24680/x@b.example",
        "*, https://key:s3cret@a.example",
    ],
)
def test_a_problem_of_an_origin_masks_its_password(text: str) -> None:
    [problem] = problems(LOCAL | {"CORS_ALLOWED_ORIGINS": text})
    assert "***@" in problem
    assert not re.search("key|cret|24680", problem), problem


def test_each_bad_entry_of_a_list_is_reported() -> None:
    first, second = problems(LOCAL | {"TRUSTED_PROXIES": "x, 10.0.0.0/8, y"})
    assert ('not "x"', 'not "y"') == (first[-7:], second[-7:])


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_value_means_the_default(blank: str) -> None:
    unset = dict.fromkeys(FIELDS, blank)
    assert load_settings(LOCAL) == load_settings(unset | LOCAL)


def test_other_variables_are_ignored() -> None:
    assert load_settings(LOCAL) == load_settings(LOCAL | {"PATH": "/bin", "port": "x"})


def test_a_store_is_required() -> None:
    expected = ["S3_BUCKET_NAME must be set unless STORAGE_DIR is; neither is set"]
    assert expected == problems({})


def test_two_stores_are_refused() -> None:
    [problem] = problems(LOCAL | S3)
    assert 'set one of "data/store" and "my-bucket"' in problem


def test_a_bucket_needs_a_region() -> None:
    expected = ["AWS_REGION must be set if S3_BUCKET_NAME is; it is not set"]
    assert expected == problems({"S3_BUCKET_NAME": "my-bucket"})


@pytest.mark.parametrize(
    ("region", "expected"), [("", "us-east-2"), (" ", "us-east-2"), ("eu-west-1", "eu-west-1")]
)
def test_the_default_region_is_used_if_there_is_no_region(region: str, expected: str) -> None:
    environ = S3 | {"AWS_REGION": region, "AWS_DEFAULT_REGION": "us-east-2"}
    assert expected == load_settings(environ).aws_region


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        (
            {"MAX_BODY_BYTES": "100KiB"},
            "MAX_EVENT_BYTES must be at most MAX_BODY_BYTES (100KiB), not 256KiB",
        ),
        (
            {"MAX_EVENT_BYTES": "8MiB"},
            "MAX_EVENT_BYTES must be at most MAX_BODY_BYTES (5MiB), not 8MiB",
        ),
        (
            {"JOURNAL_MAX_BYTES": "64MiB", "SEGMENT_MAX_BYTES": "17MiB"},
            "JOURNAL_MAX_BYTES must be at least 4 times SEGMENT_MAX_BYTES (17MiB), not 64MiB",
        ),
    ],
)
def test_sizes_must_agree(environ: dict[str, str], problem: str) -> None:
    assert [problem] == problems(LOCAL | environ)


def test_sizes_may_be_exactly_at_their_limits() -> None:
    environ = {"JOURNAL_MAX_BYTES": "64MiB", "SEGMENT_MAX_BYTES": "16MiB"}
    environ |= {"MAX_BODY_BYTES": "1MiB", "MAX_EVENT_BYTES": "1MiB"}
    assert 1024**2 == load_settings(LOCAL | environ).max_event_bytes


def test_a_bad_value_is_not_compared_with_others() -> None:
    [problem] = problems(LOCAL | {"MAX_BODY_BYTES": "x", "MAX_EVENT_BYTES": "8MiB"})
    assert problem.startswith("MAX_BODY_BYTES ")


def test_conflicting_values_are_reported_beside_bad_ones() -> None:
    found = problems(LOCAL | {"PORT": "x", "MAX_EVENT_BYTES": "8MiB"})
    assert ["PORT", "MAX_EVENT_BYTES"] == [problem.partition(" ")[0] for problem in found]


@pytest.mark.parametrize(
    ("store", "journal"),
    [
        ("data", "data"),
        ("data", "./x/../data"),
        ("data", "data/journal"),
        ("data/journal/store", "data/journal"),
        (".", "data/journal"),
        ("/", "data/journal"),
        ("data", str(Path.cwd() / "data")),
    ],
)
def test_store_and_journal_must_be_apart(store: str, journal: str) -> None:
    [problem] = problems({"STORAGE_DIR": store, "JOURNAL_DIR": journal})
    assert problem.startswith("STORAGE_DIR and JOURNAL_DIR must be apart")


@pytest.mark.parametrize(("store", "journal"), [("data", "data2"), ("a/b", "a/c"), ("a/../b", "a")])
def test_store_and_journal_may_be_side_by_side(store: str, journal: str) -> None:
    assert Path(store) == value_of("STORAGE_DIR", store, {"JOURNAL_DIR": journal})


def test_a_description_names_every_setting() -> None:
    assert list(FIELDS) == list(describe(load_settings(LOCAL)))


@pytest.mark.parametrize(
    "environ",
    [
        LOCAL,
        S3 | {"S3_ENDPOINT_URL": "http://localhost:9000", "TRUSTED_PROXIES": "none"},
        LOCAL | {"CORS_DEBUG": "on", "CORS_ALLOWED_ORIGINS": "http://a, http://b", "HOST": "::1"},
        LOCAL | {"MAX_BODY_BYTES": "5000001", "FLUSH_INTERVAL": "12.5ms", "LOG_LEVEL": "ERROR"},
    ],
)
def test_a_description_parses_to_the_same_settings(environ: dict[str, str]) -> None:
    settings = load_settings(environ)
    assert settings == load_settings(describe(settings))


def test_a_description_masks_the_password_of_the_endpoint() -> None:
    settings = load_settings(S3 | {"S3_ENDPOINT_URL": "http://key:s3cret@host:9000"})
    assert "http://***@host:9000" == describe(settings)["S3_ENDPOINT_URL"]
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        "http://key:s3cret@host/bucket",
        "key:s3cret@host",
        "ftp://key:s3cret@host",
        "http://key:s3cret/x?y#z@host",
        "http://key:a@s3cret@host/x",
        "http://key:s3\ncret@host",
    ],
)
def test_a_problem_masks_the_password_of_the_endpoint(url: str) -> None:
    [problem] = problems(S3 | {"S3_ENDPOINT_URL": url})
    assert "***@host" in problem
    assert "cret" not in problem
    assert "key" not in problem


def test_a_problem_is_one_short_line_of_printable_text() -> None:
    [problem] = problems(LOCAL | {"LOG_LEVEL": "a\nb\x1b[31m\udcff" + "x" * 10_000})
    assert problem.isprintable()
    assert len(problem) < 250


def test_the_error_reads_as_its_problems() -> None:
    with pytest.raises(SettingsError, match=r"\APORT must .*; LOG_FORMAT must "):
        load_settings(LOCAL | {"PORT": "x", "LOG_FORMAT": "x"})


def example_lines() -> list[tuple[str, str, str]]:
    """Return each assignment of the example: its comment mark, its variable, its value."""
    return re.findall(r"^(# |)([A-Z0-9_]+)=(.*)$", EXAMPLE.read_text("utf-8"), re.M)


def test_the_example_lists_every_variable_with_its_default() -> None:
    listed = {name: text for mark, name, text in example_lines() if mark}
    defaults = {variable.name: variable.default or "" for variable in VARIABLES}
    assert list(FIELDS) == [name for _, name, _ in example_lines()]
    assert {name: text for name, text in defaults.items() if name != "STORAGE_DIR"} == listed


def test_the_example_works_as_it_is() -> None:
    read = dotenv_values(EXAMPLE, interpolate=False)
    assert LOCAL == read
    assert load_settings(LOCAL) == load_settings({k: v or "" for k, v in read.items()})


def test_the_example_works_with_its_defaults_uncommented(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text(re.sub(r"^# (?=[A-Z0-9_]+=)", "", EXAMPLE.read_text("utf-8"), flags=re.M))
    read = {name: text or "" for name, text in dotenv_values(env).items()}
    assert list(FIELDS) == list(read)
    assert load_settings(LOCAL) == load_settings(read)
