"""Images and files in prompt cells: what is sent, what is refused, and what is displayed and saved."""

from __future__ import annotations

import base64
import json

import pytest

from mm_magics.display.mime_bundle import SIZE_EXTRA, SIZE_FACTOR
from mm_magics.history.turn import MIME_TYPE, Turn
from tests.prompt.test_image_file import saved

SETUP = """
from io import BytesIO
from pathlib import Path
from matplotlib.figure import Figure
fig = Figure(figsize=(2, 2))
fig.subplots().plot([1, 3, 2])
file = BytesIO()
fig.savefig(file, format="png")
png = file.getvalue()
Path("picture.png").write_bytes(png)
Path("notes.txt").write_text("Oysters.")
"""


@pytest.fixture(autouse=True)
def _folder(kernel, tmp_path):
    kernel.run(f"import os; os.chdir({str(tmp_path)!r})\n{SETUP}")


def content(simulator):
    return simulator.log[-1].body["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("cell", "kinds", "text"),
    [
        ("%%minimax -m MiniMax-M3\nWhat does {{ fig }} show?", "text image text", "What does [image 1] show?"),
        ("%%minimax -m MiniMax-M3\n{{ png }} and {{ fig.axes[0] }}", "text image text", "[image 1] and [image 1]"),
        ("%%minimax -m MiniMax-M3 --attach picture.png\nWhat is it?", "text image text", "What is it?"),
        ("%%minimax --attach notes.txt\nSum it up.", "text text", "Sum it up."),
        (
            "%%minimax -m MiniMax-M3.1-Flash --attach notes.txt --attach picture.png\n{{ fig }}?",
            "text text image text image text",
            "[image 1]?",
        ),
    ],
)
def test_images_and_files_are_sent_before_the_text(kernel, simulator, cell, kinds, text):
    run = kernel.run(cell, "a")
    assert run.error is None
    assert [block["type"] for block in content(simulator)] == kinds.split()
    assert content(simulator)[-1]["text"] == text
    assert run.turn["messages"][0]["content"] == content(simulator)


def test_an_image_is_shown_live_and_saved_and_sent_again_unchanged(kernel, simulator):
    run = kernel.run("%%minimax -m MiniMax-M3\nWhat does {{ fig }} show?", "a")
    (image,) = [op for op in run.ops if op[0] == "open" and op[2]["type"] == "image"]
    assert image == ["open", 0, content(simulator)[1]]
    assert run.ops.index(image) < next(n for n, op in enumerate(run.ops) if op[0] == "record")
    data = image[2]["source"]["data"]
    (bundle,) = [each["data"] for each in run.outputs if "text/html" in each.get("data", {})]
    assert f'src="data:image/png;base64,{data}"' in bundle["text/html"]
    texts = sum(len(json.dumps(block)) for message in run.turn["messages"] for block in message["content"])
    assert len(json.dumps(bundle)) <= SIZE_FACTOR * texts + SIZE_EXTRA
    assert json.dumps(bundle).count(data) == 2
    sent = content(simulator)
    kernel.run("%%minimax -m MiniMax-M3\nAnd now?", "b")
    assert simulator.log[-1].body["messages"][0]["content"] == sent
    assert simulator.log[-1].problems == ()
    saved = json.loads(json.dumps(bundle[MIME_TYPE], sort_keys=True))
    assert Turn.from_record(saved).messages[0]["content"] == sent


@pytest.mark.parametrize(
    "cell",
    [
        "%%minimax\nWhat does {{ fig }} show?",
        "%%minimax -m MiniMax-M2.1 --attach picture.png\nWhat is it?",
        "%%minimax -m MiniMax-M2 --map figures\nWhat is {{ row }}?",
    ],
)
def test_a_model_without_images_refuses_them_before_anything_is_sent(kernel, simulator, cell):
    kernel.run("figures = [fig, fig]")
    sent = len(simulator.log)
    error = kernel.run(cell, "a").error["evalue"]
    assert "does not take images. Nothing was sent." in error
    assert "(MiniMax-M3.1-Flash, MiniMax-M3, MiniMax-M3.1-Flash-Preview)" in error
    assert len(simulator.log) == sent


def test_the_size_of_a_file_is_shown_before_the_answer(kernel):
    run = kernel.run("%%minimax --attach notes.txt\nSum it up.", "a")
    first = next(change for kind, change, *_ in run.ops if kind == "state" and change.get("notes"))
    assert first["notes"] == ["Attached notes.txt: 8 characters, about 2 tokens."]


def test_a_dry_run_does_not_print_the_data(kernel):
    text = kernel.run("%%minimax -m MiniMax-M3 --dry-run\n{{ fig }}?", "a").text
    assert '"data": "… ' in text
    assert len(text) < 3_000


