"""A default that heals itself: another model answers if nobody chose one and the endpoint refuses the default."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import nbformat
import pytest

from mm_magics import Session, map_prompts
from mm_magics.config import MiniMax
from mm_magics.display.effective_settings import describe_model
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.display.picker import picker_state
from mm_magics.errors import NotRecordedError, StatusError
from mm_magics.events import Delta, Idle, ModelReplaced
from mm_magics.history.turn import Turn
from mm_magics.ipython import commands
from mm_magics.simulator import Simulator
from tests.turns import broken_rules

pytestmark = [pytest.mark.slow, pytest.mark.traced]

TODAY = ["MiniMax-M3.1-Flash", "MiniMax-M3", "MiniMax-M2.1", "MiniMax-M2"]
NOTE = "MiniMax-M2.7 is no longer offered here. MiniMax-M3.1-Flash answered; choose with %minimax model NAME."


NO_LIST = "The endpoint does not list its models. Choose one with %minimax model NAME."


def session_on(endpoint: Simulator, **settings: Any) -> Session:
    return Session(base_url=endpoint.base_url, api_key=endpoint.key, max_retries=0, **settings)


def sent(endpoint: Simulator) -> list[str]:
    """Return the model of each prompt, and `list` for each request for the models."""
    return [record.body["model"] if record.body else "list" for record in endpoint.log]


@pytest.fixture
def today() -> Iterator[Simulator]:
    """An endpoint that offers what MiniMax is expected to offer after the announced retirement."""
    with Simulator(models=TODAY) as endpoint:
        yield endpoint


def test_the_first_prompt_of_a_fresh_install_is_answered_and_says_which_model_did(today: Simulator) -> None:
    with session_on(today) as session:
        turn = session.ask("What is a reef?")
    assert (turn.status, turn.model, turn.notes) == ("complete", "MiniMax-M3.1-Flash", [NOTE])
    assert turn.text
    assert turn.responses[0]["instead_of"] == turn.instead_of == "MiniMax-M2.7"
    assert sent(today) == ["MiniMax-M2.7", "list", "MiniMax-M3.1-Flash"]
    assert broken_rules(turn.record()) == []
    bundle = make_bundle(turn)
    assert all(NOTE in bundle[kind] for kind in ("text/html", "text/plain", "text/markdown"))


def test_later_prompts_go_to_the_model_that_answered_and_the_list_is_not_requested_again(today: Simulator) -> None:
    with session_on(today) as session:
        for text in ("One.", "Two.", "Three."):
            assert session.ask(text).notes == [NOTE]
        assert len(session.history.turns("main")) == 3
    assert sent(today) == ["MiniMax-M2.7", "list", *["MiniMax-M3.1-Flash"] * 3]
    account = session.ledger.accounts["", "MiniMax-M3.1-Flash"]
    assert (account.calls, account.unknown) == (3, 0)


def test_commands_and_the_picker_say_which_model_answers_for_the_default(today: Simulator) -> None:
    shell: Any = SimpleNamespace(user_ns={})
    with session_on(today) as session:
        session.ask("Hi.")
        for line in ("", "model"):
            text = " ".join(repr(commands.run(commands.Context(session, shell), line)).split())
            assert "MiniMax-M2.7 (default); it is not offered here, MiniMax-M3.1-Flash answers" in text
        assert picker_state(session)["settings"]["model"] == {"shown": "MiniMax-M3.1-Flash", "source": "default"}
        session.settings.assign("model", "MiniMax-M3")
        assert describe_model(session) == "MiniMax-M3 (set in this kernel)"


def test_the_events_name_the_new_model_before_it_answers(today: Simulator) -> None:
    with session_on(today) as session, session.stream("What is a reef?") as answer:
        events = list(answer)
    kinds = [type(each).__name__ for each in events if not isinstance(each, Idle)]
    assert kinds[:3] == ["PromptSent", "ModelReplaced", "MessageStart"]
    assert [each.prompt.model for each in events if isinstance(each, ModelReplaced)] == ["MiniMax-M3.1-Flash"]
    assert any(isinstance(each, Delta) for each in events)


@pytest.mark.parametrize("refusal", ["unknown-model", "retired-model", "model-not-found"])
@pytest.mark.parametrize(
    ("models", "answers"),
    [
        (TODAY, "MiniMax-M3.1-Flash"),
        (["MiniMax-M2", "MiniMax-M2.1"], "MiniMax-M2.1"),
        (["house/minimax-m3", "other"], "house/minimax-m3"),
        (["MiniMax-M5"], "MiniMax-M5"),
        (["a-model", "b-model"], "a-model"),
    ],
)
def test_every_way_to_refuse_a_model_is_understood(refusal: str, models: list[str], answers: str) -> None:
    with Simulator(models=models, not_offered=refusal) as endpoint, session_on(endpoint) as session:
        assert session.ask("Hi.").model == answers


# Who counts as having chosen ------------------------------------------------------------------------------------


def by_flag(endpoint: Simulator, _: pytest.MonkeyPatch) -> Turn:
    with session_on(endpoint) as session:
        return session.ask("Hi.", model="MiniMax-M2.7")


def by_argument(endpoint: Simulator, _: pytest.MonkeyPatch) -> Turn:
    with session_on(endpoint, model="MiniMax-M2.7") as session:
        return session.ask("Hi.")


def by_config(endpoint: Simulator, _: pytest.MonkeyPatch) -> Turn:
    with Session(MiniMax(base_url=endpoint.base_url, model="MiniMax-M2.7"), api_key=endpoint.key) as session:
        return session.ask("Hi.")


def by_setting(endpoint: Simulator, _: pytest.MonkeyPatch) -> Turn:
    with session_on(endpoint) as session:
        session.settings.assign("model", "MiniMax-M2.7")
        return session.ask("Hi.")


def by_environment(endpoint: Simulator, monkeypatch: pytest.MonkeyPatch) -> Turn:
    monkeypatch.setenv("MINIMAX_MODEL", "MiniMax-M2.7")
    with session_on(endpoint) as session:
        return session.ask("Hi.")


def by_notebook(endpoint: Simulator, _: pytest.MonkeyPatch) -> Turn:
    with session_on(endpoint) as session:
        session.settings.follow_notebook({"model": "MiniMax-M2.7"})
        return session.ask("Hi.")


@pytest.mark.parametrize("ask", [by_flag, by_argument, by_config, by_setting, by_environment, by_notebook])
def test_a_chosen_model_is_never_replaced_and_the_error_names_the_nearest_one_offered(
    today: Simulator, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Simulator, pytest.MonkeyPatch], Turn]
) -> None:
    with pytest.raises(StatusError) as caught:
        ask(today, monkeypatch)
    assert caught.value.hint.startswith("Did you mean MiniMax-M2.1?")
    assert [note for note in caught.value.turn.notes if "metadata" not in note] == []
    assert sent(today) == ["MiniMax-M2.7", "list"]


def test_an_error_that_only_lists_names_with_the_word_model_does_not_replace_the_default() -> None:
    with Simulator() as endpoint, session_on(endpoint) as session:
        with pytest.raises(StatusError, match=r"unknown fault 'gremlins'; the faults are .*retired-model"):
            session.ask("[[simulator: fault=gremlins]]")
        assert session.effective_model() == "MiniMax-M2.7"
        assert sent(endpoint) == ["MiniMax-M2.7"]


def test_a_choice_after_a_substitute_answered_is_used(today: Simulator) -> None:
    with session_on(today) as session:
        session.ask("One.")
        session.settings.assign("model", "MiniMax-M3")
        assert (turn := session.ask("Two.")).model == "MiniMax-M3"
        assert (turn.notes, turn.instead_of) == ([], "")


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        ("minimax-m3", "Did you mean MiniMax-M3?"),
        ("MiniMax-M3.1-flesh", "Did you mean MiniMax-M3.1-Flash?"),
        ("gpt", "Choose another model with %minimax model NAME: MiniMax-M3.1-Flash, MiniMax-M3, "),
    ],
)
def test_only_offered_models_are_suggested(today: Simulator, model: str, hint: str) -> None:
    with session_on(today) as session, pytest.raises(StatusError) as caught:
        session.ask("Hi.", model=model)
    assert caught.value.hint.startswith(hint)
    assert "M2.7" not in caught.value.hint


# What the endpoint may do -----------------------------------------------------------------------------------------


def test_other_errors_replace_no_model(today: Simulator) -> None:
    with Simulator() as endpoint, session_on(endpoint) as session:
        for fault in (
            "invalid-key",
            "insufficient-balance",
            "context-window",
            "empty-chat",
            "rate-limit",
            "overloaded",
        ):
            with pytest.raises(StatusError):
                session.ask(f"Hi. [[simulator: fault={fault}]]")
        assert "list" not in sent(endpoint)


def test_a_model_that_is_listed_but_refused_too_is_skipped() -> None:
    listed = [{"id": name} for name in ("MiniMax-M3.1-Flash", "MiniMax-M3", "MiniMax-M2")]
    with (
        Simulator(models=["MiniMax-M2"]) as endpoint,
        variant(endpoint, lambda _: (200, {"data": listed})) as url,
        Session(base_url=url, api_key=endpoint.key) as session,
    ):
        turn = session.ask("Hi.")
    assert (turn.model, turn.status) == ("MiniMax-M2", "complete")


def test_an_endpoint_that_takes_any_name_keeps_the_default() -> None:
    with Simulator(models=["MiniMax-M2.7"]) as endpoint, session_on(endpoint) as session:
        turn = session.ask("Hi.")
    assert (turn.model, turn.notes, sent(endpoint)) == ("MiniMax-M2.7", [], ["MiniMax-M2.7"])


Listing = Callable[[BaseHTTPRequestHandler], tuple[int, Any]]


@contextmanager
def variant(endpoint: Simulator, listing: Listing) -> Iterator[str]:
    """Serve the simulator's messages with another list of models, on a socket of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = listing(self)
            self.reply(status, "application/json", json.dumps(body).encode() if body is not None else b"not found")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {"authorization": self.headers["authorization"], "content-type": "application/json"}
            with httpx2.Client(trust_env=False) as http:
                answer = http.post(f"{endpoint.base_url}/v1/messages", content=body, headers=headers)
            self.reply(answer.status_code, answer.headers["content-type"], answer.content)

        def reply(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/anthropic"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def paged(request: BaseHTTPRequestHandler) -> tuple[int, Any]:
    names = ["a", "b", "MiniMax-M2.1", "MiniMax-M3"]
    after = request.path.partition("after_id=")[2].partition("&")[0]
    place = names.index(after) + 1 if after else 0
    more = place + 1 < len(names)
    return 200, {"data": [{"id": names[place]}], "last_id": names[place], "has_more": more}


def needs_x_api_key(request: BaseHTTPRequestHandler) -> tuple[int, Any]:
    if "x-api-key" in request.headers and "authorization" not in request.headers:
        return 200, {"data": [{"id": "MiniMax-M3"}], "has_more": False}
    return 401, {"type": "error", "error": {"type": "authentication_error", "message": "login fail"}}


@pytest.mark.parametrize(
    "listing",
    [
        paged,
        needs_x_api_key,
        lambda _: (200, {"data": [{"id": "MiniMax-M3", "created_at": 5}, {"id": "MiniMax-M2.1"}, {"no": "id"}, 7]}),
        lambda _: (200, {"object": "list", "data": [{"id": "MiniMax-M3", "object": "model", "created": 1}]}),
    ],
)
def test_every_form_of_the_list_is_understood(listing: Listing) -> None:
    with (
        Simulator(models=["MiniMax-M3"]) as endpoint,
        variant(endpoint, listing) as url,
        Session(base_url=url, api_key=endpoint.key) as session,
    ):
        assert session.ask("Hi.").model == "MiniMax-M3"


@pytest.mark.parametrize(
    ("listing", "hint"),
    [
        (lambda _: (404, None), NO_LIST),
        (
            lambda _: (500, {"error": "no"}),
            "The endpoint does not list its models. Choose one with %minimax model NAME.",
        ),
        (lambda _: (200, [1]), NO_LIST),
        (lambda _: (401, {}), NO_LIST),
        (lambda _: (200, {"data": []}), "The endpoint offers no other model."),
        (lambda _: (200, {"data": [{"id": "MiniMax-M2.7"}]}), "The endpoint offers no other model."),
    ],
)
def test_without_another_model_the_error_says_so_and_the_list_is_requested_once(listing: Listing, hint: str) -> None:
    lists = []

    def counted(request: BaseHTTPRequestHandler) -> tuple[int, Any]:
        lists.append(request.headers.get("x-api-key"))
        return listing(request)

    with (
        Simulator(models=[]) as endpoint,
        variant(endpoint, counted) as url,
        Session(base_url=url, api_key=endpoint.key, max_retries=0) as session,
    ):
        for _ in range(2):
            with pytest.raises(StatusError) as caught:
                session.ask("Hi.")
            assert caught.value.hint == hint
            assert "unknown model 'MiniMax-M2.7'" in caught.value.message
    assert lists.count(None) == 1


# Replay -----------------------------------------------------------------------------------------------------------


def saved(turn: Turn, path: Path) -> Path:
    """Write a notebook with the turn as a front end saves it."""
    data = nbformat.v4.new_output("display_data", data=make_bundle(turn))
    cell = nbformat.v4.new_code_cell(f"%%minimax\n{turn.prompt}", outputs=[data], id="cell-1")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


@pytest.mark.parametrize("place", ["notebook", "replay_from"])
@pytest.mark.parametrize("replay", ["auto", "only"])
def test_a_fresh_kernel_replays_what_the_substitute_answered(
    today: Simulator, tmp_path: Path, place: str, replay: str
) -> None:
    with session_on(today) as session:
        turn = session.ask("What is a reef?", cell_id="cell-1")
    path, calls = saved(turn, tmp_path / "reef.ipynb"), len(today.log)
    with session_on(today, replay=replay) as session:
        if place == "notebook":
            session.attach(path)
        else:
            session.settings.assign("replay_from", [str(path)])
        again = session.ask("What is a reef?", cell_id="cell-1")
    assert (again.messages, again.notes, again.model) == (turn.messages, [NOTE], "MiniMax-M3.1-Flash")
    assert len(today.log) == calls


def test_a_model_that_was_chosen_is_not_replayed_for_the_default(today: Simulator, tmp_path: Path) -> None:
    with session_on(today) as session:
        path = saved(session.ask("Hi.", model="MiniMax-M3.1-Flash", cell_id="cell-1"), tmp_path / "hi.ipynb")
    with session_on(today, replay="only") as session:
        session.attach(path)
        with pytest.raises(NotRecordedError):
            session.ask("Hi.", cell_id="cell-1")


def test_an_answer_of_the_default_model_is_still_replayed_after_its_retirement(
    today: Simulator, endpoint: Simulator, tmp_path: Path
) -> None:
    with session_on(endpoint) as session:
        old = session.ask("Before.", cell_id="cell-1")
    path = saved(old, tmp_path / "before.ipynb")
    with session_on(today, replay="auto") as session:
        session.attach(path)
        session.ask("A new question.", cell_id="new", context="none")
        assert session.ask("Before.", cell_id="cell-1").messages == old.messages
    assert sent(today) == ["MiniMax-M2.7", "list", "MiniMax-M3.1-Flash"]


# Map runs ---------------------------------------------------------------------------------------------------------

TEMPLATE = '{{ row }} [[simulator: thinking="" say="ok"]]'


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_map_run_goes_to_the_substitute_with_all_rows(today: Simulator, tmp_path: Path, concurrency: int) -> None:
    rows = [f"row {number}" for number in range(200)]
    with session_on(today, concurrency=concurrency) as session:
        result: Any = map_prompts(TEMPLATE, rows, session=session, store=tmp_path / "a", progress=False)
        assert (result.values, result.errors) == (["ok"] * 200, [])
        assert result.notes == [NOTE]
        (turn,) = session.history.turns("main")
        assert (turn.model, turn.instead_of, turn.notes) == ("MiniMax-M3.1-Flash", "MiniMax-M2.7", [NOTE])
        assert broken_rules(turn.record()) == []
    assert sent(today).count("MiniMax-M3.1-Flash") == 200
    assert 1 <= sent(today).count("MiniMax-M2.7") <= 2 * concurrency
    assert sent(today).count("list") == 1


@pytest.mark.parametrize("replay", ["off", "only"])
def test_stored_answers_of_the_substitute_are_used_by_a_fresh_kernel(
    today: Simulator, tmp_path: Path, replay: str
) -> None:
    rows, store = ["a", "b", "c"], tmp_path / "a"
    with session_on(today) as session:
        map_prompts(TEMPLATE, rows, session=session, store=store, progress=False)
    answered = sent(today).count("MiniMax-M3.1-Flash")
    with session_on(today, replay=replay) as session:
        result: Any = map_prompts(TEMPLATE, rows, session=session, store=store, progress=False)
    assert (result.values, result.stored, result.asked) == (["ok"] * 3, 3, 0)
    assert sent(today).count("MiniMax-M3.1-Flash") == answered


def test_a_dry_run_counts_what_the_substitute_answered_and_names_the_model(today: Simulator, tmp_path: Path) -> None:
    rows, store = ["a", "b", "", "c"], tmp_path / "a"
    with session_on(today) as session:
        fresh = map_prompts(TEMPLATE, rows, session=session, store=store, dry_run=True)
        assert (fresh.calls, fresh.stored, fresh.model) == (4, 0, "MiniMax-M2.7")
        map_prompts(TEMPLATE, rows[:2], session=session, store=store, progress=False)
        healed = map_prompts(TEMPLATE, rows, session=session, store=store, dry_run=True)
    before = len(today.log)
    with session_on(today) as session:
        restarted = map_prompts(TEMPLATE, rows, session=session, store=store, dry_run=True)
    with session_on(today, model="MiniMax-M2.1") as session:
        chosen = map_prompts(TEMPLATE, rows, session=session, store=store, dry_run=True)
    for dry_run in (healed, restarted):
        assert (dry_run.calls, dry_run.stored, dry_run.model) == (2, 2, "MiniMax-M3.1-Flash")
        assert str(dry_run).endswith(", MiniMax-M3.1-Flash")
    assert (chosen.calls, chosen.stored, chosen.model) == (4, 0, "MiniMax-M2.1")
    assert len(today.log) == before


def test_a_map_run_with_a_chosen_model_stops_at_the_first_refusal(today: Simulator, tmp_path: Path) -> None:
    rows = [f"row {number}" for number in range(100)]
    with session_on(today, model="MiniMax-M2.7", concurrency=2) as session:
        result: Any = map_prompts(TEMPLATE, rows, session=session, store=tmp_path / "a", progress=False)
    assert len(result.errors) == 100
    assert "Did you mean MiniMax-M2.1?" in result.errors[-1].why
    assert sent(today).count("MiniMax-M2.7") <= 4
