"""What the package relies on in the `anthropic` SDK and its HTTP library: these tests fail if an update changes it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any

import anthropic
import httpx2
import pytest

from mm_magics.endpoint.client import Client
from mm_magics.endpoint.error_mapping import retry_delay
from mm_magics.endpoint.keys import Key
from mm_magics.endpoint.sdk import opened_socket, pace_reads, raw_response, sdk_options, underlying_error
from tests.recorder import Recorder, sse


def client_raising(error: Exception) -> anthropic.Anthropic:
    """An SDK client whose HTTP library raises this error instead of sending."""

    def fail(_request: httpx2.Request) -> httpx2.Response:
        raise error

    http = anthropic.DefaultHttpxClient(transport=httpx2.MockTransport(fail))
    return anthropic.Anthropic(**sdk_options("http://127.0.0.1:9", 1.0), http_client=http)


def post(client: anthropic.Anthropic) -> Any:
    return client.post("/v1/messages", content=b"{}", **raw_response(anthropic.Stream[object]))


@pytest.mark.parametrize(
    ("error", "is_retried"),
    [
        (httpx2.ConnectError("refused"), True),
        (httpx2.ConnectTimeout("late"), True),
        (httpx2.RemoteProtocolError("closed"), True),
        (httpx2.ReadTimeout("silent"), False),
    ],
)
def test_the_sdk_names_the_http_librarys_error_as_the_cause_of_its_own(error: Exception, is_retried: bool) -> None:
    with pytest.raises(anthropic.APIConnectionError) as caught:
        post(client_raising(error))
    assert underlying_error(caught.value) is error
    assert (retry_delay(caught.value, 1) is not None) == is_retried


@pytest.mark.parametrize("error", [httpx2.ReadError("reset"), httpx2.RemoteProtocolError("cut")])
def test_a_response_that_breaks_off_is_not_requested_again(error: Exception) -> None:
    assert retry_delay(error, 1) is None, "its tokens would be paid for twice"


def test_an_error_of_another_kind_is_its_own_underlying_error() -> None:
    error = OSError("no")
    assert underlying_error(error) is error


def test_the_sdk_returns_the_http_response_with_its_body_unread(recorder: Recorder) -> None:
    client = anthropic.Anthropic(**sdk_options(recorder.base_url, 5.0))
    response = post(client)
    assert type(response) is httpx2.Response
    assert not response.is_stream_consumed
    assert b"".join(response.iter_bytes()) == sse().partition(b"\r\n\r\n")[2]
    client.close()


def test_the_sdk_shows_no_key_and_takes_none_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "evil")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "evil")
    client = anthropic.Anthropic(**sdk_options("http://127.0.0.1:9", 1.0))
    assert client.api_key == "-"
    assert "evil" not in repr(client.default_headers)


def test_the_http_library_reports_each_socket_that_it_opens(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[socket.socket | None] = []
    found: Callable[[Mapping[str, Any]], socket.socket | None] = opened_socket

    def noting(info: Mapping[str, Any]) -> socket.socket | None:
        opened.append(found(info))
        return opened[-1]

    monkeypatch.setattr("mm_magics.endpoint.client.opened_socket", noting)
    client = Client(recorder.base_url, Key("k", "here", "host"), timeout=5.0, max_retries=0)
    reader = client.message_reader(b"{}")
    reader.start()
    assert reader.next(5.0) is not None
    (connected,) = {each for each in opened if each is not None}
    assert connected.getpeername() == ("127.0.0.1", int(recorder.host.rpartition(":")[2]))
    reader.close()
    client.close()


def test_reads_from_the_network_can_be_paced() -> None:
    waits: list[float] = []
    with Recorder() as recorder, httpx2.Client() as http:
        client = anthropic.Anthropic(**sdk_options(recorder.base_url, 5.0), http_client=http)
        for _ in range(2):
            response = post(client)
            pace_reads(response, 3600.0, waits.append)
            response.read()
    assert waits
    assert all(3590.0 < each <= 3600.0 for each in waits)
