"""`chatlas`: a chat, plain and streamed, with a tool, and what it raises."""

import base64
import os
import tempfile

import chatlas
from cases import IMAGE, PROMPTS, look_up, report


def chat(model="MiniMax-M2.7", key=os.environ["KEY"]):
    options = {"base_url": os.environ["BASE_URL"], "max_retries": 0}
    return chatlas.ChatAnthropic(model=model, api_key=key, kwargs=options)


def text(response):
    return str(response)


def tools():
    asked = chat()
    asked.register_tool(look_up)
    return text(asked.chat(PROMPTS["tools"], echo="none"))


def temperature():
    asked = chat()
    asked.set_model_params(temperature=0)
    return text(asked.chat(PROMPTS["temperature"], echo="none"))


def image(model):
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(base64.b64decode(IMAGE))
        file.flush()
        part = chatlas.content_image_file(file.name, resize="none")
        return text(chat(model).chat(part, PROMPTS["image"], echo="none"))


report(
    {
        "plain": lambda: text(chat().chat(PROMPTS["plain"], echo="none", stream=False)),
        "stream": lambda: list(chat().stream(PROMPTS["stream"])),
        "tools": tools,
        "wrong key": lambda: text(chat(key="wrong").chat(PROMPTS["wrong key"], echo="none")),
        "temperature": temperature,
        "image": lambda: image("MiniMax-M3"),
        "refused image": lambda: image("MiniMax-M2.7"),
    }
)
