"""SeaweedFS: a real S3 server that checks signatures and permissions."""

import json
import socket
import subprocess
import sysconfig
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.waiting import wait_until

REGION = "us-east-1"
SECRET = "a secret of this test run"

# Each identity may write to the buckets whose names begin with its own name.
_ADMIN = "admin"
WRITER = "writer"

_PORTS = ("s3.port", "filer.port", "master.port", "volume.port", "admin.port")
# S3's limit for one request.
_MAX_DELETED = 1000
# SeaweedFS opens a second port for gRPC this far above each.
_GRPC_OFFSET = 10_000


def free_ports(count: int) -> list[int]:
    """Return loopback ports that are free together with their partners for gRPC."""
    held: list[socket.socket] = []
    ports: list[int] = []
    try:
        while len(ports) < count:
            first = socket.create_server(("127.0.0.1", 0))
            held.append(first)
            port: int = first.getsockname()[1]
            partner = port - _GRPC_OFFSET
            if partner < 1024:
                continue
            try:
                held.append(socket.create_server(("127.0.0.1", partner)))
            except OSError:
                continue
            ports.append(partner)
    finally:
        for each in held:
            each.close()
    return ports


def client(endpoint_url: str, access_key: str) -> Any:
    """Return a boto3 client with the credentials of an identity."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=SECRET,
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


@dataclass
class Bucket:
    """A bucket, the settings of its writer, and its content as the administrator sees it."""

    name: str
    seaweed: "Seaweed"

    @property
    def settings(self) -> dict[str, str]:
        """Settings with which the server may put objects into the bucket, and nothing else."""
        return {
            "S3_BUCKET_NAME": self.name,
            "AWS_REGION": REGION,
            "S3_ENDPOINT_URL": self.seaweed.endpoint_url,
            "AWS_ACCESS_KEY_ID": WRITER,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def make(self) -> None:
        self.seaweed.admin.create_bucket(Bucket=self.name)

    def keys(self) -> list[str]:
        """Return the keys of all objects in order."""
        pages = self.seaweed.admin.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return sorted(each["Key"] for page in pages for each in page.get("Contents", []))

    def objects(self) -> dict[str, bytes]:
        """Return the body of every object by key."""
        get = partial(self.seaweed.admin.get_object, Bucket=self.name)
        return {key: get(Key=key)["Body"].read() for key in self.keys()}

    def remove(self) -> None:
        admin = self.seaweed.admin
        try:
            keys = self.keys()
            for start in range(0, len(keys), _MAX_DELETED):
                objects = [{"Key": key} for key in keys[start : start + _MAX_DELETED]]
                admin.delete_objects(Bucket=self.name, Delete={"Objects": objects})
            admin.delete_bucket(Bucket=self.name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucket":
                raise


class Seaweed:
    """A server process with its data in a directory; it can be stopped and started again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint_url = f"http://127.0.0.1:{self._ports['s3.port']}"
        self.admin = client(self.endpoint_url, _ADMIN)
        self._run = uuid4().hex[:8]
        self._bucket_names = iter(f"{self._run}-{number}" for number in range(100_000))
        self._configure()

    # Permissions name buckets in full: each bucket that a test may make has an entry.
    def _configure(self) -> None:
        writes = [f"Write:{self._run}-{number}" for number in range(200)]
        identities = [(_ADMIN, ["Admin"]), (WRITER, writes)]
        config = [
            {
                "name": name,
                "credentials": [{"accessKey": name, "secretKey": SECRET}],
                "actions": actions,
            }
            for name, actions in identities
        ]
        (self._directory / "s3.json").write_text(json.dumps({"identities": config}))

    def start(self) -> None:
        """Start the server, and return when it responds."""
        data = self._directory / "data"
        data.mkdir(exist_ok=True)
        program = Path(sysconfig.get_path("scripts")) / "weed"
        options = [f"-{name}={port}" for name, port in self._ports.items()]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    program,
                    "mini",
                    f"-dir={data}",
                    "-ip=127.0.0.1",
                    "-ip.bind=127.0.0.1",
                    f"-s3.config={self._directory / 's3.json'}",
                    "-s3.autoCreateBucket=false",
                    "-webdav=false",
                    "-admin.ui=false",
                    "-s3.port.iceberg=0",
                    "-s3.port.lance=0",
                    *options,
                ],
                cwd=self._directory,
                stdout=log,
                stderr=log,
            )
        wait_until(self._responds)

    def _responds(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "SeaweedFS has ended"
        try:
            self.admin.list_buckets()
        except (BotoCoreError, ClientError):
            return False
        return True

    def stop(self) -> None:
        """Kill the server."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def bucket(self) -> Bucket:
        """Return a bucket that is not created yet."""
        return Bucket(next(self._bucket_names), self)

    def make_bucket(self) -> Bucket:
        """Create a bucket."""
        bucket = self.bucket()
        bucket.make()
        return bucket
