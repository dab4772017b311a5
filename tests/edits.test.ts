import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  apiError,
  completion,
  copyProject,
  editLesson,
  expectFatal,
  expectSuccess,
  ROOT,
  runLesson,
  startServer,
  type Edit,
} from "./helpers.ts";

const CLIENT = "const client = new OpenAI(options);\n";
const CALL_1 = 'await complete("Part 1 (single-turn)", messages)';
const CALL_2 = 'await complete("Part 2 (multi-turn)", messages)';
const PUSH_REPLY = 'messages.push({ role: "assistant", content: reply });';
const PUSH_QUESTION = 'messages.push({ role: "user", content: FOLLOW_UP });';
const TEMPERATURE = "temperature: TEMPERATURE,";

test("an editor underlines a misspelled parameter, and no parameter of the SDK", () => {
  const folder = copyProject([TEMPERATURE, "temprature: TEMPERATURE,"]);
  const valid = editLesson([
    [TEMPERATURE, 'response_format: { type: "json_object" }, tools: [],'],
  ]);
  writeFileSync(join(folder, "exercises/01_llm_basics/valid.ts"), valid);
  const modules = join(ROOT, "node_modules");
  const tsc = join(modules, "typescript/bin/tsc");
  const types = ["--typeRoots", join(modules, "@types")];
  const { stdout } = spawnSync(
    process.execPath,
    [tsc, "--project", folder, ...types, "--pretty", "false"],
    { encoding: "utf8" },
  );
  // The compiler indents details.
  const errors = stdout.match(/^\S.*$/gm);
  expect(errors).toEqual([expect.stringMatching(/completion.*temprature/)]);
});

test("a reader's own calls work: streams, other endpoints, errors", async () => {
  const code = `
    const ask = { model, messages: [{ role: "user", content: "Hi" }] };
    const error = await client.chat.completions.create(ask).catch((error) => error);
    logger.error(error);
    const stream = await client.chat.completions.create({ ...ask, stream: true });
    const words = [];
    for await (const chunk of stream) words.push(chunk.choices[0].delta.content);
    const models = await client.models.list();
    logger.info({ words, models: models.data }, "mine");
    `;
  const chunk = (content: string) =>
    `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;
  const { env } = await startServer(
    { status: 400, body: apiError("Empty list.", { param: "messages" }) },
    {
      headers: { "content-type": "text/event-stream; charset=utf-8" },
      body: `${chunk("One")}${chunk("two")}data: [DONE]\n\n`,
    },
    { body: { data: [{ id: "m" }] } },
    { body: completion("Yes.") },
  );
  const folder = copyProject([CLIENT, CLIENT + code]);
  const run = await runLesson({ folder, env });
  expectSuccess(run);
  expect(run.lines[1]).toMatchObject({
    level: 50,
    msg: "400 Empty list.",
    err: { message: "Empty list.", status: 400, param: "messages" },
  });
  expect(run.lines[2]).toMatchObject({
    msg: "mine",
    words: ["One", "two"],
    models: [{ id: "m" }],
  });
});

describe.concurrent("a mistake in an edit is named:", () => {
  // The start of a message that ends with a line of the script.
  test.each<[what: string, edit: Edit, message: string]>([
    [
      "an unknown name",
      ["TEMPERATURE = 0.7", "TEMPERATURE = WARM"],
      "ReferenceError: WARM is not defined",
    ],
    [
      "a new value for a constant",
      [PUSH_QUESTION, "messages = [];"],
      "TypeError: Assignment to constant variable.",
    ],
    [
      "an object for the list",
      [
        CALL_2,
        CALL_2.replace("messages", '{ role: "user", content: FOLLOW_UP }'),
      ],
      "TypeError: list.map is not a function",
    ],
    [
      "no list",
      [CALL_1, 'await complete("Part 1")'],
      "TypeError: Cannot read properties of undefined (reading 'map')",
    ],
    [
      "no options",
      ["new OpenAI(options)", "new OpenAI()"],
      "OpenAIError: Missing credentials.",
    ],
    [
      "an error of its own",
      [
        "const reply",
        'throw new Error("500 tokens are too few");\nconst reply',
      ],
      "Error: 500 tokens are too few",
    ],
  ])("%s", async (_, edit, message) => {
    const run = await runLesson({ folder: copyProject(edit) });
    const { msg, hint } = expectFatal(run);
    expect(msg.slice(0, message.length)).toBe(message);
    expect(msg).toMatch(/ \(01_chat_completion\.ts:\d+\)$/);
    expect(hint).toMatch(/^Look at that line/);
  });
});
