import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { describeError, noTextError } from "../exercises/common/errors.ts";
import { wrapFetch } from "../exercises/common/fetch.ts";
import cases from "./errors.json" with { type: "json" };
import * as helpers from "./helpers.ts";

const { apiError, completion, expectFatal, runLesson, startServer } = helpers;

/** Returns what the SDK throws with this `fetch`. */
async function catchError(send: typeof fetch) {
  const fetch = wrapFetch(send);
  const options = { apiKey: "none", baseURL: "http://server/v1", fetch };
  const { chat } = new OpenAI({ ...options, maxRetries: 0 });
  const call = chat.completions.create({ model: "m", messages: [] });
  return call.then(
    () => expect.unreachable(),
    (error: unknown) => error,
  );
}

async function describeResponse(status: number, body: unknown) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return describeError(
    await catchError(async () => new Response(text, { status })),
  );
}

test.each(cases)(
  "a reader sees the words of $from, and a hint",
  async ({ status, body, says, hint }) => {
    const described = await describeResponse(status, body);
    expect(described.message).toContain(says);
    expect(described.message).not.toMatch(/^\d{3} (?!Bad Gateway)|[<>]/);
    expect(described.hint).toMatch(new RegExp(hint));
  },
);

const SEE_MORE = /^Set LOG_LEVEL=debug to see more\.$/;
test.each<[status: number, body: unknown, message: string, hint: RegExp]>([
  [200, apiError("Slow.", { code: 429 }), "response: Slow.", /^Wait/],
  [200, { error: { code: 429 } }, 'response: {"code":429}', /^Wait/],
  [200, "<html>No title", "response: <html>No title", /OPENAI_BASE_URL/],
  [400, { error: "A", message: "B" }, "B", SEE_MORE],
  [400, apiError("", { message: null }), "null", SEE_MORE],
  [502, "<html><title></title></html>", "<title>", /again/],
  [400, apiError("x does not support tools"), "tools", SEE_MORE],
  [400, apiError("No connected db.", { code: "400" }), "No conn", SEE_MORE],
  [400, apiError("Long.", { code: "context_length_exceeded" }), "", /Shorten/],
  [400, apiError("No.", { code: "content_filter" }), "No.", /Rephrase/],
  [400, apiError("No.", { param: "stop" }), "No.", SEE_MORE],
  [400, apiError("No.", { param: "messages[2].role" }), "No.", /`messages`/],
  [400, apiError("Unknown.", { param: "model" }), "", /OPENAI_MODEL/],
  [403, apiError("Not your project."), "Not your", /OPENAI_API_KEY.*\.env/],
  [422, apiError("Temperature?", { code: "422" }), "", /TEMPERATURE/],
  [500, "", "500", /again/],
])("%i %j: %s, %s", async (status, body, message, hint) => {
  const described = await describeResponse(status, body);
  expect(described.message).toContain(message);
  expect(described.hint).toMatch(hint);
});

test.each([
  { error: "Bad." },
  { message: "Bad." },
  { detail: "Bad." },
  [{ error: { message: "Bad." } }],
])("the message is the server's own: %j", async (body) => {
  expect((await describeResponse(400, body)).message).toBe("Bad.");
});

test.each([429, 1, "x"])("an error in a 200 with code %j", async (code) => {
  const { err } = await describeResponse(200, apiError("Bad.", { code }));
  expect(err).toMatchObject({ code, status: code === 429 ? 429 : 502 });
});

test("an error keeps the server's own fields", async () => {
  const fields = { code: "no", param: "p", extra: { a: [1] } };
  const flat = { object: "error", message: "Bad.", ...fields };
  for (const body of [flat, apiError("Bad.", fields), [{ error: flat }]]) {
    const error = await catchError(async () =>
      Response.json(body, { status: 418, headers: { "x-request-id": "r" } }),
    );
    expect(error).toMatchObject({ error: fields });
    const err = { status: 418, code: "no", param: "p", request_id: "r" };
    expect(describeError(error).err).toMatchObject(err);
  }
});

test.each<[code: string, hint: RegExp]>([
  ["ENOTFOUND", /network/],
  ["ECONNREFUSED", /Start the server/],
  ["ERR_SSL_WRONG_VERSION_NUMBER", /https to http/],
  ["SELF_SIGNED_CERT_IN_CHAIN", /NODE_EXTRA_CA_CERTS/],
])("a connection error has the words of its cause: %s", async (code, hint) => {
  for (const message of ["Cause.", ""]) {
    const cause = Object.assign(new Error(message), { code });
    const failed = new TypeError("fetch failed", { cause });
    const error = await catchError(() => Promise.reject(failed));
    const described = describeError(error);
    expect(described.message).toBe(`Connection error. ${message || code}`);
    expect(described.err).toMatchObject({ type: "APIConnectionError", code });
    expect(described.hint).toMatch(hint);
  }
});

