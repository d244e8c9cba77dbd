"""A key is sent only to the host it belongs to, encrypted, whatever the URL and the environment contain."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from traitlets import TraitError

from mm_magics.config import MiniMax, checked_base_url
from mm_magics.errors import ConfigError, MiniMaxError, MissingKeyError, StatusError
from mm_magics.session import Session
from tests.recorder import Recorder, http

SECRET = "sk-very-secret-4711"

ELSEWHERE = [
    "http://example.org/anthropic",
    "http://localhost.evil.example/anthropic",
    "http://127.0.0.1.evil.example/anthropic",
    "http://127.0.0.2.nip.example/anthropic",
    "http://0.0.0.0/anthropic",
    "http://2130706433/anthropic",
    "http://0x7f.1/anthropic",
    "http://127.1/anthropic",
    "http://[::ffff:127.0.0.1]/anthropic",
    "http://[::]/anthropic",
    "http://api.minimax.io/anthropic",
]
NO_URLS = [
    "http://locaⅼhost/anthropic",
    "http://ⓛocalhost/anthropic",
    "http://localhost。evil.example/anthropic",
    "https://api。minimax.io/anthropic",
    "http://localhost@evil.example/anthropic",
    "http://localhost:80@evil.example/anthropic",
    "https://api.minimax.io@evil.example/anthropic",
    "https://api.minimax.io:443@evil.example/anthropic",
    "https://user:password@api.minimax.io/anthropic",
    "http://localhost\\@evil.example/anthropic",
    "https://evil.example\\.api.minimax.io/anthropic",
    "https://api.minimax.io#@evil.example/anthropic",
    "https://api.minimax.io?@evil.example/anthropic",
    "https://api.minimax.io\t.evil.example",
    "https://api.minimax.io\n.evil.example",
    "https://[::1",
    "https://api.minimax.io:99999",
    "https:///anthropic",
    "//api.minimax.io/anthropic",
    "ftp://api.minimax.io",
    "file:///etc/passwd",
]


@pytest.mark.parametrize("url", ELSEWHERE)
def test_only_this_machine_receives_a_key_unencrypted(url: str) -> None:
    with pytest.raises(ConfigError, match="must not be sent unencrypted"):
        checked_base_url(url)
    with pytest.raises(TraitError):
        MiniMax(base_url=url)


@pytest.mark.parametrize("url", NO_URLS)
def test_a_url_that_parsers_may_read_differently_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        checked_base_url(url)


@pytest.mark.parametrize(
    "url", ["http://localhost:1/a", "http://127.0.0.1/a", "http://[::1]:8000/a", "HTTP://LOCALHOST/a"]
)
def test_this_machine_has_three_names(url: str) -> None:
    assert checked_base_url(url) == url.lower()


@pytest.mark.parametrize(
    "url",
    [
        "https://api.minimax.io.evil.example/anthropic",
        "https://api.minimax.io./anthropic",
        "https://аpi.minimax.io/anthropic",  # a Cyrillic а
        "https://xn--pi-7kc.minimax.io/anthropic",
        "https://API.MINIMAX.IO:8443/anthropic",
        "https://evil.example/api.minimax.io/anthropic",
        "https://[::1]/anthropic",
    ],
)
def test_a_host_that_looks_like_minimaxs_receives_no_key(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", SECRET)
    with Session(base_url=url) as session, pytest.raises(MissingKeyError):
        session.ask("Hello.")


def test_hosts_are_compared_ignoring_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", SECRET)
    assert Session().keys.find("https://API.MiniMax.io/anthropic").reveal() == SECRET


def test_no_proxy_is_used_for_ipv6_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    with Recorder() as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://{proxy.host}")
        session = Session(base_url="http://[::1]:9/anthropic", api_key=SECRET, max_retries=0)
        with session, pytest.raises(MiniMaxError):
            session.ask("Hello.")
        assert proxy.connections == 0


def test_a_redirect_to_another_port_of_the_same_host_is_not_followed() -> None:
    with Recorder() as other:
        redirect = http("", f"location: {other.base_url}/v1/messages", status="307 Temporary Redirect")
        with Recorder(redirect) as first, Session(base_url=first.base_url, api_key=SECRET) as session:
            assert first.host.partition(":")[0] == other.host.partition(":")[0]
            with pytest.raises(StatusError, match="redirects to another URL"):
                session.ask("Hello.")
        assert other.connections == 0


def test_a_changed_base_url_does_not_receive_the_old_key() -> None:
    with Recorder() as first, Recorder() as second, Session(base_url=first.base_url, api_key=SECRET) as session:
        session.ask("Hello.")
        session.config.base_url = second.base_url
        with pytest.raises(MissingKeyError):
            session.ask("Hello.")
        session.keys.enter(second.base_url, "another")
        session.ask("Hello.")
        assert [each.all("authorization") for each in first.requests] == [[f"Bearer {SECRET}"]]
        assert [each.all("authorization") for each in second.requests] == [["Bearer another"]]


def test_headers_from_the_environment_do_not_redirect_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "Host: evil.example\nX-Forwarded-Host: evil.example")
    with Recorder() as recorder, Session(base_url=recorder.base_url, api_key=SECRET) as session:
        session.ask("Hello.")
    (request,) = recorder.requests
    assert request.all("authorization") == [f"Bearer {SECRET}"]


class Tunnel:
    """A proxy that records what it receives: the CONNECT and, if it accepts, the first bytes inside the tunnel."""

    def __init__(self, reply: bytes) -> None:
        self.heard = b""
        self._reply = reply
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection:
            connection.settimeout(5)
            while b"\r\n\r\n" not in self.heard:
                self.heard += connection.recv(65536)
            connection.sendall(self._reply)
            self.heard += connection.recv(65536)

    def close(self) -> None:
        self._server.close()
        self._thread.join(5)


@pytest.fixture(params=[b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"])
def tunnel(request: pytest.FixtureRequest) -> Iterator[Tunnel]:
    opened = Tunnel(request.param)
    yield opened
    opened.close()


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_sees_the_host_but_neither_key_nor_prompt(
    tunnel: Tunnel, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, tunnel.url)
    session = Session(base_url="https://api.minimax.io/anthropic", api_key=SECRET, max_retries=0, timeout=3)
    with session, pytest.raises(MiniMaxError):
        session.ask("A prompt for one host.")
    assert tunnel.heard.startswith(b"CONNECT api.minimax.io:443 HTTP/1.1\r\n")
    assert SECRET.encode() not in tunnel.heard
    assert b"A prompt" not in tunnel.heard
