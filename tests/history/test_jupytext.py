"""Scripts in which jupytext does not comment the prompts."""

from __future__ import annotations

from pathlib import Path

import pytest

from mm_magics.history.jupytext import splits_prompts

HEADER = "# ---\n# jupyter:\n#   jupytext:\n#     text_representation: {}\n# ---\n\n"


@pytest.mark.parametrize(
    ("text", "splits"),
    [
        (f"{HEADER}# %%\n# %%minimax\nHello.\n", True),
        (f"{HEADER}# %%\n# %%minimax -t 0.5\nHello.\n", True),
        (f'{HEADER}# %% language="minimax"\n# Hello.\n', False),
        (f"{HEADER}# %%\n# %%minimaxed\n", False),
        ("# %%\n# %%minimax\nHello.\n", False),
        ("", False),
    ],
)
def test_a_script_with_prompts_as_code_is_found(tmp_path: Path, text: str, splits: bool) -> None:
    script = tmp_path / "page.py"
    script.write_text(text)
    assert splits_prompts(script) is splits
    script.write_bytes(b"# \xff\n" + text.encode())
    assert splits_prompts(script) is splits
    assert not splits_prompts(tmp_path / "missing.py")
    assert not splits_prompts(tmp_path)
