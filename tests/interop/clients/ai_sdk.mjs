// `ai` with `vercel-minimax-ai-provider`: plain, streamed, with a tool, and what it throws.
import { BASE_URL, IMAGE, KEY, load, lookUp, PROMPTS, report } from "./cases.mjs";

const { generateText, stepCountIs, streamText, tool } = await load("ai");
const { createMinimax } = await load("vercel-minimax-ai-provider");
const { z } = await load("zod");
const model = (name = "MiniMax-M2.7", apiKey = KEY) => createMinimax({ baseURL: `${BASE_URL}/v1`, apiKey })(name);
const ask = async (more) => (await generateText({ model: model(), maxRetries: 0, ...more })).text;

async function stream() {
  const pieces = [];
  for await (const piece of streamText({ model: model(), maxRetries: 0, prompt: PROMPTS.stream }).textStream) {
    pieces.push(piece);
  }
  return pieces;
}

const look_up = tool({
  description: "Look a word up.",
  inputSchema: z.object({ word: z.string() }),
  execute: async (given) => lookUp(given),
});
const content = [
  { type: "image", image: Buffer.from(IMAGE, "base64"), mediaType: "image/png" },
  { type: "text", text: PROMPTS.image },
];
const image = (name) => ask({ model: model(name), messages: [{ role: "user", content }] });

await report({
  plain: () => ask({ prompt: PROMPTS.plain }),
  stream,
  tools: () => ask({ prompt: PROMPTS.tools, tools: { look_up }, stopWhen: stepCountIs(5) }),
  "wrong key": () => ask({ model: model("MiniMax-M2.7", "wrong"), prompt: PROMPTS["wrong key"] }),
  temperature: () => ask({ prompt: PROMPTS.temperature, temperature: 0 }),
  image: () => image("MiniMax-M3"),
  "refused image": () => image("MiniMax-M2.7"),
});
