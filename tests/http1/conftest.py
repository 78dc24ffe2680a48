from tests.handlers.conftest import app, fetch, http_server, site

__all__ = ["app", "fetch", "http_server", "site"]
