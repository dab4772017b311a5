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

test("code from the documentation of the SDK and of pino works", async () => {
  const edit = insert(`
    const ask = { model, messages: [{ role: "user", content: "Hi" }] };
    const { completions } = client.chat;
    const error = await completions.create(ask).catch((error) => error);
    logger.error(error);
    logger.warn({ err: error, error }, "failed");
    const { data, response } = await completions.create(ask).withResponse();
    const raw = await completions.create(ask).asResponse();
    const stream = await completions.create({ ...ask, stream: true });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    const input = { model, input: "Hi" };
    const embeddings = await client.embeddings.create({ ...input, encoding_format: "float" });
    logger.info({
      error: [error instanceof OpenAI.APIError, error.status, error.error],
      headers: [data._request_id, response.headers.get("x-left")],
      raw: [raw.status, raw.statusText, new URL(raw.url).pathname, await raw.text()],
      deltas: chunks.map(({ choices }) => choices[0].delta),
      output_text: (await client.responses.create(input)).output_text,
      embeddings: embeddings.data,
    });`);
  const chunk = (content: string) =>
    `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;
  const content = [{ type: "output_text", text: "Yo" }];
  const events = { "content-type": "text/event-stream; charset=utf-8" };
  const yes = { body: completion("Yes.") };
  const fields = { param: "messages", provider_specific_fields: { a: [1] } };
  const { env } = await helpers.startServer(
    { status: 400, body: helpers.apiError("Empty\nlist.", fields) },
    { ...yes, headers: { "x-request-id": "req_42", "x-left": "9" } },
    { status: 203, body: "Raw." },
    { headers: events, body: `${chunk("One")}${chunk("two")}data: [DONE]\n\n` },
    { body: { data: [{ embedding: [0.5, 1] }] } },
    { body: { object: "response", output: [{ type: "message", content }] } },
    yes,
  );
  const result = await runLesson({ folder: copyProject(edit), env });
  helpers.expectSuccess(result);
  const message = "400 Empty\nlist.";
  const err = { type: "api_error", message, status: 400, param: "messages" };
  const [, error, warning, own] = result.lines;
  expect(error).toMatchObject({ level: 50, msg: message });
  expect(error?.err).toEqual(err);
  expect(warning).toMatchObject({ level: 40, msg: "failed" });
  expect(warning).toMatchObject({ err, error: err });
  expect(own).toMatchObject({
    error: [true, 400, fields],
    headers: ["req_42", "9"],
    raw: [203, "Non-Authoritative Information", "/v1/chat/completions", "Raw."],
    deltas: [{ content: "One" }, { content: "two" }],
    output_text: "Yo",
    embeddings: [{ embedding: [0.5, 1] }],
  });
});

describe.concurrent("a mistake in an edit is one line that names it:", () => {
  const AT = "\\(01_chat_completion\\.ts:\\d+\\)$";
  const push = 'messages.push({ role: "user", content: FOLLOW_UP });';
  test.each<[before: string, after: string, msg: string, hint: RegExp]>([
    ["TEMPERATURE = 0.7", "TEMPERATURE = T", `T is not defined ${AT}`, /runs/],
    [push, "messages = [];", `constant variable\\. ${AT}`, /`const`/],
    ["await client.chat", "client.chat", `^TypeError: .* ${AT}`, /`await`/],
    ["reply = await", "reply =", "messages\\[2\\].*`await`", /`messages`/],
    ["    model,", "    stop: [], model,", "'stop'.*offline", /real model/],
    ["const reply", 'throw "no";\nconst reply', "^Uncaught 'no'$", /LOG_LEVEL/],
  ])("%s -> %s", async (before, after, msg, hint) => {
    const folder = copyProject([before, after]);
    const fatal = expectFatal(await runLesson({ folder }));
    expect(fatal.msg).toMatch(new RegExp(msg));
    expect(fatal.hint).toMatch(hint);
  });

  test("two errors at once", async () => {
    const reject = 'void Promise.reject(new Error("no"));\n';
    const part = "const reply";
    const folder = copyProject([part, reject + reject + part]);
    expect(expectFatal(await runLesson({ folder })).msg).toMatch(/^Error: no/);
  });

  test("a stream that is read as a reply", async () => {
    const events = { "content-type": "text/event-stream" };
    const { env } = await helpers.startServer({ headers: events, body: "" });
    const folder = copyProject(["    model,", "    stream: true, model,"]);
    const { msg, hint } = expectFatal(await runLesson({ folder, env }));
    expect(msg).toMatch(new RegExp(`^TypeError: .* ${AT}`));
    expect(hint).toMatch(/`for await`/);
  });
});
