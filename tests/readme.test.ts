import { execFile, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify, stripVTControlCharacters } from "node:util";
import { parse } from "dotenv";
import { levels } from "pino";
import { expect, test } from "vitest";
import { createFormatter } from "../exercises/common/pretty.ts";
import * as helpers from "./helpers.ts";

const { LESSON, copyProject, readProjectFile, runLesson } = helpers;
const readme = readProjectFile("README.md");
const envExample = readProjectFile(".env.example");
const settings = readProjectFile("exercises/common/settings.ts");
const original = runLesson();

/** Finds a pattern or throws, so that no test passes without its subject. */
function findAll(text: string, pattern: RegExp): string[] {
  const found = [...text.matchAll(pattern)].map((match) => match[1] ?? "");
  if (found.length > 0) return found;
  throw new Error(`${pattern} is not in: ${text.slice(0, 100)}`);
}
const findOne = (text: string, pattern: RegExp) =>
  findAll(text, new RegExp(pattern, "gm"))[0]!;

const sectionOf = (heading: string) =>
  findOne(`${readme}## `, new RegExp(`^##+ ${heading}\n([^]*?)^##+ `));
const bulletOf = (start: string) =>
  findOne(sectionOf("Reference"), new RegExp(`^- \\*\\*(${start}.*)`));

/** Returns the code of the only block in this language, without its indent. */
function blockOf(text: string, language: string): string {
  const fence = new RegExp(`^( *\`\`\`${language}\n[^]*?)^ *\`\`\`$`, "gm");
  const [block = "", ...others] = findAll(text, fence);
  expect(others).toEqual([]);
  const lines = block.split("\n").slice(1);
  return lines.map((line) => line.slice(block.indexOf("`"))).join("\n");
}

/** The edits of a diff: `+` lines replace the `-` line above, or follow it. */
function toEdits(diff: string): helpers.Edit[] {
  const edits: helpers.Edit[] = [];
  for (const [, sign, text] of diff.matchAll(/^([^]?)(.*\n)/gm)) {
    const before = `\n${text}`;
    if (sign === "+") edits.at(-1)![1] += text;
    else if (sign === "-") edits.push([before, "\n"]);
    else if (sign === " ") edits.push([before, before]);
    else throw new Error(`Not a line of a diff: ${sign}${text}`);
  }
  return edits;
}

const runDiff = (text: string, input = "") =>
  runLesson({ folder: copyProject(...toEdits(blockOf(text, "diff"))), input });

/** What a terminal of 80 columns shows, at 17:07:30. */
function toScreen({ lines }: helpers.Run): string {
  const format = createFormatter();
  const text = lines.map((line) => format({ ...line }, 80)).join("");
  return stripVTControlCharacters(text).replace(/^[\d:]{8}/gm, "17:07:30");
}

/** Expects the output that the text quotes: code spans with a space. */
function expectQuoted(run: helpers.Run, text: string) {
  expect(run).toMatchObject({ stderr: "", status: 0 });
  const screen = toScreen(run).replace(/\s+/g, " ");
  const quotes = findAll(text, /`(.*?)`/g).filter((span) => /\s/.test(span));
  expect(quotes).not.toEqual([]);
  for (const quote of quotes) expect(screen).toContain(quote);
}

/** A pattern for an excerpt, in which `…` marks omitted text. */
const toPattern = (excerpt = "", omitted: string) =>
  excerpt.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&").replaceAll("…", omitted);

const contentsOf = ({ responses }: helpers.Run) =>
  responses.map(({ choices }) => choices.map(({ message }) => message.content));

test("the terminal shows the excerpt", async () => {
  const excerpt = blockOf(sectionOf("Run it"), "text");
  const pattern = toPattern(excerpt, ".*(?:\\n {17}.*)*");
  expect(toScreen(await original)).toMatch(new RegExp(`^${pattern}`, "m"));
});

