import OpenAI from "openai";
import { describe, expect, test, vi } from "vitest";
import { compatFetch } from "../exercises/common/compat.ts";
import { describeError } from "../exercises/common/errors.ts";
import { noTextError } from "../exercises/common/response.ts";
import { apiError, completion, expectExit, expectFatal } from "./helpers.ts";
import { runLesson, startServer } from "./helpers.ts";

/** Describes what the SDK throws with this `fetch`. */
async function describeCall(send: typeof fetch, maxRetries = 0) {
  const options = { apiKey: "none", baseURL: "http://server/v1", maxRetries };
  const { chat } = new OpenAI({ ...options, fetch: compatFetch(send) });
  const call = chat.completions.create({ model: "m", messages: [] });
  return describeError(await call.catch((error: unknown) => error));
}

const describeResponse = (status: number, body: unknown) => {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return describeCall(async () => new Response(text, { status }));
};

test.each<[sender: string, status: number, body: unknown, message: string]>([
  ["the API", 400, apiError("Bad."), "Bad."],
  ["LM Studio", 400, { error: "Bad." }, "Bad."],
  ["vLLM", 400, { object: "error", message: "Bad.", code: 400 }, "Bad."],
  ["FastAPI", 400, { detail: [{ loc: ["a", 1], msg: "Bad." }] }, "a.1: Bad."],
  ["Gemini", 400, [apiError("Bad.")], "Bad."],
  ["OpenRouter", 400, apiError("A", { metadata: { raw: "B" } }), "A: B"],
  ["nginx", 400, "<html><title>Bad Gateway</title>", "Bad Gateway"],
  ["an unknown server", 400, { n: ["Bad."] }, '{"n":["Bad."]}'],
  ["a silent server", 400, "", "400"],
  ["a web page", 200, "<title>Hi</title>", "Unexpected response: Hi"],
  ["broken JSON", 200, '{"choices":', 'Unexpected response: {"choices":'],
  ["a list", 200, { data: [] }, 'Unexpected response: {"data":[]}'],
  ["LM Studio", 200, { error: "Bad." }, "Unexpected response: Bad."],
])("finds the message of %s: %i %j", async (_sender, status, body, message) => {
  expect(await describeResponse(status, body)).toMatchObject({ message });
});

test.each<[status: number, body: unknown, hint: RegExp]>([
  [200, { choices: [] }, /OPENAI_BASE_URL/],
  [401, apiError("Wrong key.", { code: "invalid_api_key" }), /OPENAI_API_KEY/],
  [403, apiError("Not your project."), /key/],
  [402, apiError("Insufficient balance."), /credit/],
  [404, apiError("No.", { code: "model_not_found" }), /OPENAI_MODEL/],
  [404, "404 page not found", /OPENAI_BASE_URL/],
  [400, apiError("Unknown model.", { param: "model" }), /OPENAI_MODEL/],
  [400, apiError("Bad.", { param: "temperature" }), /TEMPERATURE/],
  [400, apiError("No.", { code: "context_length_exceeded" }), /Shorten/],
  [400, apiError("Filtered.", { code: "content_filter" }), /QUESTION/],
  [400, apiError("Unknown role."), /message/],
])("the hint for a %i with %j says what to do", async (status, body, hint) => {
  expect((await describeResponse(status, body)).hint).toMatch(hint);
});

/** A `fetch` that rejects as Node's does, with the system's code. */
const breakingWith = (code?: string) =>
  vi.fn<typeof fetch>(async () => {
    const cause = Object.assign(new Error("No."), { code });
    throw new TypeError("fetch failed", { cause });
  });

test.each<[code: string | undefined, hint: RegExp]>([
  ["ENOTFOUND", /network/],
  ["ETIMEDOUT", /network/],
  ["UND_ERR_CONNECT_TIMEOUT", /network/],
  ["ECONNREFUSED", /Start the server/],
  ["ERR_SSL_WRONG_VERSION_NUMBER", /https.* to http/],
  ["SELF_SIGNED_CERT_IN_CHAIN", /NODE_EXTRA_CA_CERTS/],
  ["UND_ERR_SOCKET", /network/],
  [undefined, /network/],
])("a connection error names the server and %s", async (code, hint) => {
  const described = await describeCall(breakingWith(code));
  expect(described.message).toBe(`Could not reach server (${code ?? "No."})`);
  expect(described.err).toMatchObject({ type: "APIConnectionError", code });
  expect(described.hint).toMatch(hint);
});

test.each(["HEADERS", "BODY"])("a late %s is not retried", async (name) => {
  const code = `UND_ERR_${name}_TIMEOUT`;
  const send = breakingWith(code);
  const { message, err, hint } = await describeCall(send, 2);
  expect(message).toBe(`server sent no response in time (${code})`);
  expect(err.type).toBe("APIConnectionError");
  expect(hint).toMatch(/faster model/);
  expect(send).toHaveBeenCalledOnce();
});

test("a long error takes no longer than a short one", () => {
  const error = new Error("a".repeat(60_000));
  const start = performance.now();
  expect(describeError(error).message).toContain(error.message);
  expect(performance.now() - start).toBeLessThan(200);
});

