"""`%minimax model`, `models`, `system`, `set`, `login`: what holds for the kernel from now on."""

from __future__ import annotations

import json
from difflib import get_close_matches
from getpass import getpass
from typing import Any

from traitlets import TraitError

from mm_magics.api.models import CATALOGUE, Model, model
from mm_magics.config import checked_base_url
from mm_magics.display.table import Table
from mm_magics.errors import ArgumentError, ConfigError, MiniMaxError
from mm_magics.session import Session


def model_(session: Session, _shell: Any, rest: str) -> Table:
    if rest:
        _assign(session, "model", rest)
    entry = model(session.settings.value("model"))
    window = f", window {entry.window:,} tokens" if entry.window else ""
    remarks = "; ".join(filter(None, [entry.note, session.settings.source("model")]))
    return Table(lines=[f"The model is {entry.name}{window} ({remarks})."])


def models(session: Session, _shell: Any, _rest: str) -> Table:
    rows = [_model_row(entry) for entry in CATALOGUE.values()]
    try:
        offered = [entry["id"] for entry in session.client().models()]
        rows += [(name, "", "", "", "new at the endpoint") for name in offered if name not in CATALOGUE]
        lines = [f"{session.config.base_url} offers {len(offered)} models; any other name can be tried as well."]
    except MiniMaxError as error:
        lines = [f"The endpoint was not asked for more: {error.message} {error.hint}"]
    columns = ("model", "window", "tokens/s", "$ per million in / out", "")
    return Table("", columns, rows, lines)


def _model_row(entry: Model) -> tuple[str, ...]:
    price = f"{entry.price.input:.2f} / {entry.price.output:.2f}" if entry.price else ""
    speed = f"about {entry.speed}" if entry.speed else ""
    return entry.name, f"{entry.window:,}" if entry.window else "", speed, price, entry.note


def system(session: Session, _shell: Any, rest: str) -> Table:
    if rest:
        session.settings.assign("system", None if rest == "none" else _unquoted(rest))
    return Table(lines=[f"The system prompt is {session.settings.describe('system')}."])


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def set_(session: Session, _shell: Any, rest: str) -> Table:
    settings = session.config.class_traits(config=True)
    if not rest:
        rows = [
            (name, repr(session.settings.value(name)), session.settings.source(name), trait.help)
            for name, trait in sorted(settings.items())
        ]
        return Table("", ("setting", "value", "source", "what it is"), rows, ("%minimax set NAME VALUE changes one.",))
    name, _, value = rest.replace("=", " ", 1).partition(" ")
    name = name.replace("-", "_")
    if name not in settings:
        like = get_close_matches(name, settings, 1, 0.5)
        hint = f"Did you mean {like[0]}?" if like else "%minimax set lists them."
        raise ArgumentError(f"There is no setting {name!r}.", hint)
    if value.strip():
        _assign(session, name, _literal(_unquoted(value.strip())))
    return Table(lines=[f"{name} is {session.settings.value(name)!r} ({session.settings.source(name)})."])


def _literal(text: str) -> Any:
    if text in ("None", "none", "default"):
        return None
    try:
        return json.loads(text.lower() if text in ("True", "False") else text)
    except (ValueError, RecursionError):
        return text


def _assign(session: Session, name: str, value: Any) -> None:
    """Set a trait; text that is wanted as text stays text, and `none` is the word none where None is not taken."""
    trait = session.config.class_traits()[name]
    if name in ("model", "system", "thread", "user_id") and value is not None:
        value = str(value)
    if value is None and not trait.allow_none:
        value = "none"
    try:
        session.settings.assign(name, value)
    except TraitError as error:
        raise ArgumentError(str(error).splitlines()[0], f"{name}: {trait.help}") from None


def login(session: Session, _shell: Any, rest: str) -> Table:
    if rest not in ("", "--keep"):
        raise ArgumentError("%minimax login takes only --keep.", "The key is asked for, and typed unseen.")
    base_url = checked_base_url(session.config.base_url)
    key = session.keys.enter(base_url, _typed(base_url))  # in no variable: a verbose traceback would show it
    if rest == "--keep":
        session.keys.save(key)
    where = "in the OS keyring" if rest == "--keep" else "until this kernel ends"
    return Table(lines=[f"The key for {key.host} is kept {where}."])


def _typed(base_url: str) -> str:
    try:
        value = getpass(f"Key for {base_url}: ")
    except Exception:  # no one to ask: nbclient and the like raise an error of their own
        raise ConfigError("A key cannot be asked for here.", "Set MINIMAX_API_KEY in the environment.") from None
    if not value.strip():
        raise ConfigError("No key was entered.", "Run %minimax login again.")
    return value
