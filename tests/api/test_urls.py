"""Which URLs a key or token may be sent to."""

from __future__ import annotations

import ssl

import pytest

from mm_magics.api.urls import HttpURL, httpx_options, origin_of, parse_http_url, require_encryption
from mm_magics.errors import ConfigError, UsageError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.minimax.io/anthropic", "https://api.minimax.io/anthropic"),
        ("HTTPS://API.MiniMax.IO:443/Anthropic", "https://api.minimax.io/Anthropic"),
        ("hTtP://LOCALHOST:80", "http://localhost"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/"),
        ("https://a.example:/v", "https://a.example/v"),
        ("https://a.example:080/v", "https://a.example:80/v"),
        ("HTTPS://[0:0:0:0:0:0:0:1]:8443/a?b=C", "https://[::1]:8443/a?b=C"),
        ("https://[2001:DB8::0:1]/", "https://[2001:db8::1]/"),
        ("https://BÜCHER.example/é", "https://xn--bcher-kva.example/é"),
        ("https://аpi.minimax.io", "https://xn--pi-6kc.minimax.io"),  # a Cyrillic а
        ("https://my_service:8000/anthropic", "https://my_service:8000/anthropic"),
        ("https://a.example.", "https://a.example."),
    ],
)
def test_a_url_has_one_spelling(url: str, expected: str) -> None:
    assert str(HttpURL.parse(url)) == expected
    assert HttpURL.parse(expected) == HttpURL.parse(url)


@pytest.mark.parametrize("scheme", ["http", "HTTP", "Http", "https", "HTTPS", "hTTps"])
@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost", "127.0.0.1", "[::1]", "[0::1]", "A.example", "[2001:db8::1]"]
)
@pytest.mark.parametrize("port", ["", ":80", ":443", ":8000"])
def test_certificates_are_verified_unless_it_is_plain_http_to_this_machine(scheme: str, host: str, port: str) -> None:
    url = HttpURL.parse(f"{scheme}://{host}{port}/anthropic")
    is_local = host.lower() in ("localhost", "127.0.0.1", "[::1]", "[0::1]")
    options = httpx_options(url, dict)
    transport = options["transport"]
    assert (url.is_local, url.is_encrypted) == (is_local, scheme.lower() == "https")
    if is_local and scheme.lower() == "http":
        assert transport["verify"] is False
    else:
        assert transport["verify"].verify_mode == ssl.CERT_REQUIRED
        assert transport["verify"].check_hostname
    assert (options["follow_redirects"], options["trust_env"], transport["trust_env"]) == (False, False, False)


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("https://a.example", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://a.example", {"https_proxy": "p:1"}, "http://p:1"),
        ("https://a.example", {"ALL_PROXY": "socks5://p:1"}, "socks5://p:1"),
        ("https://a.example", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://a.example", {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        (
            "https://a.example",
            {"HTTP_PROXY": "nonsense://p", "FTP_PROXY": "::", "ALL_PROXY": "http://p:1"},
            "http://p:1",
        ),
        ("https://a.example", {"ALL_PROXY": "http://p:1", "NO_PROXY": "example"}, None),
        ("https://a.example", {"ALL_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ("https://[::1]:80", {"ALL_PROXY": "http://p:1"}, None),
        ("http://localhost", {"HTTP_PROXY": "http://p:1"}, None),
    ],
)
def test_only_the_proxy_for_the_url_is_used(
    monkeypatch: pytest.MonkeyPatch, url: str, environment: dict[str, str], expected: str | None
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "FTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert httpx_options(HttpURL.parse(url), dict)["transport"]["proxy"] == expected


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://API.MiniMax.io/anthropic", "api.minimax.io"),
        (" https://api.minimax.io:443/other ", "api.minimax.io"),
        ("https://api.minimax.io:8443", "api.minimax.io:8443"),
        ("http://[::1]:80/a", "[::1]"),
        ("http://localhost:8000", "localhost:8000"),
        ("", ""),
        ("api.minimax.io", ""),
        ("https://user@api.minimax.io", ""),
        ("https://api.minimax.io\\.evil.example", ""),
    ],
)
def test_a_key_belongs_to_a_host_and_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "https://api。minimax.io",
        "http://locaⅼhost",
        "http://ⓛocalhost",
        "https://a．example",
        "https://a%2eexample",
        "https://a..example",
        "https://.example",
        "https://-a.example",
        "https://a,b.example",
        "https://a;b",
        "https://[::1%25eth0]",
        "https://[::g]",
        "https://[v1.x]",
        "https://a_é.example",
    ],
)
def test_a_host_that_could_be_read_in_two_ways_is_not_valid(url: str) -> None:
    with pytest.raises(ConfigError, match=r"The base URL (names a host that is not valid|is not a valid URL)"):
        parse_http_url(url, "The base URL", ConfigError, "a hint")


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/\n",
        "https://a.example\x00",
        "https://a.example/b c",
        "https://a.example\\@b.example",
        "https://a.example:port",
        "https://a.example:65536",
        "https://a.example:0",
        "https://a.example:-1",
        "https://a.example:８０",
        "https://[a.example",
    ],
)
def test_a_url_that_can_be_read_in_two_ways_is_not_valid(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_http_url(url, "The base URL", ConfigError, "a hint")
    assert str(caught.value) == "The base URL is not a valid URL.\na hint"


@pytest.mark.parametrize(
    "url", ["", "a.example", "//a.example", "ftp://a.example", "file:///a", "https://", "http:a.example", "https:///a"]
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
