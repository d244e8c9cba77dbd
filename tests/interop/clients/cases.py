"""What the Python scripts of this folder send, and how they report the answers. `cases.mjs` has the same for Node."""

import json
import os

PROMPTS = json.loads(os.environ["PROMPTS"])
IMAGE = os.environ["IMAGE"]
"""A PNG in base64."""


def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word} is a kind of reef"


def report(cases):
    """Run each case, and print what it returned or raised as a line of JSON."""
    for name, case in cases.items():
        try:
            line = {"case": name, "value": case()}
        except Exception as error:
            line = {"case": name, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(line), flush=True)
