import pytest

from logs.secrets import masked, shown

SECRET = "pa55/w#rd@x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('to "http://user:pa55@host:9000/b/k"', 'to "http://***@host:9000/b/k"'),
        (f"http://user:{SECRET}@host", "http://***@host"),
        ("http://socks5://user:pa55@host", "http://***@host"),
        ("a http://u:pa55@a b http://v:pa55@b", "a http://***@a b http://***@b"),
        ("/k?X-Amz-Signature=pa55&x=1", "/k?X-Amz-Signature=***&x=1"),
        ("/k?X-Amz-Security-Token=pa55&x=1", "/k?X-Amz-Security-Token=***&x=1"),
        ("/k?sv=1&sig=pa55", "/k?sv=1&sig=***"),
        ("SignedHeaders=host, Signature=pa55", "SignedHeaders=host, Signature=***"),
        ("aws_secret_access_key = pa55 x", "aws_secret_access_key = *** x"),
        ('{"SecretAccessKey":"pa55"}', '{"SecretAccessKey":***}'),
        ("x-amz-security-token: pa55", "x-amz-security-token: ***"),
        ("Authorization: Basic pa55", "Authorization: ***"),
        ("error: Invalid header value b'pa55\\n'", "error: Invalid header value ***"),
        ("error: Failed to parse: 'user:pa55' is", "error: Failed to parse: ***"),
        ("PASSWORD=pa55", "PASSWORD=***"),
    ],
)
def test_secrets_are_masked(text: str, expected: str) -> None:
    assert expected == masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "AccessDenied: arn:aws:iam::1:user/me may not put into my-bucket",
        "Credential=AKIDEXAMPLE/20261127/eu-central-1/s3/aws4_request",
        'Could not connect to the endpoint URL: "http://127.0.0.1:1/b/k"',
        "SignatureDoesNotMatch: The request signature we calculated does not match",
        "ExpiredToken: The provided token has expired.",
        "[Errno 28] No space left on device: '/a/b@c'",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert text == masked(text)
    assert text == shown(text)


def test_a_text_is_shown_on_one_line_of_bounded_length() -> None:
    assert r"a\nb\x1b[31m\u202e" == shown("a\nb\x1b[31m\u202e")
    assert 1000 == len(shown("x" * 5_000_000))
    assert "xxxxx..." == shown("x" * 9, max_chars=8)


def test_a_secret_that_is_cut_is_not_shown() -> None:
    assert "p" * 5 not in shown("http://user:" + "p" * 3500 + "@host")


@pytest.mark.parametrize("piece", ["://", "secret=", "token", "a@", "authorization: "])
def test_a_text_of_megabytes_is_cut_before_it_is_searched(piece: str) -> None:
    assert len(shown(piece * 1_000_000)) <= 1000
