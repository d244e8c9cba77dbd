"""The settings: valid values, where they come from, and which base URLs may receive a key."""

from __future__ import annotations

from typing import Any

import pytest
from traitlets import TraitError
from traitlets.config import Config

from mm_magics import MiniMax
from mm_magics.config import checked_base_url
from mm_magics.errors import ConfigError
from mm_magics.session import Session


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://api.minimax.io/anthropic", "https://api.minimax.io/anthropic"),
        (" https://api.minimaxi.com/anthropic/ ", "https://api.minimaxi.com/anthropic"),
        ("https://example.org:8443//", "https://example.org:8443"),
        ("http://127.0.0.1:8000/anthropic", "http://127.0.0.1:8000/anthropic"),
        ("http://localhost/x", "http://localhost/x"),
        ("http://[::1]:1/x", "http://[::1]:1/x"),
    ],
)
def test_a_valid_base_url_is_used_without_its_trailing_slash(given: str, expected: str) -> None:
    assert checked_base_url(given) == expected
    assert MiniMax(base_url=given).base_url == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "minimax",
        "api.minimax.io/anthropic",
        "//api.minimax.io",
        "ftp://api.minimax.io",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///anthropic",
        "https://user@api.minimax.io",
        "https://user:hunter2@api.minimax.io",
        "https://:hunter2@api.minimax.io",
        "https://@api.minimax.io",
        "https://api.minimax.io/?key=hunter2",
        "https://api.minimax.io/?",
        "https://api.minimax.io/#hunter2",
        "https://api.minimax.io/#",
        "https://api.minimax.io:port",
        "https://api.minimax.io:99999",
        "https://[::1",
        "https://api.min imax.io",
        "https://api.minimax.io/anth ropic",
        "https://api.minimax.io\n.evil.org",
        "https://api.mini\tmax.io",
        "https://api.minimax.io\\.evil.org",
        "https://api.minimax.io\x00",
        "http://api.minimax.io/anthropic",
        "http://127.0.0.1.evil.org",
        "http://localhost.evil.org",
        "http://10.0.0.1",
        "http://0.0.0.0",
    ],
)
def test_an_unsafe_base_url_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked_base_url(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.hint
    with pytest.raises(TraitError) as refused:
        MiniMax(base_url=url)
    assert "hunter2" not in str(refused.value)


def test_base_url_and_model_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (MiniMax().base_url, MiniMax().model) == ("https://api.minimax.io/anthropic", "MiniMax-M2.7")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://api.minimaxi.com/anthropic")
    monkeypatch.setenv("MINIMAX_MODEL", "MiniMax-M2.5")
    assert (MiniMax().base_url, MiniMax().model) == ("https://api.minimaxi.com/anthropic", "MiniMax-M2.5")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "")
    assert MiniMax().base_url == "https://api.minimax.io/anthropic"


def test_an_invalid_base_url_in_the_environment_is_a_config_error_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://api.minimax.io/anthropic")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    with pytest.raises(ConfigError, match="must not be sent unencrypted"):
        Session().ask("hi")


def test_keyword_arguments_override_ipythons_config_file_which_overrides_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINIMAX_MODEL", "MiniMax-M2.5")
    config = Config({"MiniMax": {"model": "MiniMax-M2.1", "max_tokens": 99}})
    assert (MiniMax(config=config).model, MiniMax(config=config).max_tokens) == ("MiniMax-M2.1", 99)
    assert MiniMax(config=config, model="MiniMax-M2").model == "MiniMax-M2"


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("temperature", [0.01, 1, None], [0, -1, 1.01, float("nan"), "1", "hot"]),
        ("top_p", [0.5, 1.0, None], [0, 2]),
        ("max_tokens", [1, 10**6], [0, -1, 1.5, None, "9"]),
        ("thinking", ["on", "off", "adaptive", "low", "medium", "high", "xhigh", "max", 1, None], [0, -1, "most", 1.5]),
        ("context", ["above", "all", "none", 0, 5], ["abov", -1, None, 1.5]),
        ("timeout", [0.1, 60], [0, -1, float("nan"), float("inf"), None]),
        ("max_retries", [0, 9], [-1, None]),
        ("max_versions", [0, 9], [-1, None]),
        ("value_limit", [0, 9], [-1]),
        ("params", [{}, {"top_k": 3}], [{1: 2}, [], None]),
        ("system", ["Be brief.", None], [5]),
        ("model", ["any name"], [None, 5]),
        ("quiet", [True], ["yes", None]),
    ],
)
def test_a_setting_accepts_only_valid_values(name: str, good: list[Any], bad: list[Any]) -> None:
    config = MiniMax()
    for value in good:
        setattr(config, name, value)
        assert getattr(config, name) == value
    before = getattr(config, name)
    for value in bad:
        with pytest.raises(TraitError):
            setattr(config, name, value)
        assert getattr(config, name) == before


def test_every_setting_has_help_and_none_is_a_key() -> None:
    traits = MiniMax.class_traits(config=True)
    assert len(traits) >= 15
    for name, trait in traits.items():
        assert trait.help, f"{name} has no help"
        assert "key" not in name
        assert "token" not in name.replace("max_tokens", "").replace("tokens_per_minute", "")
