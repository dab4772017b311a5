import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify, stripVTControlCharacters } from "node:util";
import { parse } from "dotenv";
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
  type Edit,
  type Run,
} from "./helpers.ts";

const pages = [
  readProjectFile("README.md"),
  readProjectFile("exercises/01_llm_basics/README.md"),
].join("\n");
const script = readProjectFile(SCRIPT);

// ----- What the pages say ----------------------------------------------------

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
  // A code span that contains a space is output.
  const quotes = spans.filter((span) => span.includes(" "));
  expect(quotes).not.toEqual([]);
  const screen = toScreen(run).replace(/\s+/g, " ");
  for (const quote of quotes) expect(screen).toContain(quote.slice(1, -1));
}

// ----- Edits -----------------------------------------------------------------

/** Returns a passage of the script, from one text to the end of another. */
function passage(first: string, last = "\n"): string {
  const start = script.indexOf(first);
  return script.slice(start, script.indexOf(last, start) + last.length);
}

const IMPORT = passage("import OpenAI");
const PROMPT = passage("const SYSTEM_PROMPT", ";\n");
const QUESTION = passage("const QUESTION");
const FOLLOW_UP = passage("const FOLLOW_UP");
const TEMPERATURE = passage("const TEMPERATURE");
const LIMIT = passage("const MAX_TOKENS");
const LIST = passage("const messages", "];\n");
const APPEND = passage('messages.push({ role: "assistant"');
const TURN = passage('messages.push({ role: "user"', ", messages);\n");
const CALL = passage('await complete("Part 2');
const PARAMETER = passage("    max_tokens:");

/** The passages that the blocks of a section replace. */
const PASSAGES: Record<string, string[]> = {
  "Ask about your first question": [FOLLOW_UP],
  "Send only the last message": [CALL],
  "Forget to append the reply": [FOLLOW_UP, APPEND],
  "Invent a reply": [APPEND],
  "Change the system message": [PROMPT],
  "Limit the reply to ten tokens": [LIMIT],
  "Change the temperature": [QUESTION, TEMPERATURE, CALL, PARAMETER],
  "Add a third turn": [CALL],
  Chat: [IMPORT, TURN],
};

/** Returns the edits that the sections show. A later one replaces an earlier. */
function editsOf(...headings: string[]): Edit[] {
  const edits = new Map<string, string>();
  for (const heading of headings) {
    const blocks = blocksOf(sectionOf(heading), "ts");
    const passages = PASSAGES[heading] ?? [];
    expect(blocks).toHaveLength(passages.length);
    passages.forEach((before, index) => edits.set(before, blocks[index] ?? ""));
  }
  return [...edits];
}

// ----- The tests -------------------------------------------------------------

test("the log is that of a run", async () => {
  const section = sectionOf("Run it");
  expect(section).toContain(`\nnpm ci\nnpx tsx ${SCRIPT}\n`);
  const [log = ""] = blocksOf(section, "text");
  const escaped = log.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  // On the page, `…` stands for omitted text.
  const pattern = escaped.replaceAll(" …", ".*(?:\\n {17}.*)*");
  const screen = toScreen(await importScript());
  expect(screen).toMatch(new RegExp(`^${pattern}\\s*$`, "m"));
});

test.each([
  [["Ask about your first question"]],
  [["Ask about your first question", "Send only the last message"]],
  [["Forget to append the reply"]],
  [["Forget to append the reply", "Invent a reply"]],
  [["Change the system message"]],
  [["Limit the reply to ten tokens"]],
  [["Change the temperature"]],
  [["Add a third turn"]],
])("the experiment: %s", async (headings) => {
  const run = await importScript(...editsOf(...headings));
  expectQuotes(sectionOf(headings.at(-1) ?? ""), run);
});

test("the chat", async () => {
  const folder = copyProject(...editsOf("Chat"));
  const input = "I'm Ada.\nWhat's my name?\n";
  const run = await runScript({ folder, input });
  expect(run).toMatchObject({ status: 0, stderr: "" });
  const [task = ""] = sectionOf("Chat").split("<details>");
  expectQuotes(task, run);
});

test.each([
  ["the system message and the last three", "[0, -3, -2, -1]", true],
  ["the last four messages", "[-4, -3, -2, -1]", false],
])("the first challenge, if %s are sent", async (_, indexes, isSolved) => {
  const thirdTurn = `const content = ${CALL}
    messages.push({ role: "assistant", content });
    messages.push({ role: "user", content: "What was my first question?" });
    const list = ${indexes}.map((index) => messages.at(index));
    await complete("Part 3 (multi-turn)", list);`;
  const run = await importScript([CALL, thirdTurn]);
  const check = () => expectQuotes(sectionOf("Forget the oldest turn"), run);
  if (isSolved) check();
  else expect(check).toThrow("to contain 'Part 3");
});

test("the second challenge", async () => {
  const file = JSON.stringify(join(copyProject(), "conversation.json"));
  const list = `const messages = fs.existsSync(${file})
    ? JSON.parse(fs.readFileSync(${file}, "utf8"))
    : [{ role: "system", content: SYSTEM_PROMPT }];
    messages.push({ role: "user", content: QUESTION });`;
  const save = `const content = ${CALL}
    messages.push({ role: "assistant", content });
    fs.writeFileSync(${file}, JSON.stringify(messages));`;
  const files: Edit = [IMPORT, `import fs from "node:fs";\n${IMPORT}`];
  const edits: Edit[] = [files, [LIST, list], [CALL, save]];
  await importScript(...edits);
  expectQuotes(sectionOf("Continue tomorrow"), await importScript(...edits));
});

test("chat.mjs reads .env, and sends the whole list", async () => {
  const section = sectionOf("In your own project");
  const { calls, env } = await startServer({ body: completion("Ada.") });
  const cwd = copyProject();
  writeFileSync(join(cwd, "chat.mjs"), blocksOf(section, "js").join());
  const settings = Object.entries(env).map((entry) => entry.join("="));
  writeFileSync(join(cwd, ".env"), settings.join("\n"));

  const command = ["--env-file=.env", "chat.mjs"];
  expect(section).toContain(`\`node ${command.join(" ")}\``);
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, command, { cwd, env: {} });
  expect(stdout).toBe("Ada.\nAda.\n");
  expect(JSON.parse(calls[1]?.text ?? "").messages).toEqual([
    { role: "user", content: "I'm Ada." },
    { role: "assistant", content: "Ada." },
    { role: "user", content: "What's my name?" },
  ]);
});

test("each block of .env.example is a provider", () => {
  const example = readProjectFile(".env.example");
  expect(parse(example)).toEqual({});
  const [, ...blocks] = example.split("\n\n");
  expect(blocks).toHaveLength(7);
  for (const block of blocks) {
    const settings = parse(block.replaceAll("# OPENAI_", "OPENAI_"));
    const names = Object.keys(settings).join();
    expect(names).toMatch(/OPENAI_(API_KEY|BASE_URL),OPENAI_MODEL$/);
  }
});
