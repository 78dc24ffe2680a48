from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settings import parsers
from storage.journal.segment import KeyRules, new_segment_name, parse_segment_name

HUGE = "9" * 5_000
# fmt: off
NOT_ENDPOINTS = (
    "localhost:9000", "ftp://a.example", "http://", "http:///x", "http://a/bucket", "http://a//",
    "http://a?x=1", "http://a?", "http://a#x", "http://a#", "http://a:0", "http://a:65536",
    "http://a:", "http://a:b", "http://[::1", "http://my_box:9000", "http://a b", "http://a\nb",
    "http://bü.de", f"http://a:{HUGE}", "http://999.1.1.1", "s3://bucket",
)
# fmt: on


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("10", 10), ("007", 7)])
def test_a_whole_number_in_its_range_is_parsed(text: str, number: int) -> None:
    assert number == parsers.whole_number(1, 10)(text)


@pytest.mark.parametrize(
    "text",
    ["0", "11", "-1", "+5", "5.0", "5e0", "1_0", "\u0665", "0x5", "5 5", "", "nan", "inf", HUGE],
)
def test_anything_but_a_whole_number_in_the_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\Amust be a whole number from 1 to 10\Z"):
        parsers.whole_number(1, 10)(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("4096", 4096),
        ("7B", 7),
        ("512KiB", 524_288),
        ("512 KiB", 524_288),
        ("8mib", 8_388_608),
        ("10GIB", 10_737_418_240),
        ("1TiB", 1_099_511_627_776),
        ("3kB", 3_000),
        ("5MB", 5_000_000),
        ("2gb", 2_000_000_000),
    ],
)
def test_a_size_is_parsed_with_its_unit(text: str, size: int) -> None:
    assert size == parsers.size(1, parsers.TIB)(text)


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "-1",
        "2TiB",
        "1.5GiB",
        "8M",
        "8 M B",
        "8  MiB",
        "MiB",
        "8MiBs",
        "\u0668MiB",
        "1e3",
        "nan",
        "inf",
        "",
        HUGE,
        f"{HUGE}KiB",
    ],
)
def test_anything_but_a_size_in_the_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\Amust be a size from 1 to 1TiB, in bytes or with a"):
        parsers.size(1, parsers.TIB)(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1", 1.0),
        ("0.5", 0.5),
        ("1s", 1.0),
        ("1 S", 1.0),
        ("500ms", 0.5),
        ("0.1ms", 0.0001),
        ("2m", 120.0),
        ("1.5h", 5400.0),
        ("24h", 86_400.0),
        ("0", 0.0),
    ],
)
def test_a_duration_is_parsed_to_seconds(text: str, seconds: float) -> None:
    assert seconds == parsers.duration(0, 86_400)(text)


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "+1",
        "25h",
        "86400.1",
        "nan",
        "inf",
        "1e3",
        ".5",
        "5.",
        "1d",
        "s",
        "1 h 5 m",
        "\u0665",
        "",
        HUGE,
        f"0.{HUGE}",
        f"{HUGE}ms",
    ],
)
def test_anything_but_a_duration_in_the_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\Amust be a duration from 0s to 86400s, in seconds or"):
        parsers.duration(0, 86_400)(text)


@settings(deadline=None)
@given(st.integers(0, 1024 * parsers.TIB))
def test_the_text_of_a_size_parses_to_the_size(size: int) -> None:
    assert size == parsers.size(0, 1024 * parsers.TIB)(parsers.size_text(size))


@settings(deadline=None)
@given(st.integers(0, 10**12))
def test_the_text_of_a_duration_parses_to_the_duration(microseconds: int) -> None:
    seconds = microseconds / 10**6
    assert seconds == parsers.duration(0, 10**6)(parsers.duration_text(seconds))


@pytest.mark.parametrize(
    ("expected", "text"),
    [(0, "0s"), (0.01, "0.01s"), (20, "20s"), (0.00001, "0.00001s"), (3600.5, "3600.5s")],
)
def test_a_duration_is_shown_without_an_exponent(expected: float, text: str) -> None:
    assert text == parsers.duration_text(expected)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0"), (1000, "1000"), (1024, "1KiB"), (1025, "1025"), (1536 * parsers.MIB, "1536MiB")],
)
def test_a_size_is_shown_in_the_largest_unit_that_is_exact(size: int, text: str) -> None:
    assert text == parsers.size_text(size)


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "yes", "Yes", "on", "ON"])
def test_these_words_mean_true(text: str) -> None:
    assert parsers.switch(text) is True


