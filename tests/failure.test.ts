import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { STATUS_CODES, type ServerResponse } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import {
  checkSettings,
  Failure,
  readSettings,
} from "../exercises/common/env.ts";
import { contentOf } from "../exercises/common/answer.ts";
import { explain } from "../exercises/common/failure.ts";
import { respellingFetch } from "../exercises/common/transport.ts";
import {
  completion,
  copyProject,
  LATER,
  LESSON,
  requests,
  responses,
  run,
  serve,
  type Result,
} from "./harness.ts";

/** Fails unless the run ended as a failure should; returns its fatal line. */
function fatalOf({ stderr, status, stdout, lines }: Result) {
  expect({ stderr, status }).toEqual({ stderr: "", status: 1 });
  const fatal = lines.filter(({ level }) => level === 60);
  expect(fatal).toHaveLength(1);
  expect(lines.at(-1)).toBe(fatal[0]);
  expect(stdout).not.toMatch(/"stack"|node_modules|"headers"/);
  expect(fatal[0]?.msg).toMatch(/^\S.*\S$/);
  return fatal[0]!;
}

const error = (message: string, facts: object = {}) => ({
  error: { message, type: "api_error", param: null, code: null, ...facts },
});
const retriesIn = ({ lines }: Result) =>
  lines.filter(({ level, msg }) => level === 40 && msg.includes("retrying"));
const MODEL = /OPENAI_MODEL/;
const URL_HINT = /OPENAI_BASE_URL/;

interface Case {
  what: string;
  status?: number;
  answer: unknown;
  msg: string | RegExp;
  err?: object;
  hint: RegExp;
}

/** The failures that a reader may well meet, each shown by a run. */
const MET: Case[] = [
  {
    what: "a wrong key",
    status: 401,
    answer: error("Incorrect API key provided: sk-1.", {
      code: "invalid_api_key",
    }),
    msg: "Incorrect API key provided: sk-1.",
    err: { type: "api_error", code: "invalid_api_key" },
    hint: /OPENAI_API_KEY/,
  },
  {
    what: "a key that may not",
    status: 403,
    answer: error("Not your project."),
    msg: "Not your project.",
    hint: /OPENAI_API_KEY/,
  },
  {
    what: "an unknown model",
    status: 404,
    answer: error("The model `m` does not exist.", { code: "model_not_found" }),
    msg: "The model `m` does not exist.",
    err: { code: "model_not_found" },
    hint: MODEL,
  },
  {
    what: "an unknown path",
    status: 404,
    answer: "404 page not found",
    msg: "404 page not found",
    hint: URL_HINT,
  },
  {
    what: "too many calls",
    status: 429,
    answer: error("Rate limit reached."),
    msg: "Rate limit reached.",
    hint: /wait a minute/,
  },
  {
    what: "no credit",
    status: 429,
    answer: error("You exceeded your quota.", { code: "insufficient_quota" }),
    msg: "You exceeded your quota.",
    err: { code: "insufficient_quota" },
    hint: /credit/,
  },
  {
    what: "a server's fault",
    status: 500,
    answer: error("Oh no."),
    msg: "Oh no.",
    hint: /again in a minute/,
  },
  {
    what: "a gateway's page",
    status: 502,
    answer:
      "<html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>",
    msg: "502 Bad Gateway",
    hint: /again in a minute/,
  },
  {
    what: "a list of details",
    status: 422,
    answer: {
      detail: [
        { type: "missing", loc: ["body", "x"], msg: "Field required" },
        { type: "missing", loc: ["body", "y"], msg: "Field required" },
      ],
    },
    msg: "body: x: Field required; body: y: Field required",
    err: { type: "missing", param: "x" },
    hint: /what the message names/,
  },
  {
    what: "a flat error object",
    status: 400,
    answer: {
      object: "error",
      message: "Bad\n  thing.",
      type: "BadRequestError",
      param: null,
      code: 400,
    },
    msg: "Bad thing.",
    err: { type: "BadRequestError", code: "400" },
    hint: /what the message names/,
  },
  {
    what: "an error inside a 200",
    answer: error("Upstream is gone."),
    msg: "Upstream is gone.",
    hint: MODEL,
  },
  {
    what: "a page inside a 200",
    answer: "<title>Welcome</title>",
    msg: /not what the API sends: Welcome$/,
    err: { code: "unexpected_answer" },
    hint: URL_HINT,
  },
  {
    what: "broken JSON",
    answer: '{"choices": [',
    msg: /not what the API sends/,
    err: { code: "unexpected_answer" },
    hint: URL_HINT,
  },
  {
    what: "null",
    answer: null,
    msg: /not what the API sends: null$/,
    hint: URL_HINT,
  },
  {
    what: "nothing, and said so",
    status: 204,
    answer: "",
    msg: /not what the API sends: nothing$/,
    hint: URL_HINT,
  },
  {
    what: "no choices",
    answer: { ...completion(""), choices: [] },
    msg: /not what the API sends/,
    hint: URL_HINT,
  },
  {
    what: "a server that has moved",
    status: 301,
    answer: "",
    msg: "301 Moved Permanently, to https://h/v1",
    hint: URL_HINT,
  },
];

