"""The `anthropic` package: plain, streamed, with a tool, and what it raises."""

import os

import anthropic
from cases import IMAGE, PROMPTS, look_up, report

MODEL = "MiniMax-M2.7"
client = anthropic.Anthropic(base_url=os.environ["BASE_URL"], api_key=os.environ["KEY"], max_retries=0)


def ask(prompt, **options):
    content = options.pop("content", [{"type": "text", "text": prompt}])
    given = {"model": MODEL, "max_tokens": 2000, "messages": [{"role": "user", "content": content}], **options}
    return client.messages.create(**given)


def text(message):
    return "".join(block.text for block in message.content if block.type == "text")


def stream():
    messages = [{"role": "user", "content": PROMPTS["stream"]}]
    with client.messages.stream(model=MODEL, max_tokens=2000, messages=messages) as pieces:
        return list(pieces.text_stream)


def tools():
    schema = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
    tool = {"name": "look_up", "description": "Look a word up.", "input_schema": schema}
    messages = [{"role": "user", "content": PROMPTS["tools"]}]
    while True:
        message = client.messages.create(model=MODEL, max_tokens=2000, messages=messages, tools=[tool])
        if message.stop_reason != "tool_use":
            return text(message)
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": look_up(**block.input)}
            for block in message.content
            if block.type == "tool_use"
        ]
        messages += [{"role": "assistant", "content": message.content}, {"role": "user", "content": results}]


def image(model):
    source = {"type": "base64", "media_type": "image/png", "data": IMAGE}
    content = [{"type": "image", "source": source}, {"type": "text", "text": PROMPTS["image"]}]
    return text(ask("", content=content, model=model))


def wrong_key():
    return anthropic.Anthropic(base_url=os.environ["BASE_URL"], api_key="wrong", max_retries=0).messages.create(
        model=MODEL, max_tokens=100, messages=[{"role": "user", "content": PROMPTS["wrong key"]}]
    )


report(
    {
        "plain": lambda: text(ask(PROMPTS["plain"])),
        "stream": stream,
        "tools": tools,
        "wrong key": wrong_key,
        "temperature": lambda: ask(PROMPTS["temperature"], extra_body={"temperature": 0}),
        "image": lambda: image("MiniMax-M3"),
        "refused image": lambda: image(MODEL),
    }
)
