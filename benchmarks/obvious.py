"""Baseline: a handler that validates, calls `put_object` for each event, and then responds."""

import asyncio
import json
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import boto3
from botocore.config import Config
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler
from voluptuous import ALLOW_EXTRA, All, Length, Optional, Required, Schema

_THREADS = 32

_SCHEMA = Schema(
    {
        Required("event_type"): All(str, Length(min=1, max=128)),
        Optional("user_id"): All(str, Length(max=256)),
        Optional("session_id"): All(str, Length(max=256)),
        Optional("timestamp"): str,
        Optional("properties"): dict,
    },
    extra=ALLOW_EXTRA,
)


class Put(RequestHandler):
    """Handler that responds when the store has the event."""

    def initialize(self, client: Any, threads: ThreadPoolExecutor) -> None:
        """Keep the store's client and the threads that call it."""
        self._client = client
        self._threads = threads

    async def post(self) -> None:
        """Store the event."""
        event = _SCHEMA(json.loads(self.request.body))
        event_id = str(uuid.uuid4())
        put = partial(
            self._client.put_object,
            Bucket="bucket",
            Key=f"events/{event_id}.json",
            Body=json.dumps({**event, "event_id": event_id}).encode(),
        )
        await asyncio.get_running_loop().run_in_executor(self._threads, put)
        self.finish({"status": "success", "event_id": event_id})


async def _main(port: int, store: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=store,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",  # noqa: S106  the store checks none
        config=Config(max_pool_connections=_THREADS),
    )
    given = {"client": client, "threads": ThreadPoolExecutor(_THREADS)}
    app = Application([("/api/v1/events", Put, given)], log_function=lambda _: None)
    HTTPServer(app).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2]))
