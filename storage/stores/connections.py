"""The HTTP connections of the S3 client, which accept only what S3 would respond.

Both ways to put an object, `put_object` and `small_put`, send their requests through here.

Invariant: a PUT succeeds only with the response that S3 sends for a stored object, which is status
200, an ETag and no body. Whatever else responds at the endpoint, such as a proxy's login page, has
stored nothing.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
"""

from typing import Any

from botocore.exceptions import BotoCoreError

_OK = 200
_FIRST_REDIRECT_STATUS = 301
_REDIRECT_STATUSES = range(_FIRST_REDIRECT_STATUS, 400)
# S3's ETags are strong. Web frameworks add weak ones to any response (RFC 9110, section 8.8.3).
_WEAK = "W/"


class NotAcknowledged(BotoCoreError):  # type: ignore[misc]
    """A response to a PUT that is neither an error nor an acknowledgement by S3."""

    fmt = (
        "the endpoint responded to a PUT with status {status} and {problem}, as S3 never does, so "
        "the object does not count as stored"
    )


class UnexpectedRedirect(BotoCoreError):  # type: ignore[misc]
    """A redirect by something that is not S3, which names the region of the bucket."""

    fmt = "the endpoint redirects to {location} without naming a region, as S3 never does"


class Connections:
    """The connections of one client, in place of the `http_session` of botocore that they use."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def send(self, request: Any) -> Any:
        """Send a prepared request and return its response.

        Raises NotAcknowledged, UnexpectedRedirect, or what botocore's session raises.
        """
        response = self._session.send(request)
        if request.method == "PUT" and response.status_code < _FIRST_REDIRECT_STATUS:
            _require_acknowledgement(response)
        # The client asks for the bucket's region after a redirect, and after a redirect of that
        # request asks again, until its stack overflows.
        if request.method == "HEAD" and response.status_code in _REDIRECT_STATUSES:
            _require_region(response)
        return response

    def close(self) -> None:
        """Close all idle connections."""
        self._session.close()


def _require_acknowledgement(response: Any) -> None:
    etag = response.headers.get("ETag", "").strip()
    problem = None
    if response.status_code != _OK:
        problem = "not 200"
    elif not etag:
        problem = "no ETag"
    elif etag.startswith(_WEAK):
        problem = "a weak ETag"
    elif response.content:
        problem = "a body"
    if problem is not None:
        raise NotAcknowledged(status=response.status_code, problem=problem)


def _require_region(response: Any) -> None:
    if "x-amz-bucket-region" not in response.headers:
        raise UnexpectedRedirect(location=response.headers.get("Location", "nowhere"))