/** What else an experiment shows. */
const checks: Record<string, (run: helpers.Run, section: string) => void> = {
  "Change the persona": (run) => {
    const persona = [expect.stringContaining("You are a pirate.")];
    expect(contentsOf(run)).toEqual([persona, persona]);
  },
  "Change the temperature": (run, section) => {
    const tokyo = findOne(section, /at 0, all say `(.*?)`/);
    expect(contentsOf(run)).toEqual([Array(10).fill(tokyo)]);
  },
  "Add a third turn": ({ responses }, section) => {
    const [first, second, third] = responses.map(({ usage }) => usage!);
    const [prompt, total] = [second!.prompt_tokens, first!.total_tokens];
    const sum = `${prompt} tokens: the ${total} of Part 1 and ${prompt - total} for`;
    const added = third!.prompt_tokens - second!.total_tokens;
    expect(section).toContain(sum);
    expect(section).toContain(`and ${added} for the new`);
  },
};
const headings = findAll(readme, /^### (.*)$/gm);

test("the second of eight experiments leads to the main idea", () => {
  expect(headings).toHaveLength(8);
  expect(headings).toEqual(expect.arrayContaining(Object.keys(checks)));
  const [before, after] = readme.split(`### ${headings[1]}\n`);
  expect(before).not.toMatch(/stateless|only memory/);
  expect(after).toMatch(/^[^#]*stateless[^#]*only memory/);
});

test.concurrent.each(headings)("experiment: %s", async (heading) => {
  const section = sectionOf(heading);
  const [question, answer = ""] = section.split("<details>");
  expect(question).toMatch(/\?.*\n\n```diff/);
  const run = await runDiff(section);
  expectQuoted(run, answer);
  checks[heading]?.(run, section);
});

test("the diagram and the JSON show requests and responses", async () => {
  const { requests, responses } = await original;
  const section = sectionOf("How it works");
  const roles = requests.map(({ messages }) => messages.map((m) => m.role));
  const sent = findAll(blockOf(section, "mermaid"), /Script->>API: (.*)/g);
  expect(sent).toEqual(roles.map((list) => list.join(", ")));
  const json = blockOf(section, "json").replace(/\n {1,3}/g, "");
  const sentAndReceived = [requests[0], responses[0]]
    .map((body) => `${JSON.stringify(body)}\n`)
    .join("\n");
  expect(sentAndReceived).toMatch(new RegExp(`^${toPattern(json, ".*")}$`));
});

const project = sectionOf("In your own project");
async function chat(key: string) {
  const body = helpers.completion("Ada.");
  const { calls, baseURL } = await helpers.startServer({ body });
  const values = `OPENAI_API_KEY=${key}\nOPENAI_BASE_URL=${baseURL}\nOPENAI_MODEL=m`;
  const cwd = copyProject();
  writeFileSync(join(cwd, ".env"), `${envExample}\n${values}\n`);
  const file = findOne(project, /save this as `(.*?)`/);
  writeFileSync(join(cwd, file), blockOf(project, "js"));
  const [, ...args] = findOne(project, /Run it with `(.*?)`/).split(" ");
  const { PATH, SystemRoot } = process.env;
  const options = { cwd, env: { PATH, SystemRoot } };
  const run = await promisify(execFile)(process.execPath, args, options);
  return { ...run, calls };
}

const dummy = findOne(project, /`OPENAI_API_KEY=(.*?)` will do/);
const key = "sk-1234567890abcdefghij";
test.concurrent.each([dummy, key])("chat.mjs runs with %s", async (key) => {
  const { calls, ...output } = await chat(key);
  expect(output).toEqual({ stdout: "Ada.\nAda.\n", stderr: "" });
  const headers = { authorization: `Bearer ${key}` };
  const call = { method: "POST", url: "/v1/chat/completions", headers };
  expect(calls).toMatchObject([call, call]);
  const [first, second] = calls.map(({ text }) => JSON.parse(text).messages);
  const added = [{ role: "assistant", content: "Ada." }, { role: "user" }];
  expect(second).toMatchObject([...first, ...added]);
});

const ownTasks = sectionOf("On your own");
const tasks = findAll(ownTasks, /^\d\. ([^]*?<\/details>\n\n)/gm);
test.concurrent.each([0, 1, 2])("the solution of task %i", async (index) => {
  const [task = "", hint, solution = ""] = tasks[index]!.split("<details>");
  expect(hint).toMatch(/^<summary>Hint<.*<\/details>/);
  const run = await runDiff(solution, index === 0 ? "Who?\nWhen?\nWhy?\n" : "");
  expectQuoted(run, task);
  const sizes = run.requests.map(({ messages }) => messages.length);
  expect(`${sizes}`).toBe(["2,4,6,8", "2,4,4", "2,4"][index]);
});

test("a syntax error prints what the README quotes", async () => {
  const folder = copyProject(["TEMPERATURE = 0.7", "TEMPERATURE = 0,7"]);
  const { stderr } = await runLesson({ folder });
  expect(stderr).toContain(findOne(bulletOf("`Transform"), /`(.*?)`/));
  expect(stderr).toMatch(/01_chat_completion\.ts:\d+/);
});

test("the log has the fields and levels that the README lists", async () => {
  const spans = findAll(bulletOf("Log"), /`(\w+)`/g);
  const own = ["level", "time", "pid", "hostname", "msg"];
  const fields = (await original).lines.flatMap((line) => Object.keys(line));
  fields.push("baseURL", "finish_reason", "err", "hint");
  expect([...own, ...spans]).toEqual(expect.arrayContaining(fields));
  for (const label of ["debug", "info", "warn", "fatal"]) {
    const level = `\`${label}\` (${levels.values[label]})`;
    expect(bulletOf("Log")).toContain(level);
  }
});

const hasJq = spawnSync("sh", ["-c", "jq --version"]).status === 0;
const jq = findOne(bulletOf("Log"), /`npx tsx \S+ \| (jq .*)`/);
test.runIf(hasJq)("the jq command lists roles", async () => {
  const { stdout: input } = await original;
  const { stdout } = spawnSync("sh", ["-c", jq], { input, encoding: "utf8" });
  expect(stdout).toMatch(/^\["system","user"\]\n.*"assistant","user"\]\n$/);
});

test(".env.example names each variable once and sets none", () => {
  const names = new Set(findAll(settings, /"([A-Z]+(?:_[A-Z]+)+)"/g));
  expect(Object.keys(parse(envExample)).sort()).toEqual([...names].sort());
  expect(findAll(envExample, /^(\w+)=$/gm)).toHaveLength(names.size);
  const values = findAll(sectionOf("Use a real model"), /`OPENAI_\w+=(.*?)`/g);
  for (const value of values) expect(envExample).toContain(value);
});

test("commands name the script", () => {
  const run = sectionOf("Run it");
  expect(blockOf(run, "sh")).toBe(`npm ci && npx tsx ${LESSON}\n`);
  expect(run).toContain(`\`npx tsx watch --clear-screen=false ${LESSON}\``);
});