def test_each_row_of_a_map_run_can_have_its_own_image(kernel, simulator):
    values = {"one": "fig", "two": "png + b'x'", "three": "1"}
    kernel.run(f"rows = [{', '.join(f'dict(fig={value}, name={name!r})' for name, value in values.items())}]")
    run = kernel.run("%%minimax -m MiniMax-M3 --map rows --out result\nWhat is {{ row.fig }}, {{ row.name }}?", "a")
    assert run.error is None
    assert kernel.run("print(result.errors, result.asked)").text == "[] 3\n"
    sent = [record.body["messages"][-1]["content"] for record in simulator.log[-3:]]
    assert sorted(len(each) for each in sent) == [1, 3, 3]
    assert len({each[1]["source"]["data"] for each in sent if len(each) == 3}) == 2
    again = kernel.run("%%minimax -m MiniMax-M3 --map rows --out result\nWhat is {{ row.fig }}, {{ row.name }}?", "a")
    assert again.error is None
    assert kernel.run("print(result.stored, result.asked)").text == "3 0\n"


def test_what_is_neither_is_a_plain_error(kernel, simulator):
    sent = len(simulator.log)
    assert "nowhere.png cannot be attached" in kernel.run("%%minimax --attach nowhere.png\nHi.", "a").error["evalue"]
    assert (
        "--attach cannot be combined with --map"
        in kernel.run("rows = [1]\n").text
        + kernel.run("%%minimax --map rows --attach notes.txt\n{{ row }}", "b").error["evalue"]
    )
    system = kernel.run('%%minimax -m MiniMax-M3 -s "Like {{ fig }}"\nHi.', "c").error["evalue"]
    assert "only the prompt itself can contain images" in system
    assert len(simulator.log) == sent


def described(kernel, model, sees, data, outputs=()):
    """Describe a notebook with a Markdown cell that has an image, and run a prompt below it."""
    cells = {
        "code-1": {"cell_type": "code", "source": "x = 1", "outputs": []},
        "text-1": {
            "cell_type": "markdown",
            "source": "![plan](attachment:plan.png)",
            "outputs": [],
            "attachments": {"plan.png": {"image/png": data}},
        },
        "code-2": {"cell_type": "code", "source": "y = 2", "outputs": list(outputs)},
        "ask": {"cell_type": "code", "source": "%%minimax", "outputs": []},
    }
    description = {"name": "n.ipynb", "order": list(cells), "changed": cells, "pending": [], "settings": {}}
    session = "get_ipython().magics_manager.registry['MiniMaxMagics'].session"
    kernel.run(f"{session}.receive({description!r})")
    return kernel.run(f"%%minimax -m {model} --sees {sees}\nWhat is planned?", "ask")


def test_sees_covers_the_images_of_markdown_cells(fresh_kernel, simulator):
    data = base64.b64encode(saved("PNG")).decode()
    assert described(fresh_kernel, "MiniMax-M3", "above", data).error is None
    cells, label, image, _ = content(simulator)
    assert '<cell id="text-1">\n![plan](attachment:plan.png)\n</cell>' in cells["text"]
    assert label["text"] == "[plan.png of cell text-1]:"
    assert image["source"]["data"] == data
    assert described(fresh_kernel, "MiniMax-M3", "1", data).error is None
    assert [block["type"] for block in content(simulator)] == ["text", "text"]
    run = described(fresh_kernel, "MiniMax-M2", "above", data)
    assert [block["type"] for block in content(simulator)] == ["text", "text"]
    notes = [change["notes"] for kind, change, *_ in run.ops if kind == "state" and change.get("notes")]
    assert "1 image of text cells was not sent: MiniMax-M2 does not take images." in notes[0]


def test_sees_covers_images_and_tables_in_outputs(fresh_kernel, simulator):
    data = base64.b64encode(saved("PNG")).decode()
    outputs = [
        {"output_type": "display_data", "data": {"image/png": data, "text/plain": "<Figure size 640x480>"}},
        {"output_type": "display_data", "data": {"text/html": "<table><tr><th>a<tr><td>1</table>"}},
        {"output_type": "stream", "name": "stdout", "text": "10%\r100%\n"},
    ]
    assert described(fresh_kernel, "MiniMax-M3", "above", data, outputs).error is None
    cells, _, _, label, image, _ = content(simulator)
    assert "[image, 37×23]\n| a |\n| --- |\n| 1 |\n100%\n" in cells["text"]
    assert label["text"] == "[image 1 of cell code-2]:"
    assert image["source"]["data"] == data
    assert described(fresh_kernel, "MiniMax-M2", "above", data, outputs).error is None
    cells, _ = content(simulator)
    assert "[image, 37×23]\n" in cells["text"]


def test_text_cells_are_sent_if_the_setting_says_so(fresh_kernel, simulator):
    data = base64.b64encode(saved("PNG")).decode()
    fresh_kernel.run("%minimax set sees_text True")
    assert described(fresh_kernel, "MiniMax-M2", "above", data).error is None
    cells, _ = content(simulator)
    assert '<cell id="text-1">\n![plan](attachment:plan.png)\n</cell>' in cells["text"]
