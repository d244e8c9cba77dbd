"""Certificates and proxies: each failure has a message of its own, and correcting the environment is enough."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mm_magics import map_prompts
from mm_magics.errors import ConnectionFailedError, MiniMaxError
from mm_magics.session import Session
from tests.endpoint.test_hosts import Tunnel
from tests.recorder import Recorder

pytestmark = [pytest.mark.slow, pytest.mark.traced]

FAR = "https://models.example.invalid/anthropic"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def failed(session: Session) -> ConnectionFailedError:
    with pytest.raises(ConnectionFailedError) as caught:
        session.ask("Hello.")
    assert len(str(caught.value).splitlines()) == 2
    return caught.value


def session_for(base_url: str, **settings: Any) -> Session:
    return Session(base_url=base_url, api_key="sk-4711-secret", **{"max_retries": 0, "timeout": 5.0, **settings})


# Certificates ---------------------------------------------------------------------------------------------------


class TLSServer(Recorder):
    """Answers over TLS, with a certificate that no authority signed. `connections` counts the attempts."""

    def __init__(self, folder: Path, names: str) -> None:
        self.certificate, key = folder / "certificate.pem", folder / "key.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-days", "2"]
        files = ["-keyout", str(key), "-out", str(self.certificate)]
        subprocess.run([*command, *files, "-addext", f"subjectAltName={names}"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        super().__init__(tls=context)


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[TLSServer]:
    with TLSServer(tmp_path, "IP:127.0.0.1") as server:
        yield server


def test_a_certificate_of_an_unknown_authority_names_the_variable_and_is_not_retried(tls: TLSServer) -> None:
    with session_for(tls.base_url, max_retries=2) as session:
        error = failed(session)
    assert "self-signed certificate; CERTIFICATE_VERIFY_FAILED" in error.message
    assert "set SSL_CERT_FILE to its file (PEM)" in error.hint
    assert tls.connections == 1


def test_the_certificate_is_accepted_once_the_variable_names_it(
    tls: TLSServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with session_for(tls.base_url) as session:
        failed(session)
        monkeypatch.setenv("SSL_CERT_FILE", str(tls.certificate))
        assert session.ask("Hello.").text == "Hello"


@pytest.mark.parametrize("spelling", ["HTTPS://", "Https://", "httpS://"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST"])
def test_the_certificate_is_verified_however_the_url_is_written(
    tls: TLSServer, tmp_path: Path, spelling: str, host: str
) -> None:
    url = tls.base_url.replace("https://", spelling).replace("127.0.0.1", host)
    with session_for(url) as session:
        assert "CERTIFICATE_VERIFY_FAILED" in failed(session).message
        session.config.store = str(tmp_path / "s.sqlite")
        result = map_prompts("{{ row }}", ["a"], session=session)
        assert "CERTIFICATE_VERIFY_FAILED" in str(result.errors)
    assert tls.requests == []


def test_a_map_run_reports_the_certificate_once_per_call_in_flight(tls: TLSServer, tmp_path: Path) -> None:
    with session_for(tls.base_url, max_retries=2, concurrency=1, store=str(tmp_path / "s.sqlite")) as session:
        result = map_prompts("{{ row }}", ["a"], session=session)
    assert "CERTIFICATE_VERIFY_FAILED" in str(result.errors)
    assert tls.connections == 1


def test_a_file_without_the_right_authority_is_named(
    tls: TLSServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    with TLSServer(tmp_path / "other", "IP:127.0.0.1") as other:
        pass
    monkeypatch.setenv("SSL_CERT_FILE", str(other.certificate))
    with session_for(tls.base_url) as session:
        assert f"SSL_CERT_FILE={other.certificate} does not have the certificate authority" in failed(session).hint


def test_a_certificate_of_another_host_asks_about_the_base_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with TLSServer(tmp_path, "DNS:elsewhere.example") as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        with session_for(server.base_url) as session:
            assert failed(session).hint == "Is the base URL correct? The certificate is for another host."


@pytest.mark.parametrize(
    ("variable", "content", "expected"),
    [
        ("SSL_CERT_FILE", None, "which is not a file"),
        ("SSL_CERT_FILE", "not a certificate", "which cannot be read as certificates in PEM format"),
        ("SSL_CERT_FILE", "", "which cannot be read as certificates in PEM format"),
        ("SSL_CERT_DIR", None, "which is not a folder"),
    ],
)
def test_certificates_that_cannot_be_read_are_named(
    tls: TLSServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, content: str | None, expected: str
) -> None:
    place = tmp_path / "authorities.pem"
    if content is not None:
        place.write_text(content)
    monkeypatch.setenv(variable, str(place))
    with session_for(tls.base_url, max_retries=2) as session:
        error = failed(session)
        assert f"{variable} names {place}, {expected}." in str(error)
        assert "Correct or unset that variable, and run the cell again." in error.hint
        monkeypatch.delenv(variable)
        monkeypatch.setenv("SSL_CERT_FILE", str(tls.certificate))
        assert session.ask("Hello.").text == "Hello"


# Proxies --------------------------------------------------------------------------------------------------------


@pytest.fixture
def dead() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_dead_proxy_is_named_without_its_password(dead: str, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, f"http://user:hunter2@{dead}")
    with session_for(FAR) as session:
        error = failed(session)
    assert f"through the proxy http://{dead} ({variable})" in error.message
    assert error.hint == (
        f"Is the proxy running? Correct {variable}, or add models.example.invalid to NO_PROXY, and run the cell again."
    )
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("socks5://127.0.0.1:9", "socks5://127.0.0.1:9 (ALL_PROXY) is a SOCKS proxy, which needs the package socksio."),
        ("socks5h://u:hunter2@127.0.0.1:9", "socks5h://127.0.0.1:9 (ALL_PROXY) is a SOCKS proxy"),
        ("socks4://127.0.0.1:9", "socks4://127.0.0.1:9 (ALL_PROXY) is not a proxy that can be used."),
        ("ftp://127.0.0.1:9", "ftp://127.0.0.1:9 (ALL_PROXY) is not a proxy that can be used."),
    ],
)
def test_a_proxy_of_another_kind_is_named(monkeypatch: pytest.MonkeyPatch, url: str, expected: str) -> None:
    monkeypatch.setenv("ALL_PROXY", url)
    with session_for(FAR, max_retries=2) as session:
        error = failed(session)
    assert expected in error.message
    assert "HTTP proxy" in error.hint
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", "Ask for access to models.example.invalid"),
        (
            b"HTTP/1.1 407 Authenticate\r\ncontent-length: 0\r\n\r\n",
            "user name and password into HTTP",
        ),
    ],
)
def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch, reply: bytes, expected: str) -> None:
    tunnel = Tunnel(reply)
    monkeypatch.setenv("HTTPS_PROXY", tunnel.url)
    with session_for(FAR) as session:
        error = failed(session)
    tunnel.close()
    assert f"The proxy {tunnel.url} refused to connect to models.example.invalid" in error.message
    assert expected in error.hint


def test_a_host_that_needs_no_proxy_has_the_usual_message(dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{dead}")
    monkeypatch.setenv("NO_PROXY", "example.invalid")
    with session_for(FAR) as session:
        error = failed(session)
    assert "Cannot connect to models.example.invalid (" in error.message
    assert "proxy" not in str(error)


@pytest.mark.parametrize("url", ["socks5://127.0.0.1:9", "http://127.0.0.1:9", "ftp://x", "nonsense"])
def test_a_proxy_for_other_urls_does_not_matter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str) -> None:
    for name in ("HTTP_PROXY", "FTP_PROXY"):
        monkeypatch.setenv(name, url)
    with session_for(FAR, store=str(tmp_path / "s.sqlite")) as session:
        error = failed(session)
        result = map_prompts("{{ row }}", ["a"], session=session)
    assert "Cannot connect to models.example.invalid (" in error.message
    assert "Cannot connect to models.example.invalid (" in str(result.errors)


@pytest.mark.parametrize("url", ["socks5://127.0.0.1:9", "http://127.0.0.1:9", "nonsense://x"])
def test_no_proxy_of_any_kind_matters_to_this_machine(endpoint: Any, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("ALL_PROXY", url)
    with Session(base_url=endpoint.base_url, api_key=endpoint.key) as session:
        assert session.ask("Hello.").status == "complete"
        with pytest.raises(MiniMaxError):
            session_for("http://127.0.0.1:9/anthropic").ask("Hello.")