test.each(MET)("$what", async ({ status = 200, answer, msg, err, hint }) => {
  const { calls, env } = await serve((_call, _index, response) => {
    response.statusCode = status;
    response.setHeader("x-request-id", "req_42");
    if (status === 301) response.setHeader("location", "https://h/v1");
    return answer;
  });
  const result = await run({ env });
  const fatal = fatalOf(result);
  expect(calls).toHaveLength(status === 429 || status >= 500 ? 3 : 1);
  expect(fatal.msg).toEqual(
    typeof msg === "string" ? msg : expect.stringMatching(msg),
  );
  expect(fatal.err).toMatchObject({ status, request_id: "req_42", ...err });
  expect(fatal.hint).toMatch(hint);
  expect(responses(result.lines)).toEqual([]);
});

/** Their variants, which go the same way, but for the process and the server. */
const VARIANTS: Case[] = [
  {
    what: "Ollama's unknown model",
    status: 404,
    answer: error('model "m" not found, try pulling it first'),
    msg: /try pulling/,
    hint: MODEL,
  },
  {
    what: "an unknown model, by 400",
    status: 400,
    answer: error("The model m was not found."),
    msg: /not found/,
    hint: MODEL,
  },
  {
    what: "an unknown path, FastAPI",
    status: 404,
    answer: { detail: "Not Found" },
    msg: "Not Found",
    hint: URL_HINT,
  },
  {
    what: "an unknown path, LM Studio",
    answer: {
      error: "Unexpected endpoint or method. (POST /chat/completions)",
    },
    msg: /endpoint/,
    hint: URL_HINT,
  },
  {
    what: "a wrong key, Gemini",
    status: 400,
    answer: [error("API key not valid.")],
    msg: "API key not valid.",
    hint: /OPENAI_API_KEY/,
  },
  {
    what: "no balance",
    status: 402,
    answer: error("Payment Required"),
    msg: "Payment Required",
    hint: /credit/,
  },
  {
    what: "a page with no title",
    status: 503,
    answer: "<!doctype html><p>Down</p>",
    msg: "503 Service Unavailable",
    hint: /again in a minute/,
  },
  {
    what: "a page with no title inside a 200",
    answer: "<p>Hi</p>",
    msg: /sends: a web page$/,
    hint: URL_HINT,
  },
  {
    what: "an error with no body",
    status: 500,
    answer: "",
    msg: "500 Internal Server Error",
    hint: /again/,
  },
  {
    what: "an error of no known shape",
    status: 400,
    answer: { temperature: ["Bad."] },
    msg: '{"temperature":["Bad."]}',
    hint: /TEMPERATURE/,
  },
  {
    what: "too long a list",
    status: 400,
    answer: error("The maximum context length is 100 tokens."),
    msg: /context/,
    hint: /Shorten/,
  },
  {
    what: "a limit out of bounds",
    status: 400,
    answer: error("max_tokens is too large.", { param: "max_tokens" }),
    msg: /large/,
    hint: /MAX_TOKENS/,
  },
  {
    what: "an unknown role",
    status: 400,
    answer: error("Unknown role."),
    msg: /role/,
    hint: /what the message names/,
  },
  {
    what: "a rate limit that speaks of billing",
    status: 429,
    answer: error(
      "Rate limit reached. Add a payment method at /account/billing.",
      { code: "rate_limit_exceeded" },
    ),
    msg: /billing/,
    hint: /wait a minute/,
  },
  {
    what: "a withdrawn model",
    status: 400,
    answer: error("The model `m` has been decommissioned.", {
      code: "model_decommissioned",
    }),
    msg: /decommissioned/,
    hint: MODEL,
  },
  {
    what: "no valid model",
    status: 400,
    answer: error("m is not a valid model ID"),
    msg: /valid/,
    hint: MODEL,
  },
  {
    what: "OpenRouter's unknown model",
    status: 404,
    answer: error("No endpoints found for m."),
    msg: /endpoints/,
    hint: MODEL,
  },
  {
    what: "Azure's content filter",
    status: 400,
    answer: error("The prompt was filtered.", { code: "content_filter" }),
    msg: /filtered/,
    hint: /Reword/,
  },
  {
    what: "a server's own time-out",
    status: 408,
    answer: error("It took too long."),
    msg: /long/,
    hint: /again in a minute/,
  },
];

