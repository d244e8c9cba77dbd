// What the scripts for Node send, and how they report the answers. `cases.py` has the same for Python.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

export const { BASE_URL, KEY, IMAGE } = process.env;
export const PROMPTS = JSON.parse(process.env.PROMPTS);
export const lookUp = ({ word }) => `${word} is a kind of reef`;

// Import a package of the environment, whose folder is the first argument.
export const load = async (name) =>
  import(pathToFileURL(createRequire(`${process.argv[2]}/package.json`).resolve(name)).href);

// Run each case, and print what it returned or threw as a line of JSON.
export async function report(cases) {
  for (const [name, run] of Object.entries(cases)) {
    let line;
    try {
      line = { case: name, value: await run() };
    } catch (error) {
      line = { case: name, error: `${error.name} ${error.status ?? error.statusCode}: ${error.message}` };
    }
    console.log(JSON.stringify(line));
  }
}