@pytest.mark.parametrize("text", ["false", "False", "0", "no", "NO", "off", "Off"])
def test_these_words_mean_false(text: str) -> None:
    assert parsers.switch(text) is False


@pytest.mark.parametrize("text", ["2", "maybe", "t", "enabled", "01", ""])
def test_other_words_are_no_boolean(text: str) -> None:
    with pytest.raises(ValueError, match=r"\Amust be true or false"):
        parsers.switch(text)


def test_a_choice_is_accepted_in_any_case() -> None:
    assert ["text", "json"] == [parsers.choice("text", "json")(word) for word in ("Text", "JSON")]


def test_a_word_that_is_no_choice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\Amust be one of text, json\Z"):
        parsers.choice("text", "json")("xml")


@pytest.mark.parametrize(
    "text",
    ["", "127.0.0.1", "::", "fe80::1%eth0", "localhost", "a-1.internal", "my_box"],
)
def test_a_host_is_a_name_an_address_or_empty(text: str) -> None:
    assert text == parsers.host(text)


@pytest.mark.parametrize(
    "text",
    [
        "[::1]",
        "localhost:80",
        "300.1.1.1",
        "8080",
        "a b",
        "http://a",
        "*",
        "a..b",
        "-a",
        "bü.de",
        "fe80::1%a b",
        "a/b",
        "a\n",
        "a" * 254,
    ],
)
def test_anything_but_a_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\Amust be a host name or an IP address"):
        parsers.host(text)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", IPv4Network("10.0.0.0/8")),
        ("10.0.0.0/255.0.0.0", IPv4Network("10.0.0.0/8")),
        ("192.0.2.7", IPv4Network("192.0.2.7/32")),
        ("0.0.0.0/0", IPv4Network("0.0.0.0/0")),
        ("fc00::/7", IPv6Network("fc00::/7")),
        ("::1", IPv6Network("::1/128")),
    ],
)
def test_a_network_is_parsed(text: str, network: parsers.Network) -> None:
    assert network == parsers.network(text)


@pytest.mark.parametrize(
    "text",
    [
        "localhost",
        "10.0.0.0/33",
        "10.0.0/8",
        "10.0.0.0/",
        "10.0.0.0/8/8",
        "*",
        "",
        "1",
        "\u0663.0.0.0",
        "fe80::1%eth0/64",
        HUGE,
        f"10.0.0.0/{HUGE}",
        "10.0.0.0 /8",
    ],
)
def test_anything_but_a_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\Amust list networks such as 10\.0\.0\.0/8"):
        parsers.network(text)


@pytest.mark.parametrize(
    ("text", "meant"), [("10.0.0.1/8", "10.0.0.0/8"), ("fc00::1/7", "fc00::/7")]
)
def test_a_network_with_host_bits_is_refused_with_its_first_address(text: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"first address, here {ip_network(meant)}$"):
        parsers.network(text)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://s3.example.com", "https://s3.example.com"),
        ("http://localhost:9000/", "http://localhost:9000"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("http://[::1]:9000", "http://[::1]:9000"),
        ("https://key:s3cret@s3.example.com", "https://key:s3cret@s3.example.com"),
    ],
)
def test_an_endpoint_is_a_url_of_a_host(text: str, url: str) -> None:
    assert url == parsers.endpoint_url(text)


@pytest.mark.parametrize("text", NOT_ENDPOINTS)
def test_anything_but_an_endpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\Amust be a URL such as https://s3\.example\.com"):
        parsers.endpoint_url(text)


@pytest.mark.parametrize("text", ["abc", "my-bucket.v1", "Old_Bucket", "a" * 255])
def test_a_bucket_may_be_one_of_a_compatible_service(text: str) -> None:
    assert text == parsers.bucket_name(text)


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:s3:eu-central-1:123456789012:accesspoint/my-point",
        "arn:aws-cn:s3:cn-north-1:123456789012:accesspoint:my-point",
        "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-01ac5d28/accesspoint/my-point",
    ],
)
def test_a_bucket_may_be_named_by_the_arn_of_an_access_point(text: str) -> None:
    assert text == parsers.bucket_name(text)
    assert parsers.is_access_point(text)


