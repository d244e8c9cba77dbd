"""What `%minimax` does: one function a command, each giving a `Report`.

Always true: a command changes nothing unless its whole line was understood.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from difflib import get_close_matches
from getpass import getpass
from typing import Any

from traitlets import TraitError

from mm_magics import arguments, doctor
from mm_magics.config import checked_base_url
from mm_magics.display import figures, frontend
from mm_magics.display.report import Report
from mm_magics.errors import ArgumentError, ConfigError, MiniMaxError
from mm_magics.history.turn import Turn
from mm_magics.models import CATALOGUE, Model, model
from mm_magics.session import Session


def run(session: Session, shell: Any, line: str) -> Report:
    """Do what the line says. Raises `ArgumentError` for a command that there is not."""
    name, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    if not name:
        return _standing(session, shell)
    if name in ("-h", "--help"):
        name = "help"
    command = _COMMANDS.get(name)
    if command is None:
        like = get_close_matches(name, _COMMANDS, 1, 0.5)
        hint = f"Did you mean %minimax {like[0]}?" if like else "%minimax help lists the commands."
        raise ArgumentError(f"There is no command {name!r}.", hint)
    return command(session, shell, rest)


def _standing(session: Session, shell: Any) -> Report:
    config = session.config
    turns = session.history.turns(config.thread)
    try:
        key = session.keys.find(checked_base_url(config.base_url))
        key_is = f"from {key.source}"
    except MiniMaxError as error:
        key_is = f"none: {error.hint}"
    order = "by cell, in the order first run" if frontend.kind(shell) == "notebook" else "in the order asked"
    stale = sum(session.history.stale(turn) for turn in turns)
    rows = [
        ("model", config.model),
        ("endpoint", config.base_url),
        ("key", key_is),
        ("system prompt", config.system or "the endpoint's own"),
        ("thread", f"{config.thread}: {len(turns)} turns, {order}{f', {stale} stale' if stale else ''}"),
        ("spent", _spent(figures.of(turns))),
    ]
    return Report("mm_magics", ("what", "how it stands"), rows, ("%minimax help lists the commands.",))


def _spent(sums: figures.Figures) -> str:
    tokens = sum(sums.usage.values())
    return f"{sums.calls} calls, {tokens:,} tokens {figures.dollars(sums.cost)}".rstrip()


def _help(_session: Session, _shell: Any, rest: str) -> Report:
    if rest.lstrip("%") in ("minimax", "%minimax") or rest.startswith("-"):
        return Report(lines=arguments.help_text().splitlines())
    known = [command for command in arguments.COMMANDS if not rest or command.name == rest]
    if not known:
        raise ArgumentError(f"There is no command {rest!r}.", "%minimax help lists the commands.")
    rows = [(f"%minimax {each.name} {each.usage}".rstrip(), each.help) for each in known]
    return Report(
        "", ("command", "what it does"), rows, () if rest else ("%%minimax --help lists the flags of a cell.",)
    )


def _model(session: Session, _shell: Any, rest: str) -> Report:
    if rest:
        _assign(session, "model", rest)
    return Report(lines=[_model_line(model(session.config.model))])


def _model_line(entry: Model) -> str:
    window = f", window {entry.window:,} tokens" if entry.window else ""
    return f"The model is {entry.name}{window}{f' ({entry.note})' if entry.note else ''}."


def _models(session: Session, _shell: Any, _rest: str) -> Report:
    rows = [_model_row(entry) for entry in CATALOGUE.values()]
    try:
        offered = [entry["id"] for entry in session.client().models()]
        rows += [(name, "", "", "", "new at the endpoint") for name in offered if name not in CATALOGUE]
        lines = [f"{session.config.base_url} offers {len(offered)} models; any other name can be tried as well."]
    except MiniMaxError as error:
        lines = [f"The endpoint was not asked for more: {error.message} {error.hint}"]
    columns = ("model", "window", "tokens/s", "$ per million in / out", "")
    return Report("", columns, rows, lines)


def _model_row(entry: Model) -> tuple[str, ...]:
    price = f"{entry.price.input:.2f} / {entry.price.output:.2f}" if entry.price else ""
    speed = f"about {entry.speed}" if entry.speed else ""
    return entry.name, f"{entry.window:,}" if entry.window else "", speed, price, entry.note


def _system(session: Session, _shell: Any, rest: str) -> Report:
    if rest:
        session.config.system = None if rest == "none" else _unquoted(rest)
    return Report(lines=[f"The system prompt is {session.config.system or 'the endpoint’s own'}"])


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _set(session: Session, _shell: Any, rest: str) -> Report:
    settings = session.config.class_traits(config=True)
    if not rest:
        rows = [(name, repr(getattr(session.config, name)), trait.help) for name, trait in sorted(settings.items())]
        return Report("", ("setting", "value", "what it is"), rows, ("%minimax set NAME VALUE changes one.",))
    name, _, value = rest.replace("=", " ", 1).partition(" ")
    name = name.replace("-", "_")
    if name not in settings:
        like = get_close_matches(name, settings, 1, 0.5)
        hint = f"Did you mean {like[0]}?" if like else "%minimax set lists them."
        raise ArgumentError(f"There is no setting {name!r}.", hint)
    if value.strip():
        _assign(session, name, _literal(_unquoted(value.strip())))
    return Report(lines=[f"{name} is {getattr(session.config, name)!r}."])


def _literal(text: str) -> Any:
    if text in ("None", "none", "default"):
        return None
    try:
        return json.loads(text.lower() if text in ("True", "False") else text)
    except ValueError:
        return text


def _assign(session: Session, name: str, value: Any) -> None:
    """Set a trait; text that is wanted as text stays text, and `none` is the word none where None is not taken."""
    trait = session.config.class_traits()[name]
    if name in ("model", "system", "thread", "user_id") and value is not None:
        value = str(value)
    if value is None and not trait.allow_none:
        value = "none"
    try:
        setattr(session.config, name, value)
    except TraitError as error:
        raise ArgumentError(str(error).splitlines()[0], f"{name}: {trait.help}") from None


def _history(session: Session, _shell: Any, rest: str) -> Report:
    thread = rest or session.config.thread
    turns = session.history.turns(thread)
    if not turns:
        others = ", ".join(session.history.threads()) or "none"
        return Report(lines=[f"The thread {thread} has no turns; threads that have: {others}."])
    rows = [_turn_row(number, turn, session.history.stale(turn)) for number, turn in enumerate(turns, 1)]
    return Report(f"Thread {thread}", ("", "asked", "answered", "state", "tokens in / out"), rows)


def _turn_row(number: int, turn: Turn, stale: bool) -> tuple[str, ...]:
    usage = figures.of([turn]).usage
    state = ", ".join([turn.status, *(["stale"] if stale else [])])
    total = sum(usage.values()) - usage["output_tokens"]
    return str(number), _short(turn.prompt), _short(turn.text), state, f"{total:,} / {usage['output_tokens']:,}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59]}…"


def _clear(session: Session, _shell: Any, rest: str) -> Report:
    thread = rest or session.config.thread
    return Report(lines=[f"{session.history.clear(thread)} turns of the thread {thread} are forgotten in this kernel."])


def _usage(session: Session, _shell: Any, _rest: str) -> Report:
    rows = []
    every = [turn for turns in session.history.threads().values() for turn in turns]
    for name in sorted({turn.model for turn in every}):
        rows.append(_usage_row(name, figures.of(turn for turn in every if turn.model == name)))
    if len(rows) > 1:
        rows.append(_usage_row("all", figures.of(every)))
    columns = ("model", "calls", "seconds", "tokens in", "out", "cache read", "cache written", "cost")
    return Report("", columns, rows, () if rows else ("Nothing was asked yet.",))


def _usage_row(name: str, sums: figures.Figures) -> tuple[str, ...]:
    counts = tuple(f"{sums.usage[counter]:,}" for counter in figures.COUNTERS)
    return name, str(sums.calls), f"{sums.seconds:.1f}", *counts, figures.dollars(sums.cost)


def _login(session: Session, _shell: Any, rest: str) -> Report:
    if rest not in ("", "--keep"):
        raise ArgumentError("%minimax login takes only --keep.", "The key is asked for, and typed unseen.")
    base_url = checked_base_url(session.config.base_url)
    try:
        value = getpass(f"Key for {base_url}: ")
    except Exception:  # no one to ask: nbclient and the like raise an error of their own
        raise ConfigError("A key cannot be asked for here.", "Set MINIMAX_API_KEY in the environment.") from None
    if not value.strip():
        raise ConfigError("No key was entered.", "Run %minimax login again.")
    key = session.keys.enter(base_url, value)
    if rest == "--keep":
        session.keys.keep(key)
    where = "in the OS keyring" if rest == "--keep" else "until this kernel ends"
    return Report(lines=[f"The key for {key.host} is kept {where}."])


def _doctor(session: Session, shell: Any, _rest: str) -> Report:
    found = list(doctor.examine(session, frontend.kind(shell)))
    return doctor_report(found)


def doctor_report(found: list[doctor.Finding]) -> Report:
    """The findings as a table, and what to do about each that is not well."""
    bad = [finding for finding in found if finding.well is False]
    lines = [f"{finding.what}: {finding.detail} {finding.hint}" for finding in bad] or ["All is well."]
    return Report("", ("", "what", "found"), [(each.mark, each.what, each.detail) for each in found], lines)


_COMMANDS: dict[str, Callable[[Session, Any, str], Report]] = {
    "help": _help,
    "model": _model,
    "models": _models,
    "system": _system,
    "set": _set,
    "history": _history,
    "clear": _clear,
    "usage": _usage,
    "login": _login,
    "doctor": _doctor,
}
