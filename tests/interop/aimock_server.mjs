// Run aimock with the fixtures in a file, and print its address. Arguments: its folder, the fixtures, the key.
import { pathToFileURL } from "node:url";

const [folder, fixtures, key] = process.argv.slice(2);
const entry = `${folder}/node_modules/@copilotkit/aimock/dist/index.js`;
const { LLMock } = await import(pathToFileURL(entry).href);
const server = new LLMock({ port: 0, logLevel: "silent", auth: { apiKeys: [key] } });
server.loadFixtureFile(fixtures);
await server.start();
console.log(server.url);