def test_the_alias_of_an_access_point_is_a_buckets_name() -> None:
    alias = "my-point-hrzrlukc5m36ft7okagglf3gmwluquse1b-s3alias"
    assert alias == parsers.bucket_name(alias)
    assert not parsers.is_access_point(alias)


@pytest.mark.parametrize(
    ("text", "expected"), [("AES256", "AES256"), ("aes256", "AES256"), ("AWS:KMS", "aws:kms")]
)
def test_encryption_is_named_as_s3_names_it(text: str, expected: str) -> None:
    assert expected == parsers.encryption(text)


@pytest.mark.parametrize(
    "text",
    [
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "alias/events",
        "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "mrk-1234abcd12ab34cd56ef1234567890ab",
    ],
)
def test_a_kms_key_is_an_id_an_alias_or_an_arn(text: str) -> None:
    assert text == parsers.kms_key_id(text)


@pytest.mark.parametrize("text", ["eu-central-1", "us-gov-west-1", "auto", "garage"])
def test_a_region_may_be_one_of_a_compatible_service(text: str) -> None:
    assert text == parsers.region(text)


@pytest.mark.parametrize("text", ["events", "tenant=a/v1.0/events", "a-b/c_d", "-", "A" * 180])
def test_a_key_prefix_survives_in_the_name_of_a_segment(text: str) -> None:
    name = new_segment_name(KeyRules("auto-1000000", parsers.key_prefix(text)))
    sealed = name.sealed(999_999_999_999)
    assert sealed == parse_segment_name(sealed.file_name)
    assert len(sealed.file_name) <= 255


@pytest.mark.parametrize(
    ("parse", "text", "constraint"),
    [
        (parsers.bucket_name, "ab", "must be a bucket name"),
        (parsers.bucket_name, "a" * 256, "must be a bucket name"),
        (parsers.bucket_name, "s3://bucket", "must be a bucket name"),
        (parsers.bucket_name, "bucket/x", "must be a bucket name"),
        (parsers.bucket_name, "arn:aws:s3:::bucket", "must be a bucket name or the ARN of an"),
        (parsers.bucket_name, "arn:aws:s3:a:1:accesspoint/x", "must be a bucket name or the ARN"),
        (
            parsers.bucket_name,
            "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap",
            "must be a bucket or an access point of one region",
        ),
        (parsers.encryption, "AES128", "must be one of AES256, aws:kms"),
        (parsers.kms_key_id, "a key", "must be a key's id"),
        (parsers.region, "eu central", "must be a region"),
        (parsers.region, "-eu", "must be a region"),
        (parsers.region, "eu-", "must be a region"),
        (parsers.region, "a" * 64, "must be a region"),
        (parsers.region, "eu.example", "must be a region"),
        (parsers.key_prefix, "/events", "must not begin or end with a slash"),
        (parsers.key_prefix, "events/", "must not begin or end with a slash"),
        (parsers.key_prefix, "a//b", "must be names of"),
        (parsers.key_prefix, "a/../b", "must be names of"),
        (parsers.key_prefix, ".", "must be names of"),
        (parsers.key_prefix, "a/.hidden", "must be names of"),
        (parsers.key_prefix, "_raw", "must be names of"),
        (parsers.key_prefix, "a/_raw", "must be names of"),
        (parsers.key_prefix, "a+b", "must be names of"),
        (parsers.key_prefix, "a b", "must be names of"),
        (parsers.key_prefix, "ä", "must be names of"),
        (parsers.key_prefix, "a" * 181, "must have at most 180 characters"),
        (parsers.directory, "~/store", "must be a directory written in full"),
        (parsers.directory, "a\0b", "must be a directory of printable characters"),
        (parsers.directory, "a\udcff", "must be a directory of printable characters"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(
    parse: Callable[[str], object], text: str, constraint: str
) -> None:
    with pytest.raises(ValueError, match=rf"\A{constraint}"):
        parse(text)


@pytest.mark.parametrize("text", ["data/store", "/srv/my events", "../x"])
def test_a_directory_is_accepted_as_written(text: str) -> None:
    assert Path(text) == parsers.directory(text)