test("a circular cause is described", () => {
  const error = new Error("Round.");
  error.cause = error;
  expect(describeError(error).message).toContain("Round.");
});

test.each<[error: Error, hint: RegExp]>([
  [new OpenAI.APIConnectionTimeoutError(), /faster model/],
  [new OpenAI.OpenAIError("Missing credentials."), /loadProvider.*reads/],
  [new ReferenceError("Cannot access 'x' before"), /runs/],
  [new ReferenceError("temperature is not defined"), /runs/],
])("the hint for %s fits", (error, hint) => {
  expect(describeError(error).hint).toMatch(hint);
});

const refusal = "I\ncan't.";
test.each<[choice: object, message: RegExp, hint: RegExp]>([
  [{ finish_reason: "length" }, /no text .*length/, /Raise MAX_TOKENS/],
  [{ finish_reason: "content_filter" }, /content_filter/, /Rephrase/],
  [{ message: undefined, finish_reason: "content_filter" }, /./, /Rephrase/],
  [{ message: { refusal } }, /^I\ncan't\.$/, /Rephrase/],
  [{ finish_reason: "stop" }, /stop\)$/, /another model/],
  [{ finish_reason: undefined }, /stop\)$/, /another model/],
])("an error says why there is no text: %j", (choice, message, hint) => {
  const response = completion(null, choice) as OpenAI.ChatCompletion;
  const error = noTextError(response);
  error.stack = "at exercises/01_llm_basics/01_chat_completion.ts:1:2";
  const described = describeError(error);
  expect(described.message).toMatch(message);
  expect(described.hint).toMatch(hint);
  expect(described.err.code).toBeUndefined();
});

describe.concurrent("a run that fails", () => {
  test("ends with one fatal line, and keeps the lines before it", async () => {
    const fields = { type: "invalid", code: "bad_key", param: "key" };
    const body = apiError("Bad\nkey.", fields);
    const headers = { "x-request-id": "req_42" };
    const error = { status: 401, headers, body };
    const { env } = await startServer({ body: completion("Yes.") }, error);
    const result = await runLesson({ env });
    const fatal = expectFatal(result);
    expect(fatal.msg).toBe("Bad key.");
    const known = { status: 401, ...fields, request_id: "req_42" };
    expect(fatal.err).toEqual({ ...known, message: "Bad key." });
    expect(result.responses).toEqual([completion("Yes.")]);
  });

  test("logs each retry in plain words, with what failed", async () => {
    const wait = { "retry-after-ms": "1" };
    const { calls, env } = await startServer(
      { status: 503, headers: wait, body: apiError("Busy.") },
      { status: 429, headers: wait, body: apiError("Slow\ndown.") },
      { status: 500, body: apiError("Oh no.") },
    );
    const result = await runLesson({ env });
    expect(expectFatal(result).msg).toBe("Oh no.");
    const retries = result.warnings.map(({ msg }) => msg).join("\n");
    expect(retries).toMatch(/^Retry 1 .*Busy\.\nRetry 2 .*Slow down\.$/);
    expect(calls).toHaveLength(3);
  });

  test("says that no server is listening", async () => {
    const env = { OPENAI_BASE_URL: "http://127.0.0.1:2", OPENAI_MODEL: "m" };
    const result = await runLesson({ env });
    const words = "connect ECONNREFUSED 127.0.0.1:2";
    expect(expectFatal(result).msg).toBe(`Connection error. ${words}`);
    expect(result.warnings.at(-1)?.msg).toMatch(/^Retry 2 .*ECONNREFUSED/);
  });

  test("at debug level, shows the stack and the details of the SDK's messages", async () => {
    const { env } = await startServer({ status: 401, body: apiError("No.") });
    const debug = { ...env, LOG_LEVEL: "debug", OPENAI_LOG: "debug" };
    const { lines, stderr } = await runLesson({ env: debug });
    const [sending, failed] = lines.filter(({ level }) => level === 20);
    expect(sending).toMatchObject({ details: [{ method: "post" }] });
    expect(failed).toMatchObject({ details: [{ status: 401 }] });
    const stack = expect.stringMatching(/01_chat_completion\.ts:\d+/);
    expect(lines.at(-1)?.err).toMatchObject({ status: 401, stack });
    expect(stderr).toMatch(/^No\.\n/);
  });
});
