"""The settings: what they take, where they come from, and which base URLs a key may be sent to."""

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
    ("given", "kept"),
    [
        ("https://api.minimax.io/anthropic", "https://api.minimax.io/anthropic"),
        (" https://api.minimaxi.com/anthropic/ ", "https://api.minimaxi.com/anthropic"),
        ("https://example.org:8443//", "https://example.org:8443"),
        ("http://127.0.0.1:8000/anthropic", "http://127.0.0.1:8000/anthropic"),
        ("http://localhost/x", "http://localhost/x"),
        ("http://[::1]:1/x", "http://[::1]:1/x"),
    ],
)
def test_a_good_base_url_is_kept_without_its_last_slash(given: str, kept: str) -> None:
    assert checked_base_url(given) == kept
    assert MiniMax(base_url=given).base_url == kept


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
def test_a_base_url_that_a_key_cannot_be_sent_to_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked_base_url(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.hint
    with pytest.raises(TraitError) as refused:
        MiniMax(base_url=url)
    assert "hunter2" not in str(refused.value)


def test_the_environment_gives_base_url_and_model(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (MiniMax().base_url, MiniMax().model) == ("https://api.minimax.io/anthropic", "MiniMax-M2.7")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://api.minimaxi.com/anthropic")
    monkeypatch.setenv("MINIMAX_MODEL", "MiniMax-M2.5")
    assert (MiniMax().base_url, MiniMax().model) == ("https://api.minimaxi.com/anthropic", "MiniMax-M2.5")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "")
    assert MiniMax().base_url == "https://api.minimax.io/anthropic"


def test_a_bad_base_url_in_the_environment_is_one_of_our_errors_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://api.minimax.io/anthropic")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    with pytest.raises(ConfigError, match="must not be sent unencrypted"):
        Session().ask("hi")


def test_ipythons_config_file_is_outranked_by_keyword_arguments_and_outranks_the_environment(
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
        ("thinking", ["on", "off", 1, None], [0, -1, "maybe", 1.5]),
        ("context", ["above", "all", "none", 0, 5], ["abov", -1, None, 1.5]),
        ("timeout", [0.1, 60], [0, -1, float("nan"), float("inf"), None]),
        ("max_retries", [0, 9], [-1, None]),
        ("value_limit", [0, 9], [-1]),
        ("params", [{}, {"top_k": 3}], [{1: 2}, [], None]),
        ("system", ["Be brief.", None], [5]),
        ("model", ["any name"], [None, 5]),
        ("quiet", [True], ["yes", None]),
    ],
)
def test_a_setting_takes_what_makes_sense_and_nothing_else(name: str, good: list[Any], bad: list[Any]) -> None:
    config = MiniMax()
    for value in good:
        setattr(config, name, value)
        assert getattr(config, name) == value
    before = getattr(config, name)
    for value in bad:
        with pytest.raises(TraitError):
            setattr(config, name, value)
        assert getattr(config, name) == before


def test_every_setting_says_what_it_is_and_none_is_a_key() -> None:
    traits = MiniMax.class_traits(config=True)
    assert len(traits) >= 15
    for name, trait in traits.items():
        assert trait.help, f"{name} has no help"
        assert "key" not in name
        assert "token" not in name.replace("max_tokens", "").replace("tokens_per_minute", "")
