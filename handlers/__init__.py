"""The HTTP endpoints of the collector, from admission to response.

`routes.make_app` is the entry point; the composition root passes it an `ingestion.IngestPipeline`
and an `admission.AdmissionPolicy`. `ingestion` is the core: what a request's events become, with or
without Tornado. CORS, admission, addresses, heads and batch responses are pure functions. Handlers
know nothing of how events become durable: of storage they import only `storage.refusals`.
"""