test.each<[choice: object, message: RegExp, hint: RegExp]>([
  [{ finish_reason: "length" }, /no text .*length/, /Raise MAX_TOKENS/],
  [{ finish_reason: "content_filter" }, /content_filter/, /QUESTION/],
  [{ message: { refusal: "I\ncan't." } }, /^I\ncan't\.$/, /QUESTION/],
  [{}, /no text/, /another model/],
  [{ message: { tool_calls: [{ id: "1" }] } }, /no text/, /tool/],
])("an error says why there is no text: %j", (choice, message, hint) => {
  const response = completion(null, choice) as OpenAI.ChatCompletion;
  const described = describeError(noTextError(response));
  expect(described.message).toMatch(message);
  expect(described.hint).toMatch(hint);
});

describe.concurrent("a run that fails", () => {
  test("ends with one fatal line, and keeps the lines before it", async () => {
    const headers = { "x-request-id": "req_42" };
    const fields = { type: "invalid", code: "bad_key", param: "key" };
    const body = apiError("Bad\nkey.", fields);
    const error = { status: 401, headers, body };
    const { env } = await startServer({ body: completion("Yes.") }, error);
    const result = await runLesson({ env });
    const err = { status: 401, ...fields, request_id: "req_42" };
    expect(expectFatal(result)).toMatchObject({ msg: "Bad key.", err });
    expect(result.responses).toEqual([completion("Yes.")]);
  });

  test("at debug level, shows the stack and what the SDK does, but no headers", async () => {
    const headers = { "x-request-id": "req_42", "x-account": "private" };
    const { env } = await startServer({ status: 401, headers, body: {} });
    const debug = { ...env, LOG_LEVEL: "debug", OPENAI_LOG: "debug" };
    const result = await runLesson({ env: debug });
    expectExit(result, 1);
    const messages = result.lines.filter(({ level }) => level === 20);
    expect(messages[0]?.msg).toMatch(/sending request/);
    expect(messages.at(-1)?.msg).toMatch(/01_chat_completion\.ts:\d+/);
    expect(result.stdout).not.toContain("private");
  });

  const location = "https://new.example/v1";
  const range = "the valid range of max_tokens is [1, 400]";
  const context = "max_tokens is too large: 9000 > 8192 - 42";
  const quota = apiError("No credit.", { code: "insufficient_quota" });
  const wait = (ms: string) => ({ "retry-after-ms": ms });
  test.each<[number, body: unknown, msg: string, hint: RegExp, object?]>([
    [204, "", "204 No Content", /OPENAI_BASE_URL/],
    [301, "", `(redirects to ${location})`, /OPENAI_BASE_URL/, { location }],
    [304, "", "304 Not Modified", /OPENAI_BASE_URL/],
    [400, apiError(range), range, /MAX_TOKENS/],
    [400, { message: context, code: 400 }, context, /MAX_TOKENS/],
    [429, quota, "No credit.", /credit/],
    [503, apiError("Busy."), "Busy.", /Wait/, wait("60000")],
  ])("asks once for a %i with %j", async (status, body, msg, hint, headers) => {
    const reply = { status, body, headers: { ...headers } };
    const { calls, env } = await startServer(reply);
    const result = await runLesson({ env });
    const fatal = expectFatal(result);
    expect(fatal.msg).toContain(msg);
    expect(fatal.hint).toMatch(hint);
    expect(fatal.err).toMatchObject({ status });
    expect(result.warnings).toEqual([]);
    expect(calls).toHaveLength(1);
  });

  test("logs each retry in plain words, with the last status", async () => {
    const { calls, env } = await startServer(
      { status: 503, headers: wait("1"), body: apiError("Busy.") },
      { status: 429, headers: wait("1"), body: apiError("Slow down.") },
      { status: 500, body: apiError("Oh no.") },
    );
    const result = await runLesson({ env });
    expect(expectFatal(result).msg).toBe("Oh no.");
    const retries = result.warnings.map(({ msg }) => msg).join("\n");
    expect(retries).toMatch(/^Retry 1 .*\b503\b.*\nRetry 2 .*\b429\b.*$/);
    expect(calls).toHaveLength(3);
  });

  test("says that no server is listening", async () => {
    const env = { OPENAI_BASE_URL: "http://127.0.0.1:2", OPENAI_MODEL: "m" };
    const result = await runLesson({ env });
    const { msg, hint } = expectFatal(result);
    expect(msg).toBe("Could not reach 127.0.0.1:2 (ECONNREFUSED)");
    expect(hint).toMatch(/Start the server/);
    expect(result.warnings.at(-1)?.msg).toMatch(/^Retry 2 .*ECONNREFUSED/);
  });

  test.each<[status: number, body: object, list: string]>([
    [200, { data: [{ id: "a" }, { id: "b" }] }, ": a, b"],
    [401, apiError("Wrong key."), "Wrong key."],
  ])("lists models if none is set: %i", async (status, body, list) => {
    const { calls, env } = await startServer({ status, body });
    const result = await runLesson({ env: { ...env, OPENAI_MODEL: "" } });
    expect(result.lines[0]?.msg).toMatch(/^OPENAI_MODEL is not set/);
    expect(expectFatal(result).msg).toContain(list);
    expect(calls).toMatchObject([{ method: "GET", url: "/v1/models" }]);
  });
});
