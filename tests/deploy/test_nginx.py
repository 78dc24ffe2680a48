import http.client
import os
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from settings.variables import VARIABLES
from tests.support.parts import require
from tests.support.waiting import WAIT_S

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx.conf"
COLLECTOR = "127.0.0.1:8080"
PATH = "/api/v1/events"
STRANGER = "203.0.113.9"
NEIGHBOUR = "10.1.2.3"

MAIN = """
# The worker must reach the test's folder, which only its owner may enter.
user root root;
daemon off;
error_log stderr;
pid {folder}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    # Every client of a test is on this machine: this header holds the address it pretends.
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Pretended-Address;
    include {folder}/analytics-platform.conf;
}}
"""


@dataclass(frozen=True)
class Seen:
    """A request as the collector received it."""

    path: str
    headers: Mapping[str, str]
    body_bytes: int
    connection: int


class Collector(ThreadingHTTPServer):
    """A stand-in for the collector that remembers its requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), CollectorHandler)
        self.seen: list[Seen] = []
        self.hangs_up = False


class CollectorHandler(BaseHTTPRequestHandler):
    server: Collector
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = dict(self.headers.items())
        self.server.seen.append(Seen(self.path, headers, len(body), self.client_address[1]))
        if self.server.hangs_up:
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        pass


@dataclass(frozen=True)
class Proxy:
    """nginx with the shipped configuration, at its own port and with its own certificate."""

    port: int
    certificate: Path

    def request(
        self, method: str = "POST", path: str = PATH, *, body: bytes = b"{}", **headers: str
    ) -> int:
        """Send a request on a new connection, and return the status of the response."""
        trust = ssl.create_default_context(cafile=self.certificate)
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=trust, timeout=WAIT_S
        )
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, named)
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listening socket for nginx to inherit, so that no test guesses a port or waits for it."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 in `cert.pem`, and its key in `key.pem` beside it."""
    path = tmp_path / "cert.pem"
    subprocess.run(
        [
            *(require("openssl"), "req", "-x509", "-nodes", "-days", "1"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-out", path, "-keyout", tmp_path / "key.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return path


@pytest.fixture
def main_file(
    tmp_path: Path, collector: Collector, listener: socket.socket, certificate: Path
) -> Path:
    """A main configuration that includes the shipped one, adapted to this machine."""
    text = CONFIGURATION.read_text()
    for pattern, replacement in (
        (r"listen \[::\]:443 .*;", ""),
        (r"listen 443 ", f"listen 127.0.0.1:{listener.getsockname()[1]} "),
        (re.escape(COLLECTOR), f"127.0.0.1:{collector.server_port}"),
        (r"ssl_certificate .*;", f"ssl_certificate {certificate};"),
        (r"ssl_certificate_key .*;", f"ssl_certificate_key {certificate.with_name('key.pem')};"),
    ):
        text, found = re.subn(rf"(?m)^(?!#)(\s*.*?){pattern}", rf"\g<1>{replacement}", text)
        assert 1 == found, pattern
    (tmp_path / "analytics-platform.conf").write_text(text)
    path = tmp_path / "nginx.conf"
    path.write_text(MAIN.format(folder=tmp_path))
    return path


@pytest.fixture
def proxy(main_file: Path, listener: socket.socket, certificate: Path) -> Iterator[Proxy]:
    port, descriptor = listener.getsockname()[1], listener.fileno()
    process = subprocess.Popen(
        [require("nginx"), "-e", "stderr", "-p", main_file.parent, "-c", main_file],
        env={**os.environ, "NGINX": f"{descriptor};"},
        pass_fds=[descriptor],
    )
    # If nginx dies, the last copy of the socket must die with it, or clients would wait.
    listener.close()
    yield Proxy(port, certificate)
    process.terminate()
    assert 0 == process.wait(WAIT_S)


def default(name: str) -> object:
    (variable,) = (each for each in VARIABLES if each.name == name)
    return variable.parse(variable.default or "")


def test_nginx_accepts_the_configuration(main_file: Path) -> None:
    verdict = subprocess.run(
        [require("nginx"), "-t", "-e", "stderr", "-p", main_file.parent, "-c", main_file],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert 0 == verdict.returncode, verdict.stderr


def test_the_collector_gets_the_clients_real_address_and_not_its_claim(
    proxy: Proxy, collector: Collector
) -> None:
    proxy.request(X_Pretended_Address=STRANGER, X_Forwarded_For="198.51.100.7, 10.0.0.1")
    assert [STRANGER] == [each.headers["X-Forwarded-For"] for each in collector.seen]


def test_each_request_gets_an_id_that_no_client_chooses(proxy: Proxy, collector: Collector) -> None:
    for _ in range(2):
        proxy.request(X_Request_Id="mine")
    one, other = (each.headers["X-Request-Id"] for each in collector.seen)
    assert one != other
    assert re.fullmatch("[0-9a-f]{32}", one)


def test_a_body_over_the_limit_reaches_the_collector(proxy: Proxy, collector: Collector) -> None:
    limit = default("MAX_BODY_BYTES")
    assert isinstance(limit, int)
    assert 200 == proxy.request(body=b" " * (limit + 1))
    assert [limit + 1] == [each.body_bytes for each in collector.seen]


def test_requests_share_a_connection_to_the_collector(proxy: Proxy, collector: Collector) -> None:
    for _ in range(3):
        proxy.request()
    assert 3 == len(collector.seen)
    assert 1 == len({each.connection for each in collector.seen})


def test_an_event_whose_response_is_lost_is_not_sent_twice(
    proxy: Proxy, collector: Collector
) -> None:
    # nginx retries most readily after it finds a kept connection closed.
    assert 200 == proxy.request(path="/first")
    collector.hangs_up = True
    assert 502 == proxy.request(path="/second")
    assert ["/first", "/second"] == [each.path for each in collector.seen]


@pytest.mark.parametrize("path", ["/health", "/health/", "//health", "/./health//", "/health?a=b"])
@pytest.mark.parametrize(("address", "status"), [(STRANGER, 403), (NEIGHBOUR, 200)])
def test_health_is_open_to_private_networks_only(
    proxy: Proxy, address: str, status: int, path: str
) -> None:
    assert status == proxy.request("GET", path, X_Pretended_Address=address)


def test_readiness_is_open_to_everybody(proxy: Proxy) -> None:
    assert 200 == proxy.request("GET", "/ready", X_Pretended_Address=STRANGER)


def test_nginx_closes_idle_connections_before_the_collector_does() -> None:
    (seconds,) = re.findall(r"^ *keepalive_timeout (\d+)s;", CONFIGURATION.read_text(), re.M)
    idle_s = default("IDLE_TIMEOUT")
    assert isinstance(idle_s, float)
    assert int(seconds) < idle_s


def test_nginx_forwards_to_the_collectors_default_address() -> None:
    assert [COLLECTOR] == re.findall(r"^ *server (\S+);", CONFIGURATION.read_text(), re.M)
    assert COLLECTOR.endswith(f":{default('PORT')}")
