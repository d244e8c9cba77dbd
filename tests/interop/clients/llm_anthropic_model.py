"""`llm` with the plugin `llm-anthropic`: a model, plain and streamed, with a tool, and what it raises."""

import base64
import os

import llm
from cases import IMAGE, PROMPTS, look_up, report
from llm_anthropic import ClaudeMessages


def model(name="MiniMax-M2.7"):
    return ClaudeMessages(name, base_url=os.environ["BASE_URL"], supports_images=True, supports_thinking=True)


def ask(prompt, name="MiniMax-M2.7", key=os.environ["KEY"], stream=False, **options):
    return model(name).prompt(prompt, stream=stream, key=key, **options)


def tools():
    return list(model().chain(PROMPTS["tools"], tools=[look_up], key=os.environ["KEY"]).responses())[-1].text()


def image(name):
    attachment = llm.Attachment(type="image/png", content=base64.b64decode(IMAGE))
    return ask(PROMPTS["image"], name, attachments=[attachment]).text()


report(
    {
        "plain": lambda: ask(PROMPTS["plain"]).text(),
        "stream": lambda: list(ask(PROMPTS["stream"], stream=True)),
        "tools": tools,
        "wrong key": lambda: ask(PROMPTS["wrong key"], key="wrong").text(),
        "temperature": lambda: ask(PROMPTS["temperature"], temperature=0).text(),
        "image": lambda: image("MiniMax-M3"),
        "refused image": lambda: image("MiniMax-M2.7"),
    }
)
