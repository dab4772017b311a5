import { OpenAI } from "openai/index.js";
import { describe, expect, test } from "vitest";
import { compatFetch } from "../exercises/common/compat.ts";
import { describeError } from "../exercises/common/errors.ts";
import { noTextError } from "../exercises/common/response.ts";
import {
  apiError,
  completion,
  copyProject,
  runLesson,
  startServer,
  type Result,
} from "./helpers.ts";

const BASE_URL = "http://server/v1";

/** Describes what the SDK throws for this response. */
async function describeResponse(status: number, body: unknown) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const fetch = compatFetch(async () => new Response(text, { status }));
  const options = { apiKey: "none", baseURL: BASE_URL, maxRetries: 0 };
  const { chat } = new OpenAI({ ...options, fetch });
  const call = chat.completions.create({ model: "m", messages: [] });
  return describeError(await call.catch((error: unknown) => error), BASE_URL);
}

test.each<[sender: string, body: unknown, message: string]>([
  ["the API", apiError("Bad."), "Bad."],
  ["LM Studio", { error: "Bad." }, "Bad."],
  ["older vLLM", { object: "error", message: "Bad.", code: 400 }, "Bad."],
  ["FastAPI", { detail: "Bad." }, "Bad."],
  ["FastAPI", { detail: [{ loc: ["a", 1], msg: "Bad." }] }, "a.1: Bad."],
  ["Gemini", [apiError("Bad.")], "Bad."],
  ["OpenRouter", apiError("A", { metadata: { raw: "Bad." } }), "A: Bad."],
  ["NestJS", { error: "Bad Request", message: "Bad." }, "Bad."],
  ["a proxy", '"Bad."', "Bad."],
  ["axum", "Bad.\n  Very bad.", "Bad. Very bad."],
  ["nginx", "<html><title>502 Bad\nGateway</title>", "502 Bad Gateway"],
  ["an unknown server", { n: ["Bad."] }, '{"n":["Bad."]}'],
  ["an unknown server", null, "null"],
  ["a silent server", "", "400"],
  ["a terse server", "模".repeat(400), `${"模".repeat(300)}…`],
])("finds the message of %s: %j", async (_sender, body, message) => {
  expect(await describeResponse(400, body)).toMatchObject({ message });
});

test.each<[what: string, body: unknown, end: string]>([
  ["a web page", "<title>Welcome</title>", "Welcome"],
  ["broken JSON", '{"choices": [', '{"choices": ['],
  ["null", null, "null"],
  ["no choices", { choices: [] }, '{"choices":[]}'],
  ["no message", { choices: [{}] }, '{"choices":[{}]}'],
  ["a list", { data: [] }, '{"data":[]}'],
  ["an error", { error: "Unexpected endpoint" }, "Unexpected endpoint"],
])("a 200 with %s is an error", async (_what, body, end) => {
  const { message, err, hint } = await describeResponse(200, body);
  expect(message).toBe(`Unexpected response: ${end}`);
  expect(err).toMatchObject({ status: 200, code: "unexpected_response" });
  expect(hint).toMatch(/OPENAI_BASE_URL/);
});

test.each<[status: number, body: unknown, hint: RegExp]>([
  [401, apiError("Wrong key.", { code: "invalid_api_key" }), /OPENAI_API_KEY/],
  [401, { detail: "Unauthorized" }, /OPENAI_API_KEY/],
  [403, apiError("Not your project."), /key/],
  [402, apiError("Insufficient balance."), /credit/],
  [429, apiError("No quota.", { code: "insufficient_quota" }), /credit/],
  [429, apiError("Slow down."), /Wait/],
  [404, apiError("No.", { code: "model_not_found" }), /OPENAI_MODEL/],
  [404, apiError('model "m" not found'), /OPENAI_MODEL/],
  [404, "404 page not found", /OPENAI_BASE_URL/],
  [400, apiError("Unknown model.", { param: "model" }), /OPENAI_MODEL/],
  [400, apiError("Bad.", { param: "temperature" }), /TEMPERATURE/],
  [400, { temperature: ["Bad."] }, /TEMPERATURE/],
  [400, apiError("max_tokens is too large"), /MAX_TOKENS/],
  [400, apiError("Bad.", { param: "max_completion_tokens" }), /MAX_TOKENS/],
  [400, apiError("No.", { code: "context_length_exceeded" }), /Shorten/],
  [400, apiError("Filtered.", { code: "content_filter" }), /QUESTION/],
  [400, apiError("Unknown role."), /message/],
  [422, apiError("Unknown role."), /message/],
  [500, apiError("Oh no."), /Wait/],
  [503, apiError("This endpoint is paused"), /Wait/],
])("the hint for a %i with %j says what to do", async (status, body, hint) => {
  expect((await describeResponse(status, body)).hint).toMatch(hint);
});

