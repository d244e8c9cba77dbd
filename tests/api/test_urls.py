"""Which URLs a key or token may be sent to."""

from __future__ import annotations

import pytest

from mm_magics.api.urls import parse_http_url, require_encryption
from mm_magics.errors import ConfigError, UsageError


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://api.minimax.io/anthropic", "api.minimax.io", None),
        ("http://LOCALHOST:8000", "localhost", 8000),
        ("HTTPS://[::1]:8443/a?b=c", "::1", 8443),
    ],
)
def test_an_http_or_https_url_is_split_into_its_parts(url: str, host: str, port: int | None) -> None:
    parts = parse_http_url(url, "The base URL", ConfigError, "a hint")
    assert (parts.hostname, parts.port) == (host, port)


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/\n",
        "https://a.example\x00",
        "https://a.example/b c",
        "https://a.example\\@b.example",
        "https://a.example:port",
        "https://a.example:65536",
        "https://[a.example",
    ],
)
def test_a_url_that_can_be_read_in_two_ways_is_not_valid(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_http_url(url, "The base URL", ConfigError, "a hint")
    assert str(caught.value) == "The base URL is not a valid URL.\na hint"


@pytest.mark.parametrize(
    "url", ["", "a.example", "ftp://a.example", "file:///a", "https://", "http:a.example", "https:///a"]
)
def test_a_url_of_another_scheme_or_without_a_host_is_an_error(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_http_url(url, "The server's URL", UsageError, "a hint")
    assert str(caught.value) == "The server's URL is not an http or https URL.\na hint"


@pytest.mark.parametrize(
    "url", ["https://a.example", "https://localhost", "http://localhost", "http://127.0.0.1:8000", "http://[::1]/a"]
)
def test_a_key_may_be_sent_encrypted_or_to_this_machine(url: str) -> None:
    require_encryption(parse_http_url(url, "The base URL", ConfigError, ""), "an API key", ConfigError)


@pytest.mark.parametrize("host", ["a.example", "127.0.0.2", "localhost.example"])
def test_a_key_is_not_sent_unencrypted_to_another_machine(host: str) -> None:
    parts = parse_http_url(f"http://{host}:80/", "The base URL", ConfigError, "")
    with pytest.raises(ConfigError) as caught:
        require_encryption(parts, "an API key", ConfigError)
    assert str(caught.value) == f"{host} is not this machine, and an API key must not be sent unencrypted.\nUse https."
