"""`%minimax model`, `models`, `system`, `set` and `login`: settings and keys of this kernel."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from getpass import getpass
from typing import Any

from traitlets import TraitError

from mm_magics.api import models as catalogue
from mm_magics.api.models import CATALOGUE, RETIREMENT_SOURCE, Model, Price, own_price
from mm_magics.config import checked_base_url
from mm_magics.display.effective_settings import describe_model
from mm_magics.display.table import Table
from mm_magics.errors import ArgumentError, ConfigError, MiniMaxError, UsageError
from mm_magics.ipython.commands.command import Context
from mm_magics.session import Session
from mm_magics.settings import SHOWN
from mm_magics.wording import counted, similar_name

PRICE_HINT = "%minimax price NAME IN OUT sets it, in US dollars per million tokens."


def model(context: Context, name: str) -> Table:
    """Show the model, after changing it if a name is given."""
    if name:
        _assign(context.session, "model", name)
    entry = catalogue.model(context.session.effective_model())
    window = f", context window {entry.window:,} tokens" if entry.window else ""
    return Table(lines=[f"Model: {describe_model(context.session)}{window}{entry.note and f', {entry.note}'}"])


def models(context: Context, _rest: str) -> Table:
    """List the known models and those that the endpoint adds."""
    session = context.session
    base_url = session.settings.value("base_url")
    offered: Collection[str] = ()
    try:
        offered = session.models.learn(session.client())
        lines = [f"{base_url} offers {counted(len(offered), 'model')}; you can also try any other name."]
    except MiniMaxError as error:
        lines = [f"Could not list the endpoint's models: {error.message} {error.hint}"]
    lines.append(f"The dates of retirement are not MiniMax's own ({RETIREMENT_SOURCE}).")
    names = [*CATALOGUE, *(name for name in offered if name not in CATALOGUE)]
    prices = session.settings.value("prices")
    rows = [
        _model_row(catalogue.model(name), catalogue.marks(name, offered), own_price(prices, name)) for name in names
    ]
    return Table("", ("model", "context window", "tokens/s", "$ per million in / out", ""), rows, lines)


def _model_row(entry: Model, marks: Sequence[str], own: Price | None) -> tuple[str, ...]:
    known = own or entry.price
    price = f"{known.input:.2f} / {known.output:.2f}" if known else ""
    speed = f"about {entry.speed}" if entry.speed else ""
    remarks = "; ".join(filter(None, [entry.note, *marks]))
    return entry.name, f"{entry.window:,}" if entry.window else "", speed, price, remarks


def price(context: Context, rest: str) -> Table:
    """List the prices that were set, show the price of a model, or set it."""
    settings = context.session.settings
    name, *amounts = rest.split() or [""]
    if amounts:
        if len(amounts) != 2:
            raise ArgumentError("A price is two amounts.", PRICE_HINT)
        prices = {**settings.value("prices"), name: [_amount(each) for each in amounts]}
        settings.assign("prices", prices)
    own = settings.value("prices")
    if not name:
        rows = [(each, f"{price[0]:g}", f"{price[1]:g}") for each, price in own.items()]
        lines = [PRICE_HINT] if rows else [f"No price was set. {PRICE_HINT}"]
        return Table("", ("model", "$ per million tokens in", "out"), rows, lines)
    known = own_price(own, name) or catalogue.model(name).price
    if known is None:
        return Table(lines=[f"The price of {name} is unknown. {PRICE_HINT}"])
    source = settings.source("prices") if name in own else "known"
    return Table(lines=[f"{name}: ${known.input:g} in, ${known.output:g} out per million tokens ({source})."])


def _amount(text: str) -> float:
    try:
        amount = float(text.removeprefix("$"))
    except ValueError:
        amount = -1.0
    if not 0 <= amount < float("inf"):
        raise ArgumentError(f"{text!r} is not an amount of US dollars.", PRICE_HINT)
    return amount


def system(context: Context, text: str) -> Table:
    """Show the system prompt, after changing it if a text is given."""
    settings = context.session.settings
    if text:
        settings.assign("system", None if text == "none" else _unquote(text))
    return Table(lines=[f"System prompt: {settings.describe('system', complete=True)}"])


def change(context: Context, rest: str) -> Table:
    """List the settings, show one, or change one."""
    settings = context.session.settings
    traits = context.session.config.class_traits(config=True)
    if not rest:
        rows = [
            (name, _shown(settings.value(name)), settings.source(name), trait.help)
            for name, trait in sorted(traits.items())
        ]
        columns = ("setting", "value", "source", "description")
        return Table("", columns, rows, ("%minimax set NAME VALUE changes a setting.",))
    name, _, value = rest.replace("=", " ", 1).partition(" ")
    name = name.replace("-", "_")
    if name not in traits:
        similar = similar_name(name, traits)
        hint = f"Did you mean {similar}?" if similar else "%minimax set lists the settings."
        raise ArgumentError(f"Unknown setting {name!r}.", hint)
    if value.strip():
        if name == "edits" and context.session.is_running_tool:
            raise UsageError("%minimax set edits is refused while a tool runs.", "Run it in a cell of your own.")
        _assign(context.session, name, _literal(_unquote(value.strip())))
    return Table(lines=[f"{name} is {settings.value(name)!r} ({settings.source(name)})."])


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… [%minimax set NAME shows all of it]"


def _unquote(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _literal(text: str) -> Any:
    if text in ("None", "none", "default"):
        return None
    try:
        return json.loads(text.lower() if text in ("True", "False") else text)
    except (ValueError, RecursionError):
        return text


def _assign(session: Session, name: str, value: Any) -> None:
    """Set a trait from a typed value: names stay text, and None becomes "none" where the trait does not take None."""
    trait = session.config.class_traits()[name]
    if name in ("model", "system", "thread", "user_id") and value is not None:
        value = str(value)
    if value is None and not trait.allow_none:
        value = "none"
    try:
        session.settings.assign(name, value)
    except TraitError as error:
        raise ArgumentError(_reason(error), f"{name}: {trait.help}") from None


def _reason(error: TraitError) -> str:
    """Return the first line of the error, without the words of traitlets around the setting's name."""
    line = f"{str(error).splitlines()[0].rstrip('.')}."
    return re.sub(r"^The (?:value of the )?'(\w+)' trait of an? \w+ instance (expected)?", _subject, line)


def _subject(match: re.Match[str]) -> str:
    return f"{match[1]} must be" if match[2] else f"{match[1]} "


def login(context: Context, rest: str) -> Table:
    """Ask for a key and use it for the endpoint's host."""
    if rest not in ("", "--keep"):
        raise ArgumentError("%minimax login takes only --keep.", "It asks for the key, which is not shown as you type.")
    keys = context.session.keys
    base_url = checked_base_url(context.session.settings.value("base_url"))
    key = keys.enter(base_url, _typed_key(base_url))  # not in a variable: a verbose traceback would show it
    if rest == "--keep":
        keys.save(key)
    where = "is stored in the OS keyring" if rest == "--keep" else "is used until this kernel ends"
    return Table(lines=[f"The key for {key.host} {where}."])


def _typed_key(base_url: str) -> str:
    try:
        value = getpass(f"Key for {base_url}: ")
    except Exception:  # no input is possible: nbclient and others raise errors of their own
        raise ConfigError("This front end cannot ask for a key.", "Set MINIMAX_API_KEY in the environment.") from None
    if not value.strip():
        raise ConfigError("No key was entered.", "Run %minimax login again.")
    return value
