"""Which key belongs to which host, and that no key is ever shown."""

from __future__ import annotations

import base64
import copy
import pickle
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keyring
import keyring.backend
import keyring.errors
import pytest
from keyring.backends import fail, null

from mm_magics.api.urls import origin_of
from mm_magics.endpoint.keys import Key, Keys
from mm_magics.errors import ConfigError, MissingKeyError
from mm_magics.session import Session
from tests.canary import CANARY, echoes, places

IO = "https://api.minimax.io/anthropic"
CN = "https://api.minimaxi.com/anthropic"
OTHER = "https://example.org/anthropic"
SECRET = "sk-very-secret-4711"


@pytest.fixture(autouse=True)
def _no_keyring() -> Iterator[None]:
    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


class InMemory(keyring.backend.KeyringBackend):
    """A working keyring that outlives `Keys`, as the OS keyring does."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.passwords: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.passwords.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.passwords[service, username] = password


@pytest.fixture
def os_keyring() -> InMemory:
    backend = InMemory()
    keyring.set_keyring(backend)
    return backend


def found(base_url: str, **environ: str) -> tuple[str, str]:
    key = Keys(environ).find(base_url)
    assert key.host == origin_of(base_url)
    return key.reveal(), key.source


# Order and hosts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base_url", [IO, CN])
def test_minimax_api_key_belongs_to_minimaxs_hosts(base_url: str) -> None:
    assert found(base_url, MINIMAX_API_KEY="m") == ("m", "MINIMAX_API_KEY")


@pytest.mark.parametrize("name", ["MINIMAX_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
def test_every_key_variable_belongs_to_the_host_in_anthropic_base_url(name: str) -> None:
    assert found(OTHER, ANTHROPIC_BASE_URL=OTHER, **{name: "k"}) == ("k", name)
    assert found(IO, ANTHROPIC_BASE_URL=IO, **{name: "k"}) == ("k", name)


def test_the_first_key_in_the_documented_order_is_used(os_keyring: InMemory) -> None:
    os_keyring.set_password("mm-magics", "api.minimax.io", "saved")
    environ = {
        "ANTHROPIC_BASE_URL": IO,
        "MINIMAX_API_KEY": "m",
        "ANTHROPIC_API_KEY": "a",
        "ANTHROPIC_AUTH_TOKEN": "t",
    }
    keys = Keys(environ)
    keys.enter(IO, "entered")
    order = []
    order.append(keys.find(IO).source)
    keys = Keys(environ)
    for name in ("MINIMAX_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        order.append(keys.find(IO).source)
        del environ[name]
    order.append(keys.find(IO).source)
    assert order == [
        "%minimax login",
        "MINIMAX_API_KEY",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "the OS keyring",
    ]


@pytest.mark.parametrize(
    ("base_url", "environ"),
    [
        (IO, {"ANTHROPIC_API_KEY": "a"}),
        (IO, {"ANTHROPIC_AUTH_TOKEN": "t"}),
        (IO, {"ANTHROPIC_API_KEY": "a", "ANTHROPIC_BASE_URL": "https://api.anthropic.com"}),
        (IO, {"ANTHROPIC_API_KEY": "a", "ANTHROPIC_BASE_URL": CN}),
        (OTHER, {"MINIMAX_API_KEY": "m"}),
        (OTHER, {"MINIMAX_API_KEY": "m", "ANTHROPIC_BASE_URL": IO}),
        ("http://127.0.0.1:8000/anthropic", {"MINIMAX_API_KEY": "m", "ANTHROPIC_BASE_URL": "http://127.0.0.1:8001"}),
        ("http://127.0.0.1:8000/anthropic", {"MINIMAX_API_KEY": "m"}),
        ("https://api.minimax.io.example.org", {"MINIMAX_API_KEY": "m"}),
        ("https://example.org/api.minimax.io", {"MINIMAX_API_KEY": "m"}),
        ("https://api.minimax.io:8443/anthropic", {"MINIMAX_API_KEY": "m"}),
        ("https://minimax.io/anthropic", {"MINIMAX_API_KEY": "m"}),
        ("https://аpi.minimax.io/anthropic", {"MINIMAX_API_KEY": "m"}),  # a Cyrillic а
        (IO, {"MINIMAX_API_KEY": "  "}),
        (IO, {}),
    ],
)
def test_a_key_is_never_returned_for_another_host(base_url: str, environ: Mapping[str, str]) -> None:
    with pytest.raises(MissingKeyError) as caught:
        Keys(environ).find(base_url)
    assert origin_of(base_url) in caught.value.message
    set_ = [name for name in environ if name != "ANTHROPIC_BASE_URL" and environ[name].strip()]
    for name in set_:
        assert name in caught.value.hint
    assert caught.value.hint


@pytest.mark.parametrize(
    ("environ", "hint"),
    [
        ({}, "Run %minimax login, or set MINIMAX_API_KEY."),
        (
            {"ANTHROPIC_API_KEY": "a"},
            "ANTHROPIC_API_KEY is set, but for another host. "
            "Set ANTHROPIC_BASE_URL to this endpoint as well, or run %minimax login.",
        ),
        (
            {"ANTHROPIC_API_KEY": "a", "ANTHROPIC_AUTH_TOKEN": "t"},
            "ANTHROPIC_API_KEY and ANTHROPIC_AUTH_TOKEN are set, but for another host. "
            "Set ANTHROPIC_BASE_URL to this endpoint as well, or run %minimax login.",
        ),
    ],
)
def test_the_error_for_a_missing_key_says_what_to_do(environ: Mapping[str, str], hint: str) -> None:
    with pytest.raises(MissingKeyError) as caught:
        Keys(environ).find(IO)
    assert str(caught.value) == f"No API key found for api.minimax.io.\n{hint}"


@pytest.mark.parametrize("url", ["http://[", "", "not a URL"])
def test_a_url_without_a_host_has_no_host(url: str) -> None:
    assert origin_of(url) == ""


def test_an_invalid_anthropic_base_url_makes_no_key_available() -> None:
    assert found(IO, ANTHROPIC_BASE_URL="http://[", MINIMAX_API_KEY="m") == ("m", "MINIMAX_API_KEY")
    with pytest.raises(MissingKeyError):
        found(IO, ANTHROPIC_BASE_URL="http://[", ANTHROPIC_API_KEY="a")


def test_an_entered_key_belongs_to_its_host_only() -> None:
    keys = Keys({})
    keys.enter(IO, SECRET)
    assert keys.find("https://API.minimax.io/another/path").reveal() == SECRET
    for base_url in (CN, OTHER, "https://api.minimax.io:444"):
        with pytest.raises(MissingKeyError):
            keys.find(base_url)


def test_the_environment_is_read_when_a_key_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(base_url=IO)
    with pytest.raises(MissingKeyError):
        session.keys.find(IO)
    monkeypatch.setenv("MINIMAX_API_KEY", SECRET)
    assert session.keys.find(IO).reveal() == SECRET


def test_spaces_around_a_key_are_not_part_of_it() -> None:
    assert found(IO, MINIMAX_API_KEY=f" {SECRET}\n") == (SECRET, "MINIMAX_API_KEY")


@pytest.mark.parametrize("value", ["a b", "a\nb", "a\r\nX-Evil: 1", "schlüssel", "a\x00b", "a\tb", "a\x7f", "“quoted”"])
def test_an_invalid_key_is_refused_and_not_quoted(value: str) -> None:
    looks = {
        "MINIMAX_API_KEY": lambda: found(IO, MINIMAX_API_KEY=value),
        "%minimax login": lambda: Keys({}).enter(IO, value),
    }
    for source, look in looks.items():
        with pytest.raises(ConfigError) as caught:
            look()
        assert str(caught.value) == (
            f"The key from {source} contains invalid characters.\nCopy it again, without line breaks."
        )


def test_an_invalid_key_in_the_keyring_is_in_no_traceback(os_keyring: InMemory) -> None:
    os_keyring.set_password("mm-magics", "api.minimax.io", f"{SECRET} x")
    with pytest.raises(ConfigError) as caught:
        Keys({}).find(IO)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert SECRET not in shown


def test_the_keyring_is_read_once_for_a_key(os_keyring: InMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    os_keyring.set_password("mm-magics", "api.minimax.io", SECRET)
    reads: list[str] = []
    read = os_keyring.get_password
    monkeypatch.setattr(os_keyring, "get_password", lambda *place: (reads.append(place[1]), read(*place))[1])
    assert Keys({}).find(IO).reveal() == SECRET
    assert reads == ["api.minimax.io"], "a keyring may ask the user each time"


def test_an_empty_key_cannot_be_entered() -> None:
    with pytest.raises(ConfigError):
        Keys({}).enter(IO, "  ")
    with pytest.raises(ConfigError):
        Session(base_url=IO, api_key="")


def test_the_client_is_kept_until_the_key_changes() -> None:
    session = Session(base_url=IO)
    session.keys.enter(IO, SECRET)
    client = session.client()
    session.keys.enter(IO, SECRET)
    assert session.client() is client
    session.keys.enter(IO, f"{SECRET}-2")
    assert session.client() is not client


def test_a_key_is_only_equal_to_the_same_key_for_the_same_host() -> None:
    key = Keys({}).enter(IO, SECRET)
    assert key == Keys({"MINIMAX_API_KEY": SECRET}).find(IO)
    for other in (Keys({}).enter(IO, "another"), Keys({}).enter(CN, SECRET), SECRET, None):
        assert key != other


# The OS keyring -------------------------------------------------------------------------------------------------


def test_a_saved_key_is_found_by_another_process_for_its_host_only(os_keyring: InMemory) -> None:
    keys = Keys({})
    keys.save(keys.enter(IO, SECRET))
    assert (Keys({}).find(IO).reveal(), repr(Keys({}).find(IO))) == (
        SECRET,
        "<key for api.minimax.io from the OS keyring>",
    )
    with pytest.raises(MissingKeyError):
        Keys({}).find(CN)


@pytest.mark.parametrize(
    ("backend", "error"),
    [
        (fail.Keyring, "No OS keyring is available.\nInstall mm-magics[keyring], or set MINIMAX_API_KEY."),
        (null.Keyring, "The OS keyring did not save the key.\nSet MINIMAX_API_KEY instead."),
    ],
)
def test_saving_a_key_without_a_keyring_is_an_error(backend: Any, error: str) -> None:
    keyring.set_keyring(backend())
    keys = Keys({})
    with pytest.raises(ConfigError) as caught:
        keys.save(keys.enter(IO, SECRET))
    assert str(caught.value) == error
    assert keys.find(IO).reveal() == SECRET


class Locked(keyring.backend.KeyringBackend):
    priority = 1  # type: ignore[assignment]

    def get_password(self, service: str, username: str) -> str | None:
        raise keyring.errors.KeyringLocked(f"locked {SECRET}")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise keyring.errors.PasswordSetError(f"cannot keep {password}")


def test_a_locked_keyring_counts_as_empty_and_reveals_no_key() -> None:
    keyring.set_keyring(Locked())  # type: ignore[no-untyped-call]
    keys = Keys({})
    with pytest.raises(MissingKeyError):
        keys.find(IO)
    with pytest.raises(ConfigError) as caught:
        keys.save(keys.enter(IO, SECRET))
    assert str(caught.value) == "The OS keyring refused the key (PasswordSetError)."
    assert SECRET not in "".join(traceback.format_exception(caught.value))


# Never seen -----------------------------------------------------------------------------------------------------


def seen(thing: Any) -> str:
    """Return everything that an object and its attributes show, to some depth."""
    parts, out = [thing], []
    for _ in range(4):
        out += [f"{part!r} {part!s} {part:}" for part in parts]
        parts = [
            each
            for part in parts
            if hasattr(part, "__dict__")
            for pair in vars(part).items()
            for each in (*pair, vars(part))
        ]
    return "\n".join(out)


def test_no_repr_of_a_key_or_its_owner_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", SECRET)
    session = Session(base_url=IO)
    session.client()
    session.keys.enter(CN, SECRET)
    for thing in (session.keys.find(IO), session.keys.find(CN), session.keys, session, session.client()):
        assert SECRET not in seen(thing)
    assert SECRET not in seen(session.config) + str(session.config.trait_values())


def test_a_key_cannot_be_pickled_or_copied() -> None:
    key = Key(SECRET, "here", "api.minimax.io")
    for escape in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"^A key cannot be pickled\.$"):
            escape(key)
    keys = Keys({})
    keys.enter(IO, SECRET)
    with pytest.raises(TypeError):
        pickle.dumps(keys)


def test_a_key_names_its_source_and_is_redacted_in_text() -> None:
    key = Key(SECRET, "%minimax login", "api.minimax.io")
    assert repr(key) == str(key) == "<key for api.minimax.io from %minimax login>"
    assert key.redact(f"Bearer {SECRET}, {SECRET}") == "Bearer [key], [key]"


@pytest.mark.parametrize("form", echoes())
def test_a_key_is_redacted_in_every_escaped_form(form: str) -> None:
    hidden = Key(CANARY, "here", "api.minimax.io").redact(f"before {form} after")
    assert places(hidden) == []
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")


def test_redacting_a_short_key_leaves_other_text_unchanged() -> None:
    assert Key("k", "here", "api.minimax.io").redact("a text with letters, a k among them") == (
        "a text with letters, a [key] among them"
    )


@pytest.mark.parametrize(
    ("before", "after", "hidden"),
    [
        ("", "", "[key]Q=="),
        ("", "!", "[key]SE="),
        ("a", "", "YX[key]E="),
        ("a", "!", "YX[key]Eh"),
        ("ab", "", "YWJ[key]"),
        ("ab", "!", "YWJ[key]IQ=="),
    ],
)
def test_all_base64_characters_of_a_key_are_redacted_and_no_others(before: str, after: str, hidden: str) -> None:
    coded = base64.b64encode(f"{before}{SECRET}{after}".encode()).decode()
    assert Key(SECRET, "here", "api.minimax.io").redact(coded) == hidden


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize(
    ("before", "hidden"), [("", "[key]4uLi4="), ("a", "YX[key]Li4u"), ("ab", "YWJ[key]i4uLg==")], ids=repr
)
def test_both_alphabets_of_base64_are_redacted(encode: Callable[[bytes], bytes], before: str, hidden: str) -> None:
    value = "s~?s>~?ss?>"
    coded = encode(f"{before}{value}...".encode()).decode()
    assert Key(value, "here", "api.minimax.io").redact(coded) == hidden


def test_base64_of_fewer_than_six_characters_is_not_taken_for_a_key() -> None:
    assert Key("ab-12", "here", "api.minimax.io").redact("YWItMTIuLi4=") == "[key]IuLi4="
    assert Key("ab-1", "here", "api.minimax.io").redact("YWItMS4uLg==") == "YWItMS4uLg=="


def test_a_keyring_of_a_wrong_version_is_an_error_that_says_how_to_replace_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mm_magics.packages.metadata_version", lambda _name: "1.0")
    with pytest.raises(ConfigError) as caught:
        Keys().save(Key(SECRET, "a prompt", "api.minimax.io"))
    assert caught.value.message.startswith(
        "The OS keyring cannot be used: keyring 1.0 is installed, but mm-magics needs "
    )
    assert caught.value.hint.startswith('Run: pip install "keyring>=')
