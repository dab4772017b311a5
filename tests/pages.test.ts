import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { createView } from "../exercises/common/view.ts";
import {
  completion,
  copyProject,
  importScript,
  readProjectFile,
  runScript,
  SCRIPT,
  startServer,
  writeEnv,
  type Run,
} from "./helpers.ts";

const pages = [
  readProjectFile("README.md"),
  readProjectFile("exercises/01_llm_basics/README.md"),
].join("\n");
const script = readProjectFile(SCRIPT);

/** Returns the text below a heading, up to the next one. */
function sectionOf(heading: string): string {
  const [, section] = pages.split(new RegExp(`^#+ ${heading}$`, "m"));
  if (section === undefined) throw new Error(`No heading: ${heading}`);
  return section.split(/^#+ /m)[0] ?? "";
}

/** Returns the code blocks in a language. */
function blocksOf(text: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm");
  return [...text.matchAll(fence)].map((match) => match[1] ?? "");
}

/** Returns what a terminal of 80 columns shows, at 17:07:30. */
function toScreen({ lines }: Run): string {
  const view = createView();
  const text = lines.map((line) => view(line, 80)).join("");
  return stripVTControlCharacters(text).replace(/^[\d:]{8}/gm, "17:07:30");
}

/** Expects that a run shows the output that a text quotes. */
function expectQuotes(text: string, run: Run): void {
  const spans = text.match(/(?<!`)`[^`\n]+`(?!`)/g) ?? [];
  // A code span that contains a space is output, unless it is an option.
  const quotes = spans.filter((span) => /^`[^-].* /.test(span));
  expect(quotes).not.toEqual([]);
  const screen = toScreen(run).replace(/\s+/g, " ");
  for (const quote of quotes) expect(screen).toContain(quote.slice(1, -1));
}

/** Returns a passage of the script, from one text to the end of another. */
function passage(first: string, last = "\n"): string {
  const start = script.indexOf(first);
  return script.slice(start, script.indexOf(last, start) + last.length);
}

test("the log is that of a run", async () => {
  const section = sectionOf("Run it");
  expect(section).toContain(`\nnpm ci\nnpx tsx ${SCRIPT}\n`);
  const [log = "No log"] = blocksOf(section, "text");
  const escaped = log.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  // On the page, `…` stands for omitted text.
  const pattern = escaped.replaceAll(" …", ".*(?:\\n {17}.*)*");
  const screen = toScreen(await importScript());
  expect(screen).toMatch(new RegExp(`^${pattern}\\s*$`, "m"));
});

const FOLLOW_UP = passage("const FOLLOW_UP");
const APPEND = passage('messages.push({ role: "assistant"');
const CALL = passage('await complete("Part 2');

/** The experiments, in their order, and the passages that they replace. */
const EXPERIMENTS: [heading: string, ...passages: string[]][] = [
  ["Ask about your first question", FOLLOW_UP],
  ["Send only the last message", CALL],
  ["Forget a reply", FOLLOW_UP, APPEND],
  ["Invent a reply", APPEND],
  ["Add a third turn", CALL],
  ["Change the system message", passage("const SYSTEM_PROMPT", ";\n")],
  ["Limit the replies to ten tokens", passage("const MAX_TOKENS")],
  [
    "Change the temperature",
    passage("const QUESTION"),
    passage("const TEMPERATURE"),
    CALL,
    passage("    max_tokens:"),
  ],
];

let edits = new Map<string, string>();
for (const [heading, ...passages] of EXPERIMENTS) {
  const section = sectionOf(heading);
  if (!section.includes("Keep your edits.")) edits = new Map();
  const blocks = blocksOf(section, "ts");
  passages.forEach((before, index) => edits.set(before, blocks[index] ?? ""));
  const current = [...edits];

  test(`the experiment: ${heading}`, async () => {
    expect(blocks).toHaveLength(passages.length);
    expectQuotes(section, await importScript(...current));
  });
}

test("the chat", async () => {
  const section = sectionOf("Chat");
  const [addition = "", loop = ""] = blocksOf(section, "ts");
  const firstImport = passage("import OpenAI");
  const turn = passage('messages.push({ role: "user"', ", messages);\n");
  const folder = copyProject(
    [firstImport, addition + firstImport],
    [turn, loop],
  );
  const input = "I'm Ada.\nWhat's my name?\n";
  const run = await runScript({ folder, input });
  expect(run).toMatchObject({ status: 0, stderr: "" });
  expect(run.requests.at(-1)?.messages).toHaveLength(6);
  const [task = ""] = section.split("<details>");
  expectQuotes(task, run);
});

test("chat.mjs reads .env, and sends the whole list", async () => {
  const section = sectionOf("In your own project");
  const command = "node --env-file=.env chat.mjs";
  expect(section).toContain(`\`${command}\``);
  const { requests, env } = await startServer(200, completion("Ada."));
  const folder = copyProject();
  writeEnv(folder, env);
  writeFileSync(join(folder, "chat.mjs"), blocksOf(section, "js").join());

  const { stdout } = await runScript({ folder, command });
  expect(stdout).toBe("Ada.\nAda.\n");
  expect(JSON.parse(requests[1] ?? "").messages).toHaveLength(3);
});
