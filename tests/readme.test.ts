import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { parse } from "dotenv";
import { describe, expect, test } from "vitest";
import { createFormatter } from "../exercises/common/pretty.ts";
import { readSettings } from "../exercises/common/settings.ts";
import {
  completion,
  copyProject,
  LESSON,
  readProjectFile,
  ROOT,
  runLesson,
  startServer,
  type Edit,
  type Result,
} from "./helpers.ts";

const readme = readProjectFile("README.md");
const envExample = readProjectFile(".env.example");
const originalRun = runLesson();

/** The sections with a heading of two or three `#`, by their headings. */
const sections = new Map<string, string>();
for (const section of readme.split(/^##+ /m).slice(1)) {
  sections.set(section.slice(0, section.indexOf("\n")), section);
}
const sectionOf = (heading: string) => sections.get(heading) ?? "";

const codeBlock = (text: string, language: string) =>
  new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "ms").exec(text)?.[1] ?? "";
const codeSpans = (text: string) =>
  [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);

/** What a terminal of 80 columns shows, at 17:07:30. */
function toScreen({ lines }: Result): string {
  const text = lines.map(createFormatter(80)).join("");
  return stripVTControlCharacters(text).replace(/^[\d:]{8}/gm, "17:07:30");
}

/** Expects the whole of `text` to be quoted, with `…` for any text. */
function expectQuoted(text: string, quote: string) {
  let end = 0;
  for (const part of quote.trim().split(/\s*…\s*/)) {
    const start = text.indexOf(part, end);
    expect(start, part).toBeGreaterThanOrEqual(end);
    if (end === 0) expect(start).toBe(0);
    end = start + part.length;
  }
  expect(text.slice(end).trim()).toBe("");
}

/** Runs the lesson with the edits of an experiment, as printed. */
async function runExperiment(heading: string, env = {}) {
  const diff = codeBlock(sectionOf(heading), "diff");
  const pairs = [...diff.matchAll(/^-(.*)\n((?:\+.*\n)+)/gm)];
  const edits = pairs.map(([, before, after = ""]): Edit => {
    return [`\n${before}\n`, `\n${after.replace(/^\+/gm, "")}`];
  });
  expect(edits).not.toEqual([]);
  return runLesson({ folder: copyProject(...edits), env });
}

test("the terminal shows what the README shows", async () => {
  const view = codeBlock(sectionOf("What you see"), "text");
  expectQuoted(toScreen(await originalRun), view);
});

test("the log has the line that the README shows", async () => {
  const json = codeBlock(sectionOf("What you see"), "json");
  const lines = (await originalRun).stdout.split("\n");
  expectQuoted(
    lines.find((line) => line.includes('"response"'))!,
    json,
  );
});

test("the lesson has the code that the README shows", () => {
  const code = codeBlock(sectionOf("How it works"), "ts").trim().split("\n");
  const lesson = readProjectFile(LESSON)
    .split("\n")
    .map((line) => line.trim());
  const quoted = code.filter((line) => !line.startsWith("//"));
  expect(lesson).toEqual(expect.arrayContaining(quoted));
});

const experiments = [...sections]
  .map(([heading, section]) => [heading, /^You see .*$/m.exec(section)?.[0]])
  .filter((experiment): experiment is [string, string] => !!experiment[1]);

test.concurrent.each(experiments)("%s offline", async (heading, result) => {
  const run = await runExperiment(heading);
  const screen = toScreen(run).replace(/\s+/g, " ");
  for (const quote of codeSpans(result)) expect(screen).toContain(quote);
  expect(run.stderr).toBe("");
  expect(run.status).toBe(result.includes("FATAL") ? 1 : 0);
});

test("the experiment with a real model changes what is sent", async () => {
  const body = completion("Arr.");
  const { calls, env } = await startServer(() => ({ body }));
  await runExperiment("Change the persona and the temperature", env);
  const { temperature, messages } = calls[0]!.body;
  expect(temperature).toBe(0);
  expect(messages[0]?.content).toMatch(/pirate/);
});

test("README.md and .env.example name every variable that is read", () => {
  const names = new Set<string>();
  readSettings(
    new Proxy({}, { get: (_, name) => void names.add(String(name)) }),
  );
  const variable = /\b(OPENAI_[A-Z_]+|LOG_LEVEL)\b/g;
  expect(new Set(readme.match(variable))).toEqual(names);
  expect(new Set(envExample.match(variable))).toEqual(names);
});

test(".env.example sets nothing until it is edited", () => {
  expect(parse(envExample)).toEqual({});
});

const PROVIDERS = [
  ["OpenAI", "https://api.openai.com/v1", "gpt-6-luna"],
  [
    "Azure OpenAI",
    "https://RESOURCE.openai.azure.com/openai/v1/",
    "DEPLOYMENT",
  ],
  ["Ollama", "http://localhost:11434/v1", "llama3.2"],
  ["llama.cpp", "http://localhost:8080/v1", "default"],
  ["LM Studio", "http://localhost:1234/v1", "MODEL"],
  ["vLLM", "http://localhost:8000/v1", "MODEL"],
  ["OpenRouter", "https://openrouter.ai/api/v1", "openrouter/auto"],
  ["Any other server", "https://example.com/v1", "MODEL"],
];

test.each(PROVIDERS)("the lines for %s lead to %s", (name, baseURL, model) => {
  const row = new RegExp(`^\\| ${name} +\\|(.*)`, "m").exec(readme)?.[1] ?? "";
  const blocks = envExample.split("\n\n");
  const block = blocks.find((text) => text.startsWith(`# ${name}`)) ?? "";
  for (const lines of [codeSpans(row), block.match(/(?<=^#)\w+=.*$/gm) ?? []]) {
    const settings = readSettings({}, parse(lines.join("\n")));
    expect(settings).toMatchObject({ baseURL, model });
  }
});

test("a syntax error looks as the README says", async () => {
  const symptom = /^\|.*Transform failed.*?\|/m.exec(readme)?.[0] ?? "";
  const folder = copyProject(["TEMPERATURE = 0.7", "TEMPERATURE = 0,7"]);
  const { stderr } = await runLesson({ folder });
  expect(symptom).not.toBe("");
  for (const text of codeSpans(symptom)) expect(stderr).toContain(text);
});

// The commands need the quotes of a POSIX shell.
const hasJq =
  process.platform !== "win32" && spawnSync("jq", ["--version"]).status === 0;

test.runIf(hasJq)("the jq commands show the roles and the tokens", async () => {
  const { stdout: input } = await originalRun;
  const commands = codeBlock(sectionOf("Read the log"), "sh").match(/jq .*$/gm);
  const outputs = commands?.map((command) => {
    const options = { shell: true, input, encoding: "utf8" } as const;
    return spawnSync(command, options).stdout;
  });
  const roles = '["system","user"]\n["system","user","assistant","user"]\n';
  expect(outputs).toEqual([roles, "29\n76\n"]);
});

test("CI installs and runs the tests as the README says", () => {
  const commands = codeBlock(sectionOf("Quick start"), "sh").trim().split("\n");
  const ci = readProjectFile(".ci/run")
    .match(/^npm .*$/gm)
    ?.join(" && ");
  expect(commands).toEqual([`npm ci && npx tsx ${LESSON}`, ci]);
});

test("every relative link leads to a file", () => {
  const links = [...readme.matchAll(/\]\((?!https?:)([^)]+)\)/g)];
  expect(links).not.toEqual([]);
  for (const [, path] of links)
    expect(existsSync(join(ROOT, path!))).toBe(true);
});