test.each([
  ["ENOTFOUND", /network/],
  ["ERR_SSL_WRONG_VERSION_NUMBER", /http:\/\//],
  ["SELF_SIGNED_CERT_IN_CHAIN", /NODE_EXTRA_CA_CERTS/],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", /NODE_EXTRA_CA_CERTS/],
])("a connection error names the server and %s", (code, hint) => {
  const system = Object.assign(new Error("No."), { code });
  const cause = new TypeError("fetch failed", { cause: system });
  const error = new OpenAI.APIConnectionError({ cause });
  expect(describeError(error, "https://endpoint.example/v1")).toEqual({
    message: `Could not reach endpoint.example (${code})`,
    err: { type: "APIConnectionError", code },
    hint: expect.stringMatching(hint),
  });
});

test("a connection error without a code gives the reason", () => {
  const cause = new TypeError("fetch failed", { cause: new Error("bad port") });
  const error = new OpenAI.APIConnectionError({ cause });
  const { message } = describeError(error, BASE_URL);
  expect(message).toBe("Could not reach server (bad port)");
});

test("a timeout names the server", () => {
  const error = new OpenAI.APIConnectionTimeoutError();
  const { message, hint } = describeError(error, BASE_URL);
  expect(message).toBe("Could not reach server (Request timed out.)");
  expect(hint).toMatch(/faster model/);
});

test.each<[choice: object, message: RegExp, hint: RegExp]>([
  [{ finish_reason: "length" }, /no text .*length/, /Raise MAX_TOKENS/],
  [{ finish_reason: "content_filter" }, /content_filter/, /QUESTION/],
  [{ message: { refusal: "I\ncan't." } }, /^I can't\.$/, /QUESTION/],
  [{}, /no text/, /another model/],
])("an error says why there is no text: %j", (choice, message, hint) => {
  const response = completion(null, choice) as OpenAI.ChatCompletion;
  const described = describeError(noTextError(response), BASE_URL);
  expect(described.message).toMatch(message);
  expect(described.hint).toMatch(hint);
});

describe.concurrent("a run that fails", () => {
  /** Expects one fatal line, the last, and returns it. */
  function expectFatal({ stderr, status, stdout, lines }: Result) {
    expect({ stderr, status }).toEqual({ stderr: "", status: 1 });
    expect(lines.filter(({ level }) => level === 60)).toHaveLength(1);
    expect(stdout).not.toMatch(/"stack"|node_modules|"headers"/);
    return lines.at(-1)!;
  }

  test("ends with one fatal line, and keeps the lines before it", async () => {
    const headers = { "x-request-id": "req_42" };
    const fields = { type: "invalid", code: "bad_key", param: "key" };
    const body = apiError("Bad\nkey.", fields);
    const error = { status: 401, headers, body };
    const { env } = await startServer({ body: completion("Yes.") }, error);
    const result = await runLesson({ env });
    expect(expectFatal(result)).toMatchObject({
      msg: "Bad key.",
      err: { status: 401, ...fields, request_id: "req_42" },
      hint: expect.stringContaining("OPENAI_API_KEY"),
    });
    expect(result.responses).toEqual([completion("Yes.")]);
  });

  test("at debug level, shows the stack and what the SDK does", async () => {
    const { env } = await startServer({ status: 401, body: {} });
    const { lines } = await runLesson({ env: { ...env, LOG_LEVEL: "debug" } });
    const debug = lines.filter(({ level }) => level === 20);
    expect(debug[0]).toMatchObject({ details: { method: "post" } });
    expect(debug.at(-1)?.msg).toMatch(/01_chat_completion\.ts:\d+/);
    expect(lines.at(-1)).toMatchObject({ level: 60 });
  });

  test("says that a reply has no text", async () => {
    const { env } = await startServer({ body: completion("") });
    expect(expectFatal(await runLesson({ env })).msg).toMatch(/no text/);
  });

  test("does not follow a redirect", async () => {
    const headers = { location: "https://new.example/v1" };
    const redirect = { status: 301, headers, body: "" };
    const { calls, env } = await startServer(redirect);
    const { msg, hint } = expectFatal(await runLesson({ env }));
    expect(msg).toContain(headers.location);
    expect(hint).toMatch(/OPENAI_BASE_URL/);
    expect(calls).toHaveLength(1);
  });

  test("logs retries in plain words, and honors a short retry-after", async () => {
    const busy = { status: 503, body: apiError("Busy.") };
    const { calls, env } = await startServer(
      { ...busy, headers: { "retry-after": "1" } },
      { ...busy, headers: { "retry-after-ms": "1" } },
    );
    const result = await runLesson({ env });
    expect(expectFatal(result).msg).toBe("Busy.");
    const warnings = result.lines.filter(({ level }) => level === 40);
    expect(warnings.map(({ msg }) => msg)).toEqual([
      "Request failed (status 503); retrying (attempts left: 2)",
      "Request failed (status 503); retrying (attempts left: 1)",
    ]);
    const [first, second] = calls.map(({ time }) => time);
    expect(second! - first!).toBeGreaterThanOrEqual(990);
  });

  test.each([
    [apiError("No credit.", { code: "insufficient_quota" }), "1"],
    [apiError("Slow down."), "3600"],
  ])(
    "does not retry when a retry cannot succeed: %j, retry-after: %s",
    async (body, seconds) => {
      const headers = { "retry-after": seconds };
      const { calls, env } = await startServer({ status: 429, headers, body });
      expectFatal(await runLesson({ env }));
      expect(calls).toHaveLength(1);
    },
  );

  test("says that no server is listening", async () => {
    const env = { OPENAI_BASE_URL: "http://127.0.0.1:2", OPENAI_MODEL: "m" };
    const result = await runLesson({ env });
    const { msg, hint } = expectFatal(result);
    expect(msg).toBe("Could not reach 127.0.0.1:2 (ECONNREFUSED)");
    expect(hint).toMatch(/Start the server/);
    const retry = result.lines.at(-2)?.msg;
    expect(retry).toMatch(/^Request failed \(connection failed\)/);
  });

  test("says that the connection broke", async () => {
    const headers = { "content-length": "9", connection: "close" };
    const { env } = await startServer({ headers, body: "{" });
    const { msg } = expectFatal(await runLesson({ env }));
    expect(msg).toMatch(/^Could not reach 127\.0\.0\.1:\d+ \(\w+\)$/);
  });

  test("says that the server does not use https", async () => {
    const { env, baseURL } = await startServer();
    const OPENAI_BASE_URL = baseURL.replace("http", "https");
    const result = await runLesson({ env: { ...env, OPENAI_BASE_URL } });
    expect(expectFatal(result).hint).toMatch(/https:\/\/ to http:\/\//);
  });

  const LINE = "\\(01_chat_completion\\.ts:\\d+\\)$";
  test.each([
    ["max_tokens: MAX_TOKENS", "max_tokens: MAX", `MAX is not defined ${LINE}`],
    ["create(request)", "create()", `^TypeError: .* ${LINE}`],
    [": TEMPERATURE", ": temperature", `temperature is not defined ${LINE}`],
    ["TEMPERATURE = 0.7", "TEMPERATURE = HIGH", `HIGH is not defined ${LINE}`],
    ["messages.push", "messages.add", `^TypeError: .*not a function ${LINE}`],
    ["TEMPERATURE = 0.7", 'TEMPERATURE = "0.7"', 'the string "0\\.7"'],
    ["reply = await", "reply =", "`await`"],
  ])(
    "describes the error in an edit: %s -> %s",
    async (before, after, message) => {
      const folder = copyProject([before, after]);
      const { msg, hint } = expectFatal(await runLesson({ folder }));
      expect(msg).toMatch(new RegExp(message));
      const isTypo = message.endsWith(LINE);
      expect(hint).toMatch(isTypo ? /line/ : /TEMPERATURE|message/);
    },
  );
});

describe.concurrent("without OPENAI_MODEL", () => {
  const models = Array.from({ length: 12 }, (_, i) => ({ id: `m-${i + 1}` }));
  test.each<[what: string, status: number, body: unknown, msg: RegExp]>([
    ["lists the server's models", 200, { data: models }, /: m-1, .*m-10, …$/],
    ["says that there are none", 200, { object: "list", data: null }, /none$/],
    ["quotes the server's error", 400, apiError("Model?"), /^Model\?$/],
    ["says that it got a web page", 200, "<title>Hi</title>", /response: Hi$/],
  ])("%s", async (_what, status, body, message) => {
    const { calls, env } = await startServer({ status, body });
    const { lines } = await runLesson({ env: { ...env, OPENAI_MODEL: "" } });
    const [warning, fatal] = lines;
    expect(warning?.msg).toMatch(/^OPENAI_MODEL is not set/);
    expect(fatal).toMatchObject({ level: 60, hint: expect.any(String) });
    expect(fatal?.msg).toMatch(message);
    expect(calls).toMatchObject([{ method: "GET", path: "/v1/models" }]);
  });
});
