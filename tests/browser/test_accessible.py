"""axe finds nothing in our nodes, in each state, light and dark."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

LOAD = "%load_ext mm_magics"
TEXT = """# Title

- [x] done
- item

| a | b |
| --- | --- |
| 1 | 2 |

```python
print(1)  # one
```

$x^2$ and [a link](https://example.org) and ![an image](https://example.org/x.png)
"""
RICH = f'%%minimax\nAnswer. [[simulator: thinking="Let me see." say={json.dumps(TEXT)}]]'
SLOW = "%%minimax\nMore. [[simulator: deltas=3000 size=8 rate=40]]"
FAILED = "%%minimax\nMore. [[simulator: fault=close after=20]]"


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"], ids=["light", "dark"])
def test_axe_finds_nothing_in_any_state(open_notebook, theme):
    notebook = open_notebook(LOAD, RICH, FAILED, SLOW, theme=theme)
    notebook.run(0)
    notebook.run(1)
    expect(notebook.output(1).locator("table")).to_be_visible()
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("failed")
    assert notebook.violations(".mm-turn") == []
    notebook.run(3, wait=False)
    expect(notebook.output(3).locator("p").first).to_be_visible(timeout=20_000)
    assert notebook.violations(".mm-turn") == []
    notebook.output(3).get_by_role("button", name="Stop").click()
    notebook.wait()
    expect(notebook.output(3)).to_contain_text("stopped")
    assert notebook.violations(".mm-turn") == []


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"], ids=["light", "dark"])
def test_axe_finds_nothing_in_the_picker(open_notebook, theme):
    notebook = open_notebook(LOAD, "%minimax picker", theme=theme)
    notebook.run(0)
    notebook.run(1)
    expect(notebook.output(1).get_by_label("Model")).to_be_visible(timeout=20_000)
    assert notebook.violations(".mm-picker") == []
