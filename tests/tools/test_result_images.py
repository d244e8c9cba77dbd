"""Tools that return images: what is sent, shown and saved, for models that take images and for others."""

from __future__ import annotations

import base64
import json
from io import BytesIO, StringIO
from typing import Any

import pytest
from PIL import Image

from mm_magics import Session
from mm_magics.api.messages import blocks, images_in, result_text
from mm_magics.api.outside import content_of
from mm_magics.display.export_html import render_page
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.display.terminal import TerminalView, console
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.simulator import Simulator, tool_use
from mm_magics.tools.approval import Decision
from mm_magics.tools.tool import ToolOutput
from tests.test_dialect import xml
from tests.tools.scripted import calls, script, valid
from tests.turns import broken_rules


def saved(color: str = "red") -> bytes:
    file = BytesIO()
    Image.new("RGB", (640, 480), color).save(file, format="PNG")
    return file.getvalue()


def plot(color: str = "red") -> Any:
    """Draw it."""
    return Image.open(BytesIO(saved(color)))


def report() -> Any:
    """Draw two."""
    print("drawing")
    return {"first": saved("red"), "second": saved("blue"), "n": 2}


def sent_results(endpoint: Simulator) -> list[Any]:
    """Return the results that were sent, with what is between the marks of their texts."""
    message = endpoint.log[-1].body["messages"][-1]
    return [_unmarked(block) for block in message["content"] if block["type"] == "tool_result"]


def _unmarked(block: Any) -> Any:
    content = block["content"]
    if isinstance(content, str):
        return {**block, "content": content_of(content)}
    return {
        **block,
        "content": [{**each, "text": content_of(each["text"])} if "text" in each else each for each in content],
    }


def as_saved(turn: Turn) -> Turn:
    """The turn as a front end that sorts keys saves and restores it."""
    bundle = json.loads(json.dumps(make_bundle(turn), sort_keys=True))
    return Turn.from_record(bundle[MIME_TYPE])


@pytest.mark.parametrize("model", ["MiniMax-M3", "MiniMax-M3.1-Flash"])
def test_a_model_that_takes_images_gets_them_now_and_after_a_save(
    session: Session, endpoint: Simulator, model: str
) -> None:
    script(endpoint, calls(tool_use("plot", {})), "Red.")
    turn = session.ask("Draw.", tools=[plot], model=model)
    (result,) = sent_results(endpoint)
    label, image = result["content"]
    assert label == {"type": "text", "text": "[image 1, 640×480]"}
    assert image["source"]["media_type"] == "image/png"
    assert base64.b64decode(image["source"]["data"]).startswith(b"\x89PNG")
    assert turn.notes == []
    valid(endpoint)
    assert broken_rules(turn.record()) == []
    assert as_saved(turn) == turn
    assert not any(path.startswith("messages") for path in turn.record()["json"]), "the image would be stored twice"
    before = endpoint.log[-1].body["messages"]
    with Session(base_url=endpoint.base_url, api_key=endpoint.key) as other:
        other.history.put(as_saved(turn))
        other.ask("And now?", model=model)
    assert endpoint.log[-1].body["messages"][:3] == before
    valid(endpoint)


@pytest.mark.parametrize("model", ["MiniMax-M2.7", "MiniMax-M2", "MiniMax-M2.5-highspeed"])
def test_a_model_without_images_gets_a_text_and_the_turn_says_so(
    session: Session, endpoint: Simulator, model: str
) -> None:
    script(endpoint, calls(tool_use("plot", {}), tool_use("report", {})), "I cannot see it.")
    turn = session.ask("Draw.", tools=[plot, report], model=model)
    one, two = sent_results(endpoint)
    assert one["content"] == f"[image 1, 640×480]\n\n[1 image was not sent: {model} does not take images.]"
    assert two["content"].endswith(f"Printed:\ndrawing\n\n[2 images were not sent: {model} does not take images.]")
    assert turn.notes == [
        f"plot: 1 image was not sent: {model} does not take images.",
        f"report: 2 images were not sent: {model} does not take images.",
    ]
    valid(endpoint)


def test_printed_text_and_several_images_are_sent_together(session: Session, endpoint: Simulator) -> None:
    script(endpoint, calls(tool_use("report", {}), tool_use("plot", {"color": "green"})), "Done.")
    session.ask("Draw.", tools=[plot, report], model="MiniMax-M3")
    one, two = sent_results(endpoint)
    assert result_text(one).startswith('{"first": "[image 1, 640×480]", "second": "[image 2, 640×480]", "n": 2}')
    assert "Printed:\ndrawing" in result_text(one)
    assert (len(images_in(one)), len(images_in(two))) == (2, 1)
    valid(endpoint)


def test_the_result_of_a_failed_call_has_no_images(session: Session, endpoint: Simulator) -> None:
    def fails() -> ToolOutput:
        """Fail."""
        return ToolOutput("See [image 1].", is_error=True, images=(saved(),))

    script(endpoint, calls(tool_use("fails", {})), "Sorry.")
    turn = session.ask("Draw.", tools=[fails], model="MiniMax-M3")
    (result,) = sent_results(endpoint)
    refusal = "1 image of a failed call cannot be sent: endpoints refuse them."
    assert result["content"] == f"See [image 1].\n\n[{refusal}]"
    assert turn.notes == [f"fails: {refusal}"]


