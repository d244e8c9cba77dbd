"""`langchain-anthropic`: a chat model, plain and streamed, with a tool, and what it raises."""

import os

from cases import IMAGE, PROMPTS, look_up, report
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool


def chat(model="MiniMax-M2.7", key=os.environ["KEY"], **options):
    address = os.environ["BASE_URL"]
    return ChatAnthropic(model=model, base_url=address, api_key=key, max_tokens=2000, max_retries=0, **options)


def tools():
    offered = tool(look_up)
    asked = chat().bind_tools([offered])
    messages = [HumanMessage(PROMPTS["tools"])]
    while True:
        messages.append(asked.invoke(messages))
        if not messages[-1].tool_calls:
            return messages[-1].text
        messages += [offered.invoke(call) for call in messages[-1].tool_calls]


def image(model):
    part = {"type": "image", "base64": IMAGE, "mime_type": "image/png"}
    return chat(model).invoke([HumanMessage([part, {"type": "text", "text": PROMPTS["image"]}])]).text


report(
    {
        "plain": lambda: chat().invoke(PROMPTS["plain"]).text,
        "stream": lambda: [chunk.text for chunk in chat().stream(PROMPTS["stream"]) if chunk.text],
        "tools": tools,
        "wrong key": lambda: chat(key="wrong").invoke(PROMPTS["wrong key"]).text,
        "temperature": lambda: chat(temperature=0).invoke(PROMPTS["temperature"]).text,
        "image": lambda: image("MiniMax-M3"),
        "refused image": lambda: image("MiniMax-M2.7"),
    }
)
