import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
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
const codeBlocks = (text: string, language: string) =>
  [
    ...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms")),
  ].map(([, code = ""]) => code);

/** What a terminal of 80 columns shows, at 17:07:30. */
function toScreen({ lines }: Result): string {
  const format = createFormatter();
  const text = lines.map((line) => format({ ...line }, 80)).join("");
  return stripVTControlCharacters(text).replace(/^[\d:]{8}/gm, "17:07:30");
}
const onOneLine = (text: string) => text.replace(/\s+/g, " ");

/** Expects `text` to start with `quote`, in which `…` stands for other text. */
function expectQuoted(text: string, quote: string, rest: string) {
  const escaped = quote.trim().replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  expect(text).toMatch(new RegExp(`^${escaped.replace(/ ?…/g, rest)}`));
}

/** The edits of a diff, as printed: `-` lines become the `+` lines below them. */
function toEdits(diff: string): Edit[] {
  const pair = /^-(.*)\n((?:\+.*\n)+)/gm;
  const pairs = [...diff.matchAll(pair)];
  expect(pairs).not.toEqual([]);
  expect(diff.replace(pair, "")).not.toMatch(/^[-+]/m);
  return pairs.map(([, before, after = ""]) => [
    `\n${before}\n`,
    `\n${after.replace(/^\+/gm, "")}`,
  ]);
}

test("the terminal shows what the README shows", async () => {
  const [view = ""] = codeBlocks(sectionOf("What you see"), "text");
  expectQuoted(toScreen(await originalRun), view, ".*(\\n {17}.*)*");
});

test("the log has the line that the README shows", async () => {
  const [json = ""] = codeBlocks(sectionOf("Read the log"), "json");
  const lines = (await originalRun).stdout.split("\n");
  const line = lines.find((line) => line.includes('"response"')) ?? "";
  expectQuoted(line, json, ".*");
});

test("the script has the lines that the README shows", () => {
  const [code = ""] = codeBlocks(sectionOf("How it works"), "ts");
  const lines = code.split(/\n */).filter((line) => !/^(\/\/.*)?$/.test(line));
  expect(readProjectFile(LESSON).split(/\n */)).toEqual(
    expect.arrayContaining(lines),
  );
});

const experiments = [...sections].filter(([heading]) => heading.endsWith("?"));

test.concurrent.each(experiments)("experiment: %s", async (_, section) => {
  const [diff = ""] = codeBlocks(section, "diff");
  const folder = copyProject(...toEdits(diff));
  const run = await runLesson({ folder });
  const screen = onOneLine(toScreen(run));
  const promises = [...section.matchAll(/<code>(.*?)<\/code>( five)?/g)];
  expect(promises).not.toEqual([]);
  for (const [, text, five] of promises) {
    expect(screen).toContain(text);
    const replies = screen.split(`received the reply assistant ${text}`);
    if (five) expect(replies).toHaveLength(1 + 5);
  }
  expect(run.stderr).toBe("");
  expect(run.status).toBe(section.includes("FATAL") ? 1 : 0);
});

test("the persona reaches a real model", async () => {
  const { calls, env } = await startServer({ body: completion("Arr.") });
  const [diff = ""] = codeBlocks(sectionOf("Use a real model"), "diff");
  await runLesson({ folder: copyProject(...toEdits(diff)), env });
  expect(calls[0]?.body.messages[0]?.content).toMatch(/pirate/);
});

test("the code for a project of your own gets a reply", async () => {
  const { calls, env } = await startServer({ body: completion("Tokyo.") });
  const [code = ""] = codeBlocks(sectionOf("Use a real model"), "js");
  const folder = copyProject();
  writeFileSync(join(folder, LESSON), code);
  const { stdout, stderr } = await runLesson({ folder, env });
  expect({ stdout, stderr }).toEqual({ stdout: "Tokyo.\n", stderr: "" });
  const authorization = `Bearer ${env.OPENAI_API_KEY}`;
  expect(calls).toMatchObject([{ headers: { authorization } }]);
});

describe.concurrent("a solution of a task on your own", () => {
  const tasks = sectionOf("On your own").match(/^\d\. .*$/gm) ?? [];
  const PART_1 = "const reply = await";
  const PART_2 = 'await complete("Part 2 (multi-turn)", messages);';
  const LOOP = `for (const question of ["Where?", "When?", "Why?"]) {
    messages.push({ role: "user", content: question });`;
  const TOKENS = "tokens += response.usage?.total_tokens ?? 0;";
  const ITINERARY = '"Can you suggest a 3-day itinerary for Tokyo?"';
  test.each<[number: number, ...edits: Edit[]]>([
    [
      1,
      ['  { role: "user", content: QUESTION },\n', ""],
      [PART_1, `${LOOP}\n${PART_1}`],
      ['messages.push({ role: "user", content: FOLLOW_UP });', "}"],
      [PART_2, ""],
    ],
    [
      2,
      [ITINERARY, '"What was my first question?"'],
      [PART_2, `messages.splice(1, 2);\n${PART_2}`],
    ],
    [
      3,
      [PART_1, `let tokens = 0;\n${PART_1}`],
      [PART_2, `${PART_2}\nlogger.info({ tokens }, "Paid for");`],
      ["  return content;", `  ${TOKENS}\n  return content;`],
    ],
  ])("task %i shows the promised lines", async (number, ...edits) => {
    const run = await runLesson({ folder: copyProject(...edits) });
    const screen = onOneLine(toScreen(run));
    const promises = tasks[number - 1]?.match(
      /(?<=`)(sending|I can't|tokens ).*?(?=`)/g,
    );
    expect(promises).not.toBeUndefined();
    for (const promise of promises ?? []) {
      expect(screen).toContain(onOneLine(promise));
    }
  });
});

test(".env.example names every variable once, and sets none", () => {
  const names = new Set<string>();
  const get = (_: object, name: string) => void names.add(name);
  readSettings(new Proxy({}, { get }));
  const file = parse(envExample);
  expect(new Set(Object.keys(file))).toEqual(names);
  expect(envExample.match(/^\w+=$/gm)).toHaveLength(names.size);
});

test("a syntax error prints what the README quotes", async () => {
  const folder = copyProject(["TEMPERATURE = 0.7", "TEMPERATURE = 0,7"]);
  const { stderr } = await runLesson({ folder });
  const [, symptom] =
    /^- \*\*`(.*?)`/m.exec(sectionOf("Troubleshooting")) ?? [];
  expect(stderr).toContain(symptom);
});

// The command needs the quotes of a POSIX shell.
const hasJq =
  process.platform !== "win32" && spawnSync("jq", ["--version"]).status === 0;

test.runIf(hasJq)("the jq command shows the roles", async () => {
  const { stdout: input } = await originalRun;
  const [command = ""] = codeBlocks(sectionOf("Read the log"), "sh");
  const options = { shell: true, input, encoding: "utf8" } as const;
  const { stdout } = spawnSync(command.replace(/.*\| jq/, "jq"), options);
  expect(stdout).toBe(
    '["system","user"]\n["system","user","assistant","user"]\n',
  );
});

test("CI installs and runs the tests as the README says", () => {
  const commands = codeBlocks(readme, "sh");
  const ci = readProjectFile(".ci/run").match(/^npm .*$/gm) ?? [];
  expect(commands).toContain(`npm ci && npx tsx ${LESSON}\n`);
  expect(commands).toContain(`${ci.join(" && ")}\n`);
});