test.each(VARIANTS)("$what", async ({ status = 200, answer, msg, hint }) => {
  const body = typeof answer === "string" ? answer : JSON.stringify(answer);
  const statusText = STATUS_CODES[status] ?? "";
  const send = async () => new Response(body, { status, statusText });
  const client = new OpenAI({
    apiKey: "k",
    baseURL: "http://h/v1",
    maxRetries: 0,
    fetch: respellingFetch(send, []),
  });
  const call = client.chat.completions.create({
    model: "m",
    messages: [],
    temperature: 1,
  });
  const {
    message,
    err,
    hint: advice,
  } = explain(await call.catch((thrown: unknown) => thrown));
  expect(message).toEqual(
    typeof msg === "string" ? msg : expect.stringMatching(msg),
  );
  expect(err).toMatchObject({ status });
  expect(advice).toMatch(hint);
});

describe("a reply with no text", () => {
  const REFUSAL = { role: "assistant", content: null, refusal: "I can't." };
  const REASONED = { completion_tokens_details: { reasoning_tokens: 500 } };
  const cut = completion("", { finish_reason: "length" });
  const table: [string, object, RegExp, string, RegExp][] = [
    ["empty", completion(""), /no plain text/, "empty_reply", MODEL],
    [
      "spent on reasoning",
      { ...cut, usage: REASONED },
      /MAX_TOKENS was spent on 500 tokens of reasoning/,
      "empty_reply",
      /MAX_TOKENS/,
    ],
    [
      "declined",
      completion(null, { message: REFUSAL }),
      /^I can't\.$/,
      "refusal",
      /QUESTION/,
    ],
    [
      "filtered",
      completion("", { finish_reason: "content_filter" }),
      /content filter/,
      "content_filter",
      /QUESTION/,
    ],
    ["null", completion(null), /no plain text/, "empty_reply", MODEL],
    ["blank", completion(" \n"), /no plain text/, "empty_reply", MODEL],
    [
      "no string",
      completion([{ text: "Hi" }]),
      /no plain text/,
      "empty_reply",
      MODEL,
    ],
    [
      "spent before any text",
      cut,
      /MAX_TOKENS was spent/,
      "empty_reply",
      /MAX_TOKENS/,
    ],
  ];

  test.each(table.slice(0, 4))(
    "%s, in a run",
    async (_what, body, msg, code, hint) => {
      const { calls, env } = await serve(() => body);
      const result = await run({ env });
      const fatal = fatalOf(result);
      expect(calls).toHaveLength(1);
      expect(fatal.msg).toMatch(msg);
      expect(fatal.err).toEqual({ type: "Failure", code });
      expect(fatal.hint).toMatch(hint);
      expect(responses(result.lines)).toEqual([body]);
    },
  );

  test.each(table)("%s", (_what, body, message, code, hint) => {
    const expected = {
      code,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    };
    expect(() => contentOf(body as OpenAI.ChatCompletion)).toThrow(
      expect.objectContaining(expected),
    );
  });
});

test("a failure in Part 2 leaves Part 1 in the log", async () => {
  const { env } = await serve((_call, index, response) => {
    if (index === 0) return completion("Spring.");
    response.statusCode = 401;
    return error("Revoked.");
  });
  const result = await run({ env });
  expect(fatalOf(result).msg).toBe("Revoked.");
  expect(responses(result.lines)).toEqual([completion("Spring.")]);
  expect(requests(result.lines)).toHaveLength(2);
});

