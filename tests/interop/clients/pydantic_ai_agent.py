"""`pydantic-ai`: an agent, plain and streamed, with a tool, and what it raises."""

import asyncio
import base64
import os

from cases import IMAGE, PROMPTS, look_up, report
from pydantic_ai import Agent, BinaryContent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider


def agent(model="MiniMax-M2.7", key=os.environ["KEY"], **settings):
    provider = AnthropicProvider(base_url=os.environ["BASE_URL"], api_key=key)
    return Agent(AnthropicModel(model, provider=provider), model_settings={"max_tokens": 2000, **settings}, retries=0)


async def stream():
    async with agent().run_stream(PROMPTS["stream"]) as result:
        return [piece async for piece in result.stream_text(delta=True, debounce_by=None)]


def tools():
    asked = agent()
    asked.tool_plain(look_up)
    return asked.run_sync(PROMPTS["tools"]).output


def image(model):
    return (
        agent(model).run_sync([BinaryContent(base64.b64decode(IMAGE), media_type="image/png"), PROMPTS["image"]]).output
    )


report(
    {
        "plain": lambda: agent().run_sync(PROMPTS["plain"]).output,
        "stream": lambda: asyncio.run(stream()),
        "tools": tools,
        "wrong key": lambda: agent(key="wrong").run_sync(PROMPTS["wrong key"]).output,
        "temperature": lambda: agent(temperature=0).run_sync(PROMPTS["temperature"]).output,
        "image": lambda: image("MiniMax-M3"),
        "refused image": lambda: image("MiniMax-M2.7"),
    }
)
