"""`Session.ask()`: context → request → stream → turn. Everything that the magics do, for scripts, without IPython.

Always true: whatever ends a turn (its end, a fault, Stop, an interrupt, a caller that leaves), what came is in the
history, and the history is valid.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from mm_magics import interrupts, request
from mm_magics.call import Call, CallEvent, Stopped, Wake
from mm_magics.client import Client
from mm_magics.config import MiniMax, checked_base_url
from mm_magics.errors import EndpointError, MiniMaxError, PromptError, UsageError
from mm_magics.history.thread import Context, History, context_messages, digest_of
from mm_magics.history.turn import Status, Turn, new_id, now
from mm_magics.keys import Keys
from mm_magics.messages import Block, Message


@dataclass(frozen=True)
class Prompt:
    """A request ready to go: `message` is the new user message, `body` all that is sent, `notes` what to know of it."""

    message: Message
    body: dict[str, Any]
    system: str | None
    params: dict[str, Any]
    thread: str
    cell_id: str | None
    timeout: float
    request_sha256: str
    seen: int
    notes: list[str]

    @property
    def model(self) -> str:
        return str(self.body["model"])


class Asked(NamedTuple):
    """The request is on its way."""

    prompt: Prompt


class TurnEnd(NamedTuple):
    """The turn is over and in the history (if anything came)."""

    turn: Turn


Event = Asked | CallEvent | TurnEnd


class View(Protocol):
    """What shows a turn while it streams. `due` is when (by `time.monotonic`) it wants an event at the latest."""

    @property
    def due(self) -> float | None: ...

    def show(self, event: Event) -> None: ...


class Answer:
    """One turn in the making: iterate it for its events; `turn` is there once it is over.

    Leaving it early (`break`, an exception, `close()`) ends the call and keeps what came, as a stopped turn.
    """

    def __init__(self, prompt: Prompt, call: Call, history: History) -> None:
        self.prompt = prompt
        self.turn: Turn | None = None
        self._call, self._history = call, history
        self._id, self._created = new_id(), now()

    def __iter__(self) -> Iterator[Event]:
        return self.events(lambda: None)

    def events(self, wake: Wake) -> Iterator[Event]:
        """The events, with an `Idle` at the time that `wake` gives. Raises `EndpointError`, its `turn` what came."""
        yield Asked(self.prompt)
        try:
            yield from self._call.events(wake)
        except Stopped:
            yield TurnEnd(self._settle("stopped"))
        except EndpointError as error:
            self._settle("failed", error)
            raise
        except BaseException:
            self._settle("stopped")
            raise
        else:
            yield TurnEnd(self._settle(*self._ending()))

    @property
    def kept(self) -> bool:
        """Whether anything came that is worth keeping."""
        return bool(self._call.assembler.content)

    def close(self) -> Turn:
        """End the turn now, if it is not over, and give it."""
        return self.turn or self._settle("stopped")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def _ending(self) -> tuple[Status, EndpointError | None]:
        reason = self._call.assembler.message.get("stop_reason")
        if reason == "error":
            return "failed", EndpointError("The endpoint ended the answer with an error.", "Run the cell again.")
        return ("truncated" if reason in ("max_tokens", "model_context_window_exceeded") else "complete"), None

    def _settle(self, status: Status, error: MiniMaxError | None = None) -> Turn:
        with interrupts.deferred():
            self._call.end()
            self.turn = self._make_turn(status, error)
            if self.kept:
                self._history.put(self.turn)
            if isinstance(error, EndpointError):
                error.turn = self.turn
            return self.turn

    def _make_turn(self, status: Status, error: MiniMaxError | None) -> Turn:
        assembler = self._call.assembler
        message = assembler.message
        response: dict[str, Any] = {
            "id": message.get("id"),
            "model": message.get("model"),
            "stop_reason": message.get("stop_reason"),
            "usage": message.get("usage") or {},
            "first_token_s": _rounded(self._call.first_token_s),
            "thinking_s": _rounded(self._call.thinking_s),
            "seconds": _rounded(self._call.seconds),
        }
        if assembler.unfinished is not None:
            response["unfinished"] = assembler.unfinished
        if assembler.partial_json is not None:
            response["partial_json"] = assembler.partial_json
        answer: list[Message] = [{"role": "assistant", "content": assembler.content}] if assembler.content else []
        prompt = self.prompt
        return Turn(
            id=self._id,
            thread=prompt.thread,
            cell_id=prompt.cell_id,
            created=self._created,
            status=status,
            model=prompt.model,
            system=prompt.system,
            params=prompt.params,
            messages=[prompt.message, *answer],
            responses=[response],
            request_sha256=prompt.request_sha256,
            error=str(error) if error else None,
        )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


class Session:
    """A conversation with an endpoint.

    >>> from mm_magics import Session
    >>> from mm_magics.simulator import Simulator
    >>> with Simulator() as endpoint:
    ...     session = Session(base_url=endpoint.base_url, api_key=endpoint.key, model="MiniMax-M2.7")
    ...     turn = session.ask("Say hello.")
    >>> turn.status
    'complete'

    `config` are the settings (a new `MiniMax` by default; keyword arguments set its traits). With `api_key`, that key
    is used for this base URL; without, it is looked for as `mm_magics.keys` says.
    """

    def __init__(self, config: MiniMax | None = None, *, api_key: str | None = None, **settings: Any) -> None:
        self.config = config or MiniMax(**settings)
        self.keys = Keys()
        self.history = History()
        self._client: Client | None = None
        if api_key is not None:
            self.keys.enter(self.config.base_url, api_key, "api_key")

    def prepare(self, content: str | Sequence[Block], *, cell_id: str | None = None, **flags: Any) -> Prompt:
        """The request for this content, checked; nothing is sent. `flags` override settings of the same name.

        Raises `PromptError` for empty content, `UsageError` for a flag that makes no sense, `RequestError` for what
        the endpoint would refuse.
        """
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
        if not blocks or (isinstance(content, str) and not content.strip()):
            raise PromptError("The prompt is empty.", "Write the question below the %%minimax line.")
        chosen = {name: flags.pop(name, getattr(self.config, name)) for name in _FLAGS}
        if flags:
            raise TypeError(f"unknown settings: {', '.join(flags)}")
        params = _params(chosen)
        message: Message = {"role": "user", "content": blocks}
        context: Context = chosen["context"]
        seen = self.history.seen(chosen["thread"], cell_id, context)
        array = context_messages(seen, message)
        body = request.body(chosen["model"], array, chosen["system"], params)
        request.check(body)
        return Prompt(
            message=message,
            body=body,
            system=chosen["system"] or None,
            params=params,
            thread=chosen["thread"],
            cell_id=cell_id,
            timeout=chosen["timeout"],
            request_sha256=digest_of(chosen["model"], chosen["system"], params, array),
            seen=len(seen),
            notes=request.notes(body),
        )

    def stream(self, prompt: str | Prompt, *, stop: threading.Event | None = None, **flags: Any) -> Answer:
        """Send the prompt; the answer is an iterator of events. `stop`, once set, ends it within 0.1 s.

        Raises what `prepare` raises, and `ConfigError` (`KeyMissing`) if there is no endpoint to send it to.
        """
        if not isinstance(prompt, Prompt):
            prompt = self.prepare(prompt, **flags)
        client = self.client(prompt.timeout)
        exchange = client.send(request.encode(prompt.body))
        return Answer(prompt, Call(exchange, prompt.timeout, stop or threading.Event()), self.history)

    def ask(
        self,
        prompt: str | Prompt,
        *,
        view: View | None = None,
        stop: threading.Event | None = None,
        **flags: Any,
    ) -> Turn:
        """Send the prompt and wait for the whole turn, showing it in `view` as it comes.

        Raises what `stream` raises, and `EndpointError`, whose `turn` holds what came before the fault.
        """
        with self.stream(prompt, stop=stop, **flags) as answer:
            for event in answer.events(lambda: view.due if view else None):
                if view:
                    view.show(event)
        return answer.close()

    def client(self, timeout: float | None = None) -> Client:
        """The line to the endpoint as the settings now stand, kept open between calls."""
        base_url = checked_base_url(self.config.base_url)
        key = self.keys.find(base_url)
        wanted = (base_url, key.reveal(), timeout or self.config.timeout, self.config.max_retries)
        old = self._client
        if old is None or (old.base_url, old.key.reveal(), old.timeout, old.max_retries) != wanted:
            if old is not None:
                old.close()
            self._client = Client(base_url, key, timeout=wanted[2], max_retries=wanted[3])
        assert self._client is not None
        return self._client

    def close(self) -> None:
        """Close the connection; the history stays."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_FLAGS = (
    "model",
    "system",
    "max_tokens",
    "temperature",
    "top_p",
    "thinking",
    "user_id",
    "params",
    "thread",
    "context",
    "timeout",
)


def _params(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The request's fields beside model, system and messages, those that are not set left out."""
    if own := {"model", "system", "messages", "stream"} & chosen["params"].keys():
        raise UsageError(f"{min(own)} is not one of the other fields of the request: it has a place of its own.")
    fields: dict[str, Any] = {name: chosen[name] for name in ("max_tokens", "temperature", "top_p")}
    fields["thinking"] = request.thinking(chosen["thinking"], chosen["max_tokens"])
    fields["metadata"] = {"user_id": chosen["user_id"]} if chosen["user_id"] else None
    return {**{name: value for name, value in fields.items() if value is not None}, **chosen["params"]}