describe("no answer at all", () => {
  test("nothing listens", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    server.close();
    const result = await run({
      env: { OPENAI_BASE_URL: url, OPENAI_MODEL: "m" },
    });
    const fatal = fatalOf(result);
    expect(fatal.err).toEqual({
      type: "APIConnectionError",
      code: "ECONNREFUSED",
    });
    expect(fatal.msg).toContain("ECONNREFUSED");
    expect(fatal.hint).toContain(url);
    expect(retriesIn(result)).toHaveLength(2);
  });

  test("an unknown host", async () => {
    const env = {
      OPENAI_BASE_URL: "https://nowhere.invalid/v1",
      OPENAI_MODEL: "m",
    };
    const fatal = fatalOf(await run({ env }));
    expect(fatal.err).toMatchObject({ code: "ENOTFOUND" });
    expect(fatal.msg).toContain("nowhere.invalid");
    expect(fatal.hint).toMatch(/host name in OPENAI_BASE_URL/);
  });

  test.each<[string, (response: ServerResponse) => void]>([
    ["before", (response) => response.destroy()],
    ["within", (response) => response.write("{", () => response.destroy())],
  ])("a connection reset %s the reply", async (_when, reset) => {
    const { calls, env } = await serve((_call, _index, response) => {
      reset(response);
      return LATER;
    });
    const result = await run({ env });
    const fatal = fatalOf(result);
    expect(calls).toHaveLength(3);
    expect(fatal.err).toMatchObject({
      type: "APIConnectionError",
      code: "UND_ERR_SOCKET",
    });
    expect(fatal.hint).toMatch(/network/);
  });

  test("https:// to a server that speaks http", async () => {
    const { env, port } = await serve(() => "");
    const fatal = fatalOf(
      await run({
        env: { ...env, OPENAI_BASE_URL: `https://127.0.0.1:${port}/v1` },
      }),
    );
    expect(fatal.err?.["code"]).toMatch(/SSL|EPROTO/);
    expect(fatal.msg).toMatch(/^TLS: [a-z ]+$/);
    expect(fatal.hint).toMatch(/http:\/\/ instead of https/);
  });

  test("no reply within the SDK's ten minutes, three times", async () => {
    const { env } = await serve(() => LATER);
    const result = await run({ env: { ...env, TEST_SPEED: "1000" } });
    const fatal = fatalOf(result);
    expect(retriesIn(result)).toHaveLength(2);
    expect(fatal.err).toEqual({ type: "APIConnectionTimeoutError" });
    expect(fatal.hint).toMatch(/MAX_TOKENS/);
  });

  test("a certificate that nobody vouches for", () => {
    const cause = Object.assign(new Error("self-signed certificate"), {
      code: "DEPTH_ZERO_SELF_SIGNED_CERT",
    });
    const error = new OpenAI.APIConnectionError({
      cause: new TypeError("fetch failed", { cause }),
    });
    const { message, hint } = explain(error);
    expect(message).toBe("self-signed certificate");
    expect(hint).toMatch(/NODE_EXTRA_CA_CERTS/);
  });
});

