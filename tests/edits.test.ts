import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import * as helpers from "./helpers.ts";

const { completion, copyProject, expectFatal, insert, runLesson } = helpers;

test("an editor underlines a misspelled parameter, and accepts the SDK's own", () => {
  const temperature = "temperature: TEMPERATURE,";
  const folder = copyProject([temperature, "temprature: TEMPERATURE,"]);
  const valid = helpers.editLesson(
    [temperature, 'response_format: { type: "json_object" }, tools: [],'],
    insert("const c: OpenAI = client; void c;"),
  );
  writeFileSync(join(folder, "exercises/01_llm_basics/valid.ts"), valid);
  const modules = join(helpers.ROOT, "node_modules");
  const tsc = [join(modules, "typescript/bin/tsc"), "--project", folder];
  const types = ["--typeRoots", join(modules, "@types"), "--pretty", "false"];
  const options = { encoding: "utf8" } as const;
  const { stdout } = spawnSync(process.execPath, [...tsc, ...types], options);
  const errors = stdout.match(/^\S.*$/gm);
  expect(errors).toEqual([expect.stringMatching(/completion.*temprature/)]);
});

test("code from the documentation of the SDK works", async () => {
  const edit = insert(`
    const ask = { model, messages: [{ role: "user", content: "Hi" }] };
    const { completions } = client.chat;
    const error = await completions.create(ask).catch((error) => error);
    const { data, response } = await completions.create(ask).withResponse();
    const stream = await completions.create({ ...ask, stream: true });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    const input = { model, input: "Hi" };
    const embeddings = await client.embeddings.create({ ...input, encoding_format: "float" });
    logger.info({
      error: [error instanceof OpenAI.APIError, error.status, error.param],
      headers: [data._request_id, response.headers.get("x-left")],
      deltas: chunks.map(({ choices }) => choices[0].delta),
      output_text: (await client.responses.create(input)).output_text,
      embeddings: embeddings.data,
    });`);
  const chunk = (content: string) =>
    `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;
  const content = [{ type: "output_text", text: "Yo" }];
  const events = { "content-type": "text/event-stream; charset=utf-8" };
  const yes = { body: completion("Yes.") };
  const { env } = await helpers.startServer(
    { status: 400, body: helpers.apiError("Empty.", { param: "messages" }) },
    { ...yes, headers: { "x-request-id": "req_42", "x-left": "9" } },
    { headers: events, body: `${chunk("One")}${chunk("two")}data: [DONE]\n\n` },
    { body: { data: [{ embedding: [0.5, 1] }] } },
    { body: { object: "response", output: [{ type: "message", content }] } },
    yes,
  );
  const result = await runLesson({ folder: copyProject(edit), env });
  helpers.expectExit(result, 0);
  expect(result.lines[1]).toMatchObject({
    error: [true, 400, "messages"],
    headers: ["req_42", "9"],
    deltas: [{ content: "One" }, { content: "two" }],
    output_text: "Yo",
    embeddings: [{ embedding: [0.5, 1] }],
  });
});

test("a reader's own timeout ends a call", async () => {
  const options = "new OpenAI({ ...options, timeout: 400, maxRetries: 1 })";
  const folder = copyProject(["new OpenAI(options)", options]);
  const { calls, env } = await helpers.startServer();
  const { msg, hint } = expectFatal(await runLesson({ folder, env }));
  expect(msg).toMatch(/timed out/);
  expect(hint).toMatch(/faster model/);
  expect(calls).toHaveLength(2);
});

describe.concurrent("a mistake in an edit is one line that names it:", () => {
  const AT = "\\(01_chat_completion\\.ts:\\d+\\)$";
  const push = 'messages.push({ role: "user", content: FOLLOW_UP });';
  const winter = 'messages.push("and in winter?");';
  test.each<[before: string, after: string, msg: string, hint: RegExp]>([
    ["TEMPERATURE = 0.7", "TEMPERATURE = T", `T is not defined ${AT}`, /line/],
    ["create(request)", "create()", `^TypeError: .* ${AT}`, /line/],
    ["await client.chat", "client.chat", `^TypeError: .* ${AT}`, /`await`.*or/],
    ["reply = await", "reply =", "messages\\[2\\].*`await`", /message names/],
    [push, winter, 'the string "and in winter\\?"', /message names/],
    ["= 0.7", '= "0.7"', 'the string "0\\.7"', /TEMPERATURE/],
    ["    model,", "    stream: true, model,", "stream.*offline", /README/],
    [
      "const reply",
      'throw "oops";\nconst reply',
      "^Uncaught 'oops'$",
      /LOG_LEVEL/,
    ],
  ])("%s -> %s", async (before, after, msg, hint) => {
    const folder = copyProject([before, after]);
    const fatal = expectFatal(await runLesson({ folder }));
    expect(fatal.msg).toMatch(new RegExp(msg));
    expect(fatal.hint).toMatch(hint);
  });
});
