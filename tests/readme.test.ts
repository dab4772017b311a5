import { execFile, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify, stripVTControlCharacters } from "node:util";
import { parse } from "dotenv";
import { describe, expect, test } from "vitest";
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

const readme = readProjectFile("README.md");
const unedited = await importScript();

// ----- What README.md says ---------------------------------------------------

/** Returns the text below a heading, up to the next one. */
function sectionOf(heading: string): string {
  const [, section] = readme.split(new RegExp(`^#+ ${heading}$`, "m"));
  if (section === undefined) throw new Error(`No heading: ${heading}`);
  return section.split(/^#+ /m)[0] ?? "";
}

/** Returns the code blocks in a language. Throws if there are none. */
function blocksOf(text: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm");
  const blocks = [...text.matchAll(fence)].map((match) => match[1] ?? "");
  if (blocks.length === 0) throw new Error(`No ${language} in: ${text}`);
  return blocks;
}

/** Returns the code spans that contain a space: these are quoted output. */
function quotesOf(text: string): string[] {
  const spans = text.matchAll(/(?<!`)`([^`\n]+)`(?!`)/g);
  const quotes = [...spans].map((match) => match[1] ?? "");
  return quotes.filter((quote) => quote.includes(" "));
}

/** Returns the edited script. */
function editScript(edits: Edit[]): string {
  let script = readProjectFile(SCRIPT);
  for (const [before, after] of edits) script = script.replace(before, after);
  return script;
}

/** Expects that each block shows one of the edits, in its surroundings. */
function expectBlocks(text: string, edits: Edit[]): void {
  const blocks = blocksOf(text, "ts");
  const edited = editScript(edits);
  expect(blocks).toHaveLength(edits.length);
  for (const [index, block] of blocks.entries()) {
    expect(edited).toContain(block);
    expect(block).toContain(edits[index]?.[1]);
    expect(readProjectFile(SCRIPT)).not.toContain(block);
  }
}

/** Returns what a terminal of 80 columns shows, at 17:07:30. */
function toScreen({ lines }: Run): string {
  const view = createView();
  const text = lines.map((line) => view(line, 80)).join("");
  return stripVTControlCharacters(text).replace(/^[\d:]{8}/gm, "17:07:30");
}

/** Expects that a run shows all output that a text quotes. */
function expectQuotes(text: string, run: Run): void {
  const quotes = quotesOf(text);
  expect(quotes).not.toEqual([]);
  const screen = toScreen(run).replace(/\s+/g, " ");
  for (const quote of quotes) expect(screen).toContain(quote);
}

// ----- Run it ----------------------------------------------------------------

/** A pattern for the whole log, in which `…` stands for omitted text. */
function wholeLog(): RegExp {
  const [log = ""] = blocksOf(sectionOf("Run it"), "text");
  const escaped = log.trimEnd().replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  const omitted = ".*(?:\\n {17}.*)*";
  return new RegExp(`^${escaped.replaceAll(" …", omitted)}\\s*$`);
}

test("the log is that of a run", async () => {
  expect(toScreen(unedited)).toMatch(wholeLog());
});

test("the commands and the diagram are those of the script", async () => {
  const section = sectionOf("Run it");
  const [run, watch] = blocksOf(section, "sh");
  expect(run).toBe(`npm ci\nnpx tsx ${SCRIPT}\n`);
  expect(watch).toBe(`npx tsx watch --clear-screen=false ${SCRIPT}\n`);

  const [diagram = ""] = blocksOf(section, "mermaid");
  const drawn = [...diagram.matchAll(/Script->>API: (.*)/g)];
  const { requests } = unedited;
  const sent = requests.map(({ messages }) =>
    messages?.map(({ role }) => role),
  );
  expect(drawn.map((match) => match[1])).toEqual(
    sent.map((roles) => roles?.join(", ")),
  );
});

// ----- Experiments and tasks -------------------------------------------------

const QUESTION = `const QUESTION = "What's the best time of year to visit Japan?";`;
const FOLLOW_UP =
  'const FOLLOW_UP = "Can you suggest a 3-day itinerary for Tokyo?";';
const WHY = 'const FOLLOW_UP = "Why do you say that?";';
const FIRST = 'const FOLLOW_UP = "What was my first question?";';
const PROMPT = `const SYSTEM_PROMPT =
  "You are a knowledgeable and enthusiastic travel assistant. Help users plan trips with practical advice.";`;
const PIRATE = 'const SYSTEM_PROMPT = "You are a pirate.";';
const PUSH_REPLY = 'messages.push({ role: "assistant", content: reply });\n';
const PUSH_QUESTION = 'messages.push({ role: "user", content: FOLLOW_UP });\n';
const PART_2 = 'await complete("Part 2 (multi-turn)", messages);';
const IMPORT = 'import OpenAI from "openai";\n';

const experiments: { heading: string; edits: Edit[] }[] = [
  {
    heading: "Ask about your first question",
    edits: [[FOLLOW_UP, FIRST]],
  },
  {
    heading: "Ask again, but send only the last message",
    edits: [
      [FOLLOW_UP, FIRST],
      [PART_2, PART_2.replace("messages", "messages.slice(-1)")],
    ],
  },
  {
    heading: "Forget to append the reply",
    edits: [
      [FOLLOW_UP, WHY],
      [PUSH_REPLY + PUSH_QUESTION, PUSH_QUESTION],
    ],
  },
  {
    heading: "Change the persona",
    edits: [[PROMPT, PIRATE]],
  },
  {
    heading: "Leave the system message out of Part 2",
    edits: [
      [PROMPT, PIRATE],
      [PART_2, PART_2.replace("messages", "messages.slice(1)")],
    ],
  },
  {
    heading: "Limit the reply to ten tokens",
    edits: [["const MAX_TOKENS = 500;", "const MAX_TOKENS = 10;"]],
  },
  {
    heading: "Change the temperature",
    edits: [
      [QUESTION, 'const QUESTION = "Which city should I visit first?";'],
      ["const TEMPERATURE = 0.7;", "const TEMPERATURE = 0;"],
      [`${PART_2}\n\n// ----- The call`, "\n// ----- The call"],
      ["max_tokens: MAX_TOKENS,\n", "max_tokens: MAX_TOKENS,\n    n: 20,\n"],
    ],
  },
  {
    heading: "Append a reply that the model didn't give",
    edits: [
      [FOLLOW_UP, WHY],
      [PUSH_REPLY, PUSH_REPLY.replace("reply", '"Stay at home."')],
    ],
  },
  {
    heading: "Add a third turn",
    edits: [
      [
        PART_2,
        `const itinerary = ${PART_2}

messages.push({ role: "assistant", content: itinerary });
messages.push({ role: "user", content: "What should I pack?" });
await complete("Part 3 (multi-turn)", messages);`,
      ],
    ],
  },
];

describe("the experiment", () => {
  test.each(experiments)("$heading", async ({ heading, edits }) => {
    const section = sectionOf(heading);
    expectBlocks(section, edits);
    const run = await importScript(...edits);
    expectQuotes(section.split("<details>")[1] ?? "", run);
  });
});

test("README.md has no other experiments", () => {
  const [, part = ""] = readme.split(/^## Experiments$/m);
  const headings = part.split(/^## /m)[0]?.match(/(?<=^####? ).*/gm);
  const known = experiments.map(({ heading }) => heading);
  expect(headings?.sort()).toEqual([...known, "More experiments"].sort());
});

test("the sums of tokens are those of a run", async () => {
  const { responses } = unedited;
  const [part1, part2] = responses.map(({ usage }) => usage);
  if (!part1 || !part2) throw new Error("A response has no usage.");
  const section = sectionOf("Add a third turn");
  expect(section).toContain(
    `the prompt of Part 2 has ${part2.prompt_tokens} tokens: the ${part1.total_tokens} of Part 1, and ${part2.prompt_tokens - part1.total_tokens} for the follow-up question.`,
  );
  expect(section).toContain(`In all, Part 2 has ${part2.total_tokens} tokens.`);
});

const MY_CHAT = "exercises/01_llm_basics/my_chat.ts";
const IN_PART_2 = `${PUSH_QUESTION}
// ... and send all of it: system, user, assistant, user.
${PART_2}
`;
const LOOP = `
const lines = createInterface({
  input: process.stdin,
  output: process.stdout,
  prompt: "You: ",
});
lines.prompt();
for await (const line of lines) {
  messages.push({ role: "user", content: line });
  const answer = await complete("Chat", messages);
  messages.push({ role: "assistant", content: answer });
  lines.prompt();
}
`;
const ONLY_THREE = `const itinerary = ${PART_2}

messages.push({ role: "assistant", content: itinerary });
messages.push({ role: "user", content: "What was my first question?" });
// Remove the oldest question and its reply. The system message stays.
while (messages.length > 4) messages.splice(1, 2);
await complete("Part 3 (multi-turn)", messages);`;
const LIST = `const messages: OpenAI.ChatCompletionMessageParam[] = [
  { role: "system", content: SYSTEM_PROMPT },
  { role: "user", content: QUESTION },
];
`;
const LIST_FROM_FILE = `const FILE = "conversation.json";
const messages: OpenAI.ChatCompletionMessageParam[] = existsSync(FILE)
  ? JSON.parse(readFileSync(FILE, "utf8"))
  : [{ role: "system", content: SYSTEM_PROMPT }];
messages.push({ role: "user", content: QUESTION });
`;
const SAVE = `const itinerary = ${PART_2}
messages.push({ role: "assistant", content: itinerary });
writeFileSync(FILE, JSON.stringify(messages));`;

/** Makes the edits of the solution in a copy. */
function solve(heading: string, edits: Edit[]) {
  expectBlocks(sectionOf(heading), edits);
  return { folder: copyProject(...edits) };
}

function taskOf(heading: string): string {
  return sectionOf(heading).split("<details>")[0] ?? "";
}

describe.concurrent("the solution of", () => {
  test("Task 1: Chat", async () => {
    const options = solve("Task 1: Chat", [
      [IMPORT, `import { createInterface } from "node:readline";\n${IMPORT}`],
      [IN_PART_2, LOOP],
    ]);
    const run = await runScript({ ...options, input: "Who?\nWhen?\nWhy?\n" });
    expectQuotes(taskOf("Task 1: Chat"), run);
    expect(run).toMatchObject({ status: 0, stderr: "" });
    expect(run.stdout.split("You: ")).toHaveLength(1 + 4);
    const sizes = run.requests.map(({ messages }) => messages?.length);
    expect(sizes).toEqual([2, 4, 6, 8]);
  });

  test("Task 2: Send only the last turns", async () => {
    const heading = "Task 2: Send only the last turns";
    const run = await runScript(solve(heading, [[PART_2, ONLY_THREE]]));
    expect(run).toMatchObject({ status: 0, stderr: "" });
    expectQuotes(taskOf(heading), run);
    const sizes = run.requests.map(({ messages }) => messages?.length);
    expect(sizes).toEqual([2, 4, 4]);
  });

  test("Task 3: Continue tomorrow", async () => {
    const heading = "Task 3: Continue tomorrow";
    const files =
      'import { existsSync, readFileSync, writeFileSync } from "node:fs";\n';
    const options = solve(heading, [
      [IMPORT, files + IMPORT],
      [LIST, LIST_FROM_FILE],
      [PART_2, SAVE],
    ]);
    await runScript(options);
    const secondRun = await runScript(options);
    expect(secondRun).toMatchObject({ status: 0, stderr: "" });
    expectQuotes(taskOf(heading), secondRun);
  });
});

test("the tasks work on a copy of the script", () => {
  const [command] = blocksOf(sectionOf("On your own"), "sh");
  expect(command).toBe(`cp ${SCRIPT} ${MY_CHAT}\nnpx tsx ${MY_CHAT}\n`);
});

// ----- Real models, and the reference ----------------------------------------

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

test.concurrent.each(["none", "sk-1234567890abcdefghij"])(
  "chat.mjs runs with the key %s",
  async (key) => {
    const section = sectionOf("In your own project");
    const [program = ""] = blocksOf(section, "js");
    const { calls, baseURL } = await startServer({ body: completion("Ada.") });
    const folder = copyProject();
    writeFileSync(join(folder, "chat.mjs"), program);
    const settings = `OPENAI_API_KEY=${key}\nOPENAI_BASE_URL=${baseURL}\nOPENAI_MODEL=m\n`;
    writeFileSync(join(folder, ".env"), settings);

    expect(section).toContain("`node --env-file=.env chat.mjs`");
    const { PATH, SystemRoot } = process.env;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--env-file=.env", "chat.mjs"],
      { cwd: folder, env: { PATH, SystemRoot } },
    );
    expect(stdout).toBe("Ada.\nAda.\n");
    expect(calls[0]?.headers.authorization).toBe(`Bearer ${key}`);
    expect(JSON.parse(calls[1]?.text ?? "")).toEqual({
      model: "m",
      messages: [
        { role: "user", content: "I'm Ada." },
        { role: "assistant", content: "Ada." },
        { role: "user", content: "What's my name?" },
      ],
    });
  },
);

test("the JSON is that of a run", async () => {
  const [request = "", response = ""] = blocksOf(
    sectionOf("What is sent"),
    "json",
  );
  const { requests, responses } = unedited;
  expect(JSON.parse(request)).toEqual(requests[0]);
  expect(responses[0]).toMatchObject(JSON.parse(response));
});

test.runIf(spawnSync("jq", ["--version"]).status === 0)(
  "the jq command lists the roles of each request",
  async () => {
    const [command = ""] = blocksOf(sectionOf("The log"), "sh");
    const [, jq = ""] = command.split(" | jq ");
    const { stdout: input } = unedited;
    const { stdout } = spawnSync("sh", ["-c", `jq ${jq}`], {
      input,
      encoding: "utf8",
    });
    expect(stdout).toBe(
      '["system","user"]\n["system","user","assistant","user"]\n',
    );
  },
);

test("a syntax error says what README.md quotes, and names its line", async () => {
  const folder = copyProject(["TEMPERATURE = 0.7", "TEMPERATURE = 0,7"]);
  const { stderr } = await runScript({ folder });
  expect(readme).toContain("`Transform failed`");
  expect(stderr).toContain("Transform failed");
  expect(stderr).toMatch(/01_chat_completion\.ts:\d+/);
});