def test_a_default_that_was_replaced_by_a_model_with_images_gets_them() -> None:
    with (
        Simulator(models=["MiniMax-M3.1-Flash", "MiniMax-M2"]) as endpoint,
        Session(base_url=endpoint.base_url, api_key=endpoint.key) as session,
    ):
        script(endpoint, calls(tool_use("plot", {})), "Red.")
        turn = session.ask("Draw.", tools=[plot])
        assert turn.model == "MiniMax-M3.1-Flash"
        assert images_in(sent_results(endpoint)[0])
        assert not any("not sent" in note for note in turn.notes)


def test_a_call_in_the_text_returns_its_images_below_all_results(session: Session, endpoint: Simulator) -> None:
    two = xml("plot", color="red") + "\n" + xml("plot", color="blue")
    script(endpoint, f"I draw.\n{two}", "Done.")
    turn = session.ask("Draw.", tools=[plot], model="MiniMax-M3", approve=lambda _: Decision(True))
    content = endpoint.log[-1].body["messages"][-1]["content"]
    assert [block["type"] for block in content] == ["text", "text", "image", "image"]
    head, _, result = content[0]["text"].partition("\n")
    assert (head, content_of(result)) == ("plot returned:", "[image 1, 640×480]")
    html = make_bundle(turn)["text/html"]
    assert html.count('<img alt="image') == 2
    assert html.count("plot returned:") == 2
    assert as_saved(turn) == turn
    assert broken_rules(turn.record()) == []
    valid(endpoint)


def test_the_image_is_in_every_saved_form_and_named_in_the_terminal(session: Session, endpoint: Simulator) -> None:
    script(endpoint, calls(tool_use("plot", {})), "Red.")
    file = StringIO()
    screen = console(styled=False)
    screen.file = file
    answer = session.stream("Draw.", tools=[plot], model="MiniMax-M3")
    with answer:
        for event in answer:
            TerminalView(screen).show(event)
    turn = answer.turn
    assert turn is not None
    assert "[image 1, 640×480]" in file.getvalue()
    assert "base64" not in file.getvalue()
    data = images_in(next(block for block in blocks(turn.messages[2])))[0]["source"]["data"]
    assert data not in file.getvalue()
    shown = f'<img alt="image 1 of the result" src="data:image/png;base64,{data}">'
    html = make_bundle(turn)["text/html"]
    assert html.count(shown) == 1
    assert "→ [image 1, 640×480]</pre><p><img" in html
    assert "<details open><summary>Tool: plot" in html
    assert shown in render_page([turn], "main")
    assert make_bundle(as_saved(turn))["text/html"] == html


@pytest.mark.parametrize(
    "source",
    [
        {"type": "base64", "media_type": "image/svg+xml", "data": "AAAA"},
        {"type": "base64", "media_type": "image/png", "data": 'AAAA" onerror="x'},
        {"type": "url", "url": "https://example.org/x.png"},
        None,
    ],
)
def test_a_foreign_record_shows_no_image_of_another_kind(session: Session, endpoint: Simulator, source: Any) -> None:
    script(endpoint, calls(tool_use("plot", {})), "Red.")
    record = session.ask("Draw.", tools=[plot], model="MiniMax-M3").record()
    record["messages"][2]["content"][0]["content"][1]["source"] = source
    html = make_bundle(Turn.from_record(record))["text/html"]
    assert "<img" not in html
    assert "onerror" not in html


def test_a_later_model_without_images_continues_with_a_text_and_a_note(session: Session, endpoint: Simulator) -> None:
    script(endpoint, calls(tool_use("report", {})), "Red.")
    drawn = session.ask("Draw.", tools=[report], model="MiniMax-M3", cell_id="a")
    script(endpoint, calls(tool_use("plot", {})), "Text.")
    turn = session.ask("And now?", tools=[plot], model="MiniMax-M2", cell_id="b")
    note = "Of earlier tool results, 2 images were not sent: MiniMax-M2 does not take images."
    assert session.prepare("And now?", model="MiniMax-M2").notes == [note]
    (result,) = [block for block in endpoint.log[-2].body["messages"][2]["content"] if block["type"] == "tool_result"]
    assert result["content"][1:] == [
        {"type": "text", "text": "[2 images were not sent: MiniMax-M2 does not take images.]"}
    ]
    valid(endpoint)
    assert session.history.turn_of_cell("main", "a") == drawn, "the record keeps the images"
    assert session.ask("And now?", tools=[plot], model="MiniMax-M2", cell_id="b", replay="only").id == turn.id
    session.ask("And in color?", model="MiniMax-M3")
    assert images_in(endpoint.log[-1].body["messages"][2]["content"][0])


def test_a_request_that_is_joined_again_has_no_images_either(session: Session, endpoint: Simulator) -> None:
    script(endpoint, calls(tool_use("plot", {})), "Red.")
    session.ask("Draw.", tools=[plot], model="MiniMax-M3")
    same = [{**tool_use("plot", {"color": color}), "id": "same"} for color in ("red", "blue")]
    script(endpoint, calls(*same), calls(*same), "Done.")
    turn = session.ask("And now?", tools=[plot], model="MiniMax-M2")
    assert (turn.status, turn.text) == ("complete", "Done.")
    assert {record.status for record in endpoint.log} == {200}
    assert all("base64" not in json.dumps(record.body) for record in endpoint.log[2:])
