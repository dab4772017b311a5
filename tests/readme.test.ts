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

/** The sections of the README (`##` and `###`), by heading. */
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

/** Expects `quote` to match all of `text`; `…` matches the rest of a row. */
function expectQuoted(text: string, quote: string) {
  const escaped = quote.trim().replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  const pattern = escaped.replace(/ ?…/g, ".*(\\n {17}.*)*");
  expect(text.trim()).toMatch(new RegExp(`^${pattern}$`));
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
  const line = lines.find((line) => line.includes('"response"')) ?? "";
  expectQuoted(line, json);
});

test("the lesson has the code that the README shows", () => {
  const code = codeBlock(sectionOf("How it works"), "ts").match(/^[^/\s].*$/gm);
  const lesson = readProjectFile(LESSON).split(/\n */);
  expect(lesson).toEqual(expect.arrayContaining(code!));
});

const experiments = [...sections]
  .map(([heading, section]) => [heading, /^You see .*$/m.exec(section)?.[0]])
  .filter((experiment): experiment is [string, string] => !!experiment[1]);

test("there are experiments to try", () => {
  expect(experiments).not.toEqual([]);
});

test.concurrent.each(experiments)(
  "offline experiment: %s",
  async (heading, result) => {
    const run = await runExperiment(heading);
    const screen = toScreen(run).replace(/\s+/g, " ");
    for (const quote of codeSpans(result)) expect(screen).toContain(quote);
    expect(screen).not.toContain(" 1 messages");
    expect(run.stderr).toBe("");
    expect(run.status).toBe(result.includes("FATAL") ? 1 : 0);
  },
);

test("the experiment with a real model changes what is sent", async () => {
  const { calls, env } = await startServer({ body: completion("Arr.") });
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

test("README.md and .env.example have the same lines for each provider", () => {
  const table = sectionOf("Use a real model");
  const rows = [...table.matchAll(/^\| (\w.*?) +\| (`.*`) +\|$/gm)];
  expect(rows).not.toEqual([]);
  const blocks = envExample.split("\n\n");
  for (const [, name, cell = ""] of rows) {
    const block = blocks.find((text) => text.startsWith(`# ${name}`));
    const lines = codeSpans(cell);
    expect(block?.match(/(?<=^#)\w+=.*$/gm), name).toEqual(lines);
    expect(readSettings({}, parse(lines.join("\n"))).model).toBeTruthy();
  }
});

test("a syntax error prints what the README quotes", async () => {
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
  const commands = codeBlock(sectionOf("Quick start"), "sh");
  const ci = readProjectFile(".ci/run").match(/^npm .*$/gm) ?? [];
  expect(commands).toBe(`npm ci && npx tsx ${LESSON}\n${ci.join(" && ")}\n`);
});

test("every relative link points to a file", () => {
  const links = [...readme.matchAll(/\]\((?!https?:)([^)]+)\)/g)];
  expect(links).not.toEqual([]);
  const missing = links.filter(([, path]) => !existsSync(join(ROOT, path!)));
  expect(missing).toEqual([]);
});
