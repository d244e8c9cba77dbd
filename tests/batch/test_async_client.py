"""The HTTP client of map runs sends what the SDK would send, and reports each fault in the same words as a prompt."""

from __future__ import annotations

import gzip
import json
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mm_magics import Session, map_prompts
from mm_magics.errors import ConnectionFailedError, EndpointError
from tests.endpoint.test_network_errors import FAR, VARIABLES, TLSServer
from tests.recorder import Recorder, http

SECRET = "sk-4711-secret"
MESSAGE = {
    "id": "1",
    "type": "message",
    "role": "assistant",
    "model": "MiniMax-M2.7",
    "content": [{"type": "text", "text": "Grüße 😀"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
ANSWER = http(json.dumps(MESSAGE))


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mm_magics.batch.engines.health.FIRST_PATIENCE_S", 0.1)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def session_for(base_url: str, **settings: Any) -> Session:
    return Session(
        base_url=base_url, api_key=SECRET, **{"max_retries": 0, "timeout": 5.0, "concurrency": 1, **settings}
    )


def ask(session: Session) -> str:
    with pytest.raises(EndpointError) as caught:
        session.ask("Hello.")
    return caught.value.message


def map_(session: Session) -> str:
    try:
        result: Any = map_prompts("{{ row }}", ["Hello."], session=session)
    except ConnectionFailedError as error:  # no call can be made
        return error.message
    return str(result.errors[0].why)


# What is sent --------------------------------------------------------------------------------------------------------

EVIL = "X-Api-Key: evil\nAuthorization: Bearer evil\nanthropic-version: 1999-01-01\nHost: evil.example\nX-Team: blue"


def test_a_call_has_one_key_and_the_headers_of_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", EVIL)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "evil")
    with Recorder(ANSWER) as recorder, session_for(recorder.base_url) as session:
        result: Any = map_prompts("{{ row }}", ["Hello 😀."], session=session)
        host = recorder.host
    assert (result.values, result.errors) == (["Grüße 😀"], [])
    (request,) = recorder.requests
    assert request.line == "POST /anthropic/v1/messages HTTP/1.1"
    assert request.all("authorization", "x-api-key", "cookie") == [f"Bearer {SECRET}"]
    assert request.all("anthropic-version") == ["2023-06-01"]
    assert request.all("content-type", "accept") == ["application/json"] * 2
    assert request.all("host") == [host]
    assert request.all("x-team") == ["blue"]
    assert "evil" not in repr(request)
    assert json.loads(request.body)["messages"][0]["content"][0]["text"] == "Hello 😀."


def test_a_large_request_has_its_length(tmp_path: Path) -> None:
    with Recorder(ANSWER) as recorder, session_for(recorder.base_url, value_limit=0) as session:
        result: Any = map_prompts("{{ row }}", ["a" * 3_000_000], session=session)
    assert result.errors == []
    assert recorder.requests[0].all("content-length") == [str(len(recorder.requests[0].body))]


def test_cookies_of_the_endpoint_are_not_sent_back() -> None:
    answer = http(json.dumps(MESSAGE), "set-cookie: a=b; Path=/")
    with Recorder(answer) as recorder, session_for(recorder.base_url) as session:
        map_prompts("{{ row }}", ["a", "b"], session=session)
    assert [each.all("cookie") for each in recorder.requests] == [[], []]


# What is received ----------------------------------------------------------------------------------------------------


def test_lone_surrogates_of_an_answer_are_replaced() -> None:
    body = json.dumps({**MESSAGE, "content": [{"type": "text", "text": "half \ud83d"}]})
    with Recorder(http(body)) as recorder, session_for(recorder.base_url) as session:
        result: Any = map_prompts("{{ row }}", ["a"], session=session)
    assert result.values == ["half �"]


BODIES: dict[str, bytes] = {
    "a bomb": http(gzip.compress(b" " * 40_000_000), "content-encoding: gzip"),
    "no message": http("{}"),
    "no JSON": http("<p>Hello</p>", content_type="text/html"),
    "a number without a value": http(json.dumps({**MESSAGE, "usage": {"output_tokens": 1e999}})),
    "nothing": http(""),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_an_answer_that_is_not_a_message_is_the_error_of_its_row(body: bytes) -> None:
    with Recorder(body) as recorder, session_for(recorder.base_url) as session:
        assert map_(session)


# Faults, in the same words as a prompt -------------------------------------------------------------------------------

Place = Callable[[pytest.MonkeyPatch, Path], Any]


def _reply(reply: bytes) -> Place:
    @contextmanager
    def place(_monkeypatch: pytest.MonkeyPatch, _folder: Path) -> Iterator[str]:
        with Recorder(reply) as recorder:
            yield recorder.base_url

    return place


def _tls(names: str = "IP:127.0.0.1", variable: str = "", content: str | None = None) -> Place:
    @contextmanager
    def place(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[str]:
        with TLSServer(folder, names) as server:
            named = folder / "authorities.pem"
            if content is not None:
                named.write_text(content)
            if variable:
                monkeypatch.setenv(variable, str(server.certificate if content == "its own" else named))
            yield server.base_url

    return place


@contextmanager
def _nothing(_monkeypatch: pytest.MonkeyPatch, _folder: Path) -> Iterator[str]:
    yield f"http://{_dead()}/anthropic"


def _proxy(url: str) -> Place:
    @contextmanager
    def place(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> Iterator[str]:
        monkeypatch.setenv("ALL_PROXY", url.format(dead=_dead()))
        yield FAR

    return place


def _dead() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


FAULTS: dict[str, Place] = {
    "refused": _nothing,
    "redirect": _reply(http("", "location: http://127.0.0.1:9/", status="307 Temporary")),
    "unauthorized": _reply(http('{"error": {"type": "authentication_error", "message": "no"}}', status="401 X")),
    "base_resp": _reply(http('{"base_resp": {"status_code": 1004, "status_msg": "no"}}', status="400 X")),
    "html error": _reply(http("<p>no</p>", content_type="text/html", status="404 X")),
    "unknown authority": _tls(),
    "other host": _tls("DNS:elsewhere.example", "SSL_CERT_FILE", "its own"),
    "no file of authorities": _tls("IP:127.0.0.1", "SSL_CERT_FILE"),
    "an unreadable file of authorities": _tls("IP:127.0.0.1", "SSL_CERT_FILE", "not a certificate"),
    "no folder of authorities": _tls("IP:127.0.0.1", "SSL_CERT_DIR"),
    "dead proxy": _proxy("http://user:hunter2@{dead}"),
    "FTP proxy": _proxy("ftp://127.0.0.1:9"),
    "SOCKS 4 proxy": _proxy("socks4://127.0.0.1:9"),
}


@pytest.mark.slow
@pytest.mark.parametrize("place", FAULTS.values(), ids=FAULTS)
def test_a_row_fails_with_the_message_that_a_prompt_has(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with place(monkeypatch, tmp_path) as url, session_for(url) as session:
        asked, mapped = ask(session), map_(session)
    assert mapped == asked
    assert "hunter2" not in mapped


def test_the_certificate_is_accepted_once_the_variable_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with TLSServer(tmp_path, "IP:127.0.0.1") as server, session_for(server.base_url) as session:
        server.replies = (ANSWER,)
        assert "CERTIFICATE_VERIFY_FAILED" in map_(session)
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        result: Any = map_prompts("{{ row }}", ["a"], session=session)
    assert result.values == ["Grüße 😀"]


@pytest.mark.parametrize(("status", "expected"), [("403 Forbidden", "Forbidden"), ("407 Authenticate", "407")])
def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch, status: str, expected: str) -> None:
    with Recorder(http("", status=status)) as proxy, session_for(FAR) as session:
        url = f"http://{proxy.host}"
        monkeypatch.setenv("HTTPS_PROXY", url.replace("//", "//user:hunter2@"))
        error = map_(session)
    assert error.startswith(f"The proxy {url} refused to connect to models.example.invalid (")
    assert expected in error
    assert "hunter2" not in error
    assert all(each.line.startswith("CONNECT models.example.invalid:443 ") for each in proxy.requests)
    assert proxy.requests[0].all("proxy-authorization")[0].startswith("Basic ")
    assert SECRET not in repr(proxy.requests)


def test_a_socks_proxy_names_the_package_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://u:hunter2@127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "aiohttp_socks", None)
    with session_for(FAR) as session:
        error = map_(session)
    assert error == "socks5://127.0.0.1:9 (ALL_PROXY) is a SOCKS proxy, which needs the package aiohttp-socks."