describe("settings that cannot work", () => {
  const URL_FORM = /like this: http:\/\//;
  const table: [Record<string, string>, RegExp, RegExp][] = [
    [{ OPENAI_BASE_URL: "localhost:11434/v1" }, /OPENAI_BASE_URL/, URL_FORM],
    [{ OPENAI_API_KEY: "“sk-secret”" }, /OPENAI_API_KEY/, /curly quotes/],
    [
      { LOG_LEVEL: "loud" },
      /LOG_LEVEL.*"loud"/,
      /trace, debug, info, .*silent/,
    ],
    [{ OPENAI_BASE_URL: "127.0.0.1/v1" }, /OPENAI_BASE_URL/, URL_FORM],
    [{ OPENAI_BASE_URL: "ftp://127.0.0.1/v1" }, /OPENAI_BASE_URL/, URL_FORM],
    [{ OPENAI_BASE_URL: "http://me:secret@h/v1" }, /an address/, /_API_KEY/],
    [
      { OPENAI_BASE_URL: "http://h/v1 OPENAI_API_KEY=secret" },
      /a space/,
      /a line/,
    ],
    [{ OPENAI_BASE_URL: "http://h/v1?" }, /\?/, /address alone/],
    [{ OPENAI_BASE_URL: "http://h/v1?k=secret" }, /\?/, /address alone/],
    [{ OPENAI_API_KEY: "sk-secret sk-other" }, /OPENAI_API_KEY/, /spaces/],
    [{ OPENAI_API_KEY: "sk-sécret" }, /OPENAI_API_KEY/, /accents/],
  ];

  test.each(table.slice(0, 3))("%o, in a run", async (env, msg, hint) => {
    const result = await run({ env });
    const fatal = fatalOf(result);
    expect(result.lines).toHaveLength(1);
    expect(fatal.err).toEqual({ type: "Failure", code: "invalid_setting" });
    expect(fatal.msg).toMatch(msg);
    expect(fatal.hint).toMatch(hint);
    expect(result.stdout).not.toContain("secret");
  });

  test.each(table)("%o", (env, message, hint) => {
    let thrown: unknown;
    try {
      checkSettings(readSettings(env));
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(Failure);
    expect(thrown).toMatchObject({
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
    expect(`${(thrown as Failure).message}`).not.toContain("secret");
  });

  test("an empty one counts as unset", () => {
    const empty = {
      OPENAI_API_KEY: "",
      OPENAI_BASE_URL: " ",
      OPENAI_MODEL: "",
    };
    expect(readSettings({ ...empty, LOG_LEVEL: "" })).toEqual(readSettings({}));
    expect(readSettings({}).baseURL).toBeUndefined();
  });

  test("a .env that is no file", async () => {
    const folder = copyProject();
    mkdirSync(join(folder, ".env"));
    const fatal = fatalOf(await run({ folder }));
    expect(fatal.msg).toMatch(/\.env cannot be read/);
  });

  test("LOG_LEVEL in capitals is fine", async () => {
    const { lines, status } = await run({ env: { LOG_LEVEL: "WARN" } });
    expect(status).toBe(0);
    expect(lines.map(({ level }) => level)).toEqual([40]);
  });
});

describe("OPENAI_BASE_URL without OPENAI_MODEL", () => {
  const ids = Array.from({ length: 12 }, (_, index) => ({
    id: `model-${index + 1}`,
  }));
  test.each<[string, number, unknown, RegExp, RegExp]>([
    [
      "names ten of many",
      200,
      { data: [{}, ...ids] },
      /set\.$/,
      /model-10, and 2 more\.$/,
    ],
    [
      "says that there are none",
      200,
      { data: [] },
      /set\.$/,
      /lists no model at all/,
    ],
    [
      "takes null for none",
      200,
      { data: null },
      /set\.$/,
      /lists no model at all/,
    ],
    [
      "says that a page is no list",
      200,
      "<title>Hi</title>",
      /not what the API sends: Hi$/,
      /_URL.*\/v1\. Then set OPENAI_MODEL/,
    ],
    ["asks only once", 500, error("Oh no."), /Oh no\.$/, /again in a minute/],
    [
      "says why there is no list",
      401,
      error("Who are you?"),
      /Who are you\?$/,
      /OPENAI_API_KEY.* Then set OPENAI_MODEL/,
    ],
  ])("%s", async (_what, status, body, msg, hint) => {
    const { calls, env, baseURL } = await serve((_call, _index, response) => {
      response.statusCode = status;
      return body;
    });
    const result = await run({ env: { ...env, OPENAI_MODEL: "" } });
    const fatal = fatalOf(result);
    const paths = calls.map(({ method, path }) => `${method} ${path}`);
    expect(paths).toEqual(["GET /v1/models"]);
    expect(fatal.err).toMatchObject({ code: "missing_model" });
    expect(fatal.msg).toMatch(/^OPENAI_MODEL is not set/);
    expect(fatal.msg).toMatch(msg);
    if (status !== 500) expect(fatal.hint).toContain(baseURL);
    expect(fatal.hint).toMatch(hint);
  });
});

test("a slip in the lesson is one line too", async () => {
  const folder = copyProject();
  const file = join(folder, LESSON);
  writeFileSync(
    file,
    readFileSync(file, "utf8").replace(
      "content: FOLLOW_UP",
      "content: FOLOW_UP",
    ),
  );
  const fatal = fatalOf(await run({ folder }));
  expect(fatal.msg).toBe("ReferenceError: FOLOW_UP is not defined");
  expect(fatal.hint).toMatch(/LOG_LEVEL=debug/);
});

test("LOG_LEVEL=debug shows the stack and the SDK's talk with its details", async () => {
  const { env } = await serve((_call, _index, response) => {
    response.statusCode = 401;
    return error("No.");
  });
  const { lines, status } = await run({ env: { ...env, LOG_LEVEL: "debug" } });
  expect(status).toBe(1);
  expect(lines.at(-1)?.err?.["stack"]).toMatch(/01_chat_completion\.ts:\d+/);
  const talk = lines.filter(({ level }) => level === 20);
  expect(talk[0]?.msg).toMatch(/sending request$/);
  expect(talk[0]?.details).toMatchObject({
    method: "post",
    options: { body: { model: "test-model" } },
  });
});

test("two retries, then a reply", async () => {
  const { calls, env } = await serve((_call, index, response) => {
    if (index >= 2) return completion("Yes.");
    response.statusCode = 429;
    return error("Slow down.");
  });
  const result = await run({ env });
  expect(result.status).toBe(0);
  expect(calls).toHaveLength(4);
  const warnings = result.lines.filter(({ level }) => level === 40);
  expect(warnings.map(({ msg }) => msg)).toEqual([
    expect.stringMatching(
      /failed with status 429 .* retrying, 2 attempts remaining$/,
    ),
    expect.stringMatching(
      /failed with status 429 .* retrying, 1 attempts remaining$/,
    ),
  ]);
});

test("a wait is told of every ten seconds, until the reply", async () => {
  let reply = () => {};
  const { env } = await serve((_call, index, response) => {
    if (index === 1) return completion("Two.");
    reply = () => response.end(JSON.stringify(completion("One.")));
    return LATER;
  });
  let output = "";
  const { lines, status } = await run({
    env: { ...env, TEST_SPEED: "200" },
    onOutput: (_child, piece) => {
      output += piece;
      if (output.includes("after 30 s")) reply();
    },
  });
  expect(status).toBe(0);
  const received = lines.findIndex(({ response }) => response);
  const waits = lines
    .slice(0, received)
    .filter(({ msg }) => /No reply yet/.test(msg));
  expect(waits.slice(0, 3)).toMatchObject(
    [10, 20, 30].map((seconds) => ({
      level: 30,
      msg: `No reply yet after ${seconds} s`,
    })),
  );
});

test("a wait between retries is told of too", async () => {
  const { env } = await serve((_call, index, response) => {
    if (index > 0) return completion("Yes.");
    response.statusCode = 429;
    response.setHeader("retry-after", "25");
    return error("Slow down.");
  });
  const { lines, status } = await run({ env: { ...env, TEST_SPEED: "40" } });
  expect(status).toBe(0);
  const received = lines.findIndex(({ response }) => response);
  const words = lines.slice(0, received).map(({ msg }) => msg);
  const waits = words.filter((msg) => /^No reply yet/.test(msg));
  expect(waits.slice(0, 2)).toEqual([
    "No reply yet after 10 s",
    "No reply yet after 20 s",
  ]);
});

test.skipIf(process.platform === "win32")(
  "Ctrl-C ends it quietly",
  async () => {
    const { env } = await serve(() => LATER);
    const result = await run({
      env,
      onOutput: (child) => child.kill("SIGINT"),
    });
    expect(result).toMatchObject({ signal: "SIGINT", stderr: "" });
    expect(result.lines.every(({ level }) => level === 30)).toBe(true);
  },
);

test("a closed pipe ends it quietly, at once", async () => {
  let reply = () => {};
  const { calls, env } = await serve((_call, _index, response) => {
    reply = () => response.end(JSON.stringify(completion("Yes.")));
    return LATER;
  });
  let output = "";
  const { status, signal, stderr } = await run({
    env,
    onOutput: (child, piece) => {
      output += piece;
      if (!output.includes('"request"')) return;
      child.stdout?.once("close", () => reply()).destroy();
    },
  });
  expect({ status, signal, stderr }).toEqual({
    status: 0,
    signal: null,
    stderr: "",
  });
  expect(calls).toHaveLength(1);
});
