"""The HTTP endpoints of the collector, from admission to response.

`routes.make_app` is the entry point; the composition root passes it an `ingest.IngestPipeline` and
an `admission.AdmissionPolicy`. `connection_errors` implements `http1`'s port for errors. CORS,
admission, client addresses and batch responses are pure functions of what they are given. Handlers
know nothing of how events become durable: of storage they import only `storage.refusals`.
"""
