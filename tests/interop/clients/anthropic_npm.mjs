// `@anthropic-ai/sdk`: plain, streamed, with a tool, and what it throws.
import { BASE_URL, IMAGE, KEY, load, lookUp, PROMPTS, report } from "./cases.mjs";

const { default: Anthropic } = await load("@anthropic-ai/sdk");
const open = (apiKey) => new Anthropic({ baseURL: BASE_URL, apiKey, maxRetries: 0 });
const body = (content, more) => ({
  model: "MiniMax-M2.7",
  max_tokens: 2000,
  messages: [{ role: "user", content }],
  ...more,
});
const text = (message) => message.content.map((block) => block.text ?? "").join("");
const ask = async (content, more) => text(await open(KEY).messages.create(body(content, more)));

async function stream() {
  const pieces = [];
  const stream = open(KEY).messages.stream(body(PROMPTS.stream));
  stream.on("text", (piece) => pieces.push(piece));
  await stream.finalMessage();
  return pieces;
}

async function tools() {
  const schema = { type: "object", properties: { word: { type: "string" } }, required: ["word"] };
  const offered = [{ name: "look_up", description: "Look a word up.", input_schema: schema }];
  const messages = [{ role: "user", content: PROMPTS.tools }];
  for (;;) {
    const message = await open(KEY).messages.stream(body("", { messages, tools: offered })).finalMessage();
    if (message.stop_reason !== "tool_use") return text(message);
    const results = message.content
      .filter((block) => block.type === "tool_use")
      .map((block) => ({ type: "tool_result", tool_use_id: block.id, content: lookUp(block.input) }));
    messages.push({ role: "assistant", content: message.content }, { role: "user", content: results });
  }
}

const source = { type: "base64", media_type: "image/png", data: IMAGE };
const image = (model) => ask([{ type: "image", source }, { type: "text", text: PROMPTS.image }], { model });

await report({
  plain: () => ask(PROMPTS.plain),
  stream,
  tools,
  "wrong key": async () => open("wrong").messages.create(body(PROMPTS["wrong key"])),
  temperature: () => ask(PROMPTS.temperature, { temperature: 0 }),
  image: () => image("MiniMax-M3"),
  "refused image": () => image("MiniMax-M2.7"),
});
