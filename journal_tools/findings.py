"""The findings of `server.py --check`, and what an operator can do about an error."""

from dataclasses import dataclass

from storage.stores.store import StoreError

_NOT_S3 = "not S3 but something else responds there: correct S3_ENDPOINT_URL"
_NOT_ALLOWED = (
    "allow s3:PutObject below the prefix, as deploy/iam-policy.json does, and with aws:kms "
    "kms:GenerateDataKey on the key"
)
_OTHER_REGION = "the bucket is in another region: correct AWS_REGION"

_ADVICE = {
    "NoSuchBucket": "create the bucket, or correct S3_BUCKET_NAME",
    "AccessDenied": _NOT_ALLOWED,
    "KMS.NotFoundException": "correct S3_SSE_KMS_KEY_ID",
    "KMS.DisabledException": "enable the key of S3_SSE_KMS_KEY_ID",
    "AllAccessDisabled": _NOT_ALLOWED,
    "InvalidAccessKeyId": "the access key is unknown to the service: check the credentials",
    "SignatureDoesNotMatch": "the secret key is wrong: check the credentials",
    "ExpiredToken": "the credentials have expired: renew them",
    "RequestTimeTooSkewed": "set this machine's clock",
    "PermanentRedirect": _OTHER_REGION,
    "AuthorizationHeaderMalformed": _OTHER_REGION,
    "NoCredentialsError": "give credentials: `aws configure`, the environment, or a role",
    "PartialCredentialsError": "give both the access key and the secret key",
    "ProfileNotFound": "AWS_PROFILE names no profile of `aws configure`: correct or unset it",
    "InvalidConfiguration": "correct S3_ENDPOINT_URL, or AWS_ENDPOINT_URL in the environment",
    "EndpointConnectionError": "check the network, AWS_REGION and S3_ENDPOINT_URL",
    "ConnectTimeoutError": "check the network, a firewall, and S3_ENDPOINT_URL",
    "DeadlineExceeded": "check the network and S3_ENDPOINT_URL",
    "NotAcknowledged": _NOT_S3,
    "UnexpectedRedirect": _NOT_S3,
    "PermissionError": "let the user that runs the server write there",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one trial.

    `ok` means that the server can work with it; `warns`, that a guarantee does not hold then.
    """

    ok: bool
    text: str
    warns: bool = False

    @property
    def label(self) -> str:
        """The first word of the finding's line."""
        if not self.ok:
            return "FAIL"
        return "WARN" if self.warns else "ok"


def advice(error: OSError | StoreError) -> str:
    """Return what an operator can do about an error, as the end of a sentence, or nothing."""
    code = error.code if isinstance(error, StoreError) else type(error).__name__
    found = _ADVICE.get(code)
    return f" -- {found}" if found else ""
