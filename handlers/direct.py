"""The direct way of plain requests to the endpoints for events: the core, without Tornado."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from handlers.access_log import log_request
from handlers.admission import AdmissionPolicy
from handlers.body import BodyHeaders
from handlers.errors import as_api_error
from handlers.head import Facts, HeadRules, Identity, facts_from_fields
from handlers.ingestion import Ingestion, IngestPipeline, decide_admission
from handlers.reply import Reply, error_reply, json_body, log_defect
from http1.direct import PlainPost, Respond

Endpoint = Callable[[Ingestion, bytes], Coroutine[Any, Any, Reply]]

_INTERNAL_ERROR = 500


@dataclass(frozen=True, slots=True)
class DirectIngest:
    """The `DirectWay` of the application: `endpoints` has the core's function for each path.

    It declines what has an error already by its head or its size, which the handler responds with.
    """

    endpoints: Mapping[str, Endpoint]
    pipeline: IngestPipeline
    admission: AdmissionPolicy
    rules: HeadRules
    # The event loop keeps only weak references to its tasks.
    _tasks: set[asyncio.Task[None] | None] = field(default_factory=set)

    def __call__(self, request: PlainPost, respond: Respond) -> bool:
        """See `http1.direct.DirectWay`."""
        endpoint = self.endpoints.get(request.target)
        if endpoint is None:
            return False
        facts = facts_from_fields("POST", request.target, request.peer, request.fields)
        identity = self.rules.identify(facts)
        if not self._is_acceptable(facts, identity, len(request.body)):
            return False
        run = self._run(endpoint, facts, identity, request.body, respond, time.time())
        self._tasks.add(asyncio.get_running_loop().create_task(run))
        return True

    def _is_acceptable(self, facts: Facts, identity: Identity, size: int) -> bool:
        pipeline = self.pipeline
        if decide_admission(self.admission, self.rules, facts, identity).error is not None:
            return False
        if BodyHeaders.of(facts).error(pipeline.max_body_bytes) is not None:
            return False
        return size <= pipeline.max_body_bytes and pipeline.budget.reserve(size)

    async def _run(
        self,
        endpoint: Endpoint,
        facts: Facts,
        identity: Identity,
        body: bytes,
        respond: Respond,
        started: float,
    ) -> None:
        self.pipeline.budget.release(len(body))
        ingestion = Ingestion(self.pipeline, facts, identity.client_address)
        try:
            reply = await endpoint(ingestion, body)
        except Exception as cause:
            log_defect(cause, identity.request_id)
            error = as_api_error(cause, _INTERNAL_ERROR)
            ingestion.count_failed(error)
            reply = error_reply(error, identity.request_id)
        content = json_body(reply.body)
        headers = self.rules.response_headers("POST", identity, time.time())
        headers += reply.headers
        headers.append(("Content-Length", str(len(content))))
        respond(reply.status, headers, content)
        seconds = time.time() - started
        log_request(facts, identity, reply.status, seconds, len(body), reply.log_fields)
        # A callback of the task would take another turn of the event loop.
        self._tasks.discard(asyncio.current_task())
