import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import {
  checkSettings,
  Failure,
  readSettings,
} from "../exercises/common/env.ts";
import { explain } from "../exercises/common/failure.ts";
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

describe("what a server answers", () => {
  test.each<[string, number, unknown, number, RegExp | string, object, RegExp]>(
    [
      // what, status, body, calls, msg, err, hint
      [
        "a wrong key",
        401,
        error("Incorrect API key provided: sk-1.", { code: "invalid_api_key" }),
        1,
        "Incorrect API key provided: sk-1.",
        { status: 401, code: "invalid_api_key", type: "api_error" },
        /OPENAI_API_KEY/,
      ],
      [
        "a key that may not",
        403,
        error("Not your project."),
        1,
        "Not your project.",
        { status: 403 },
        /OPENAI_API_KEY/,
      ],
      [
        "an unknown model",
        404,
        error("The model `m` does not exist.", { code: "model_not_found" }),
        1,
        "The model `m` does not exist.",
        { status: 404, code: "model_not_found" },
        MODEL,
      ],
      [
        "Ollama's unknown model",
        404,
        error('model "m" not found, try pulling it first'),
        1,
        /try pulling/,
        { status: 404 },
        MODEL,
      ],
      [
        "an unknown path, in plain text",
        404,
        "404 page not found",
        1,
        "404 page not found",
        { status: 404 },
        URL_HINT,
      ],
      [
        "an unknown path, FastAPI",
        404,
        { detail: "Not Found" },
        1,
        "Not Found",
        { status: 404 },
        URL_HINT,
      ],
      [
        "too many calls",
        429,
        error("Rate limit reached."),
        3,
        "Rate limit reached.",
        { status: 429 },
        /wait a minute/,
      ],
      [
        "no credit",
        429,
        error("You exceeded your current quota.", {
          code: "insufficient_quota",
        }),
        3,
        /quota/,
        { code: "insufficient_quota" },
        /credit/,
      ],
      [
        "a server's fault",
        500,
        error("Oh no."),
        3,
        "Oh no.",
        { status: 500 },
        /again in a minute/,
      ],
      [
        "a gateway's page",
        502,
        "<html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>",
        3,
        "502 Bad Gateway",
        { status: 502 },
        /again in a minute/,
      ],
      [
        "a page with no title",
        503,
        "<!doctype html><p>Down</p>",
        3,
        "503 Service Unavailable",
        { status: 503 },
        /again in a minute/,
      ],
      [
        "an error with no body",
        500,
        "",
        3,
        "500 Internal Server Error",
        { status: 500 },
        /again/,
      ],
      [
        "a list of details",
        422,
        {
          detail: [
            { type: "missing", loc: ["body", "x"], msg: "Field required" },
            { type: "missing", loc: ["body", "y"], msg: "Field required" },
          ],
        },
        1,
        "body: x: Field required; body: y: Field required",
        { status: 422, type: "missing", param: "x" },
        /what the message names/,
      ],
      [
        "a flat error object",
        400,
        {
          object: "error",
          message: "Bad\n  thing.",
          type: "BadRequestError",
          param: null,
          code: 400,
        },
        1,
        "Bad thing.",
        { status: 400, type: "BadRequestError", code: "400" },
        /what the message names/,
      ],
      [
        "an error of no known shape",
        400,
        { temperature: ["Bad thing."] },
        1,
        '{"temperature":["Bad thing."]}',
        { status: 400 },
        /TEMPERATURE/,
      ],
      [
        "too long a list",
        400,
        error("This model's maximum context length is 100 tokens.", {
          code: "context_length_exceeded",
        }),
        1,
        /context length/,
        { status: 400 },
        /Shorten/,
      ],
      [
        "a limit out of bounds",
        400,
        error("max_tokens is too large.", { param: "max_tokens" }),
        1,
        /too large/,
        { param: "max_tokens" },
        /MAX_TOKENS/,
      ],
      [
        "an error inside a 200",
        200,
        error("Upstream is gone."),
        1,
        "Upstream is gone.",
        { status: 200 },
        MODEL,
      ],
      [
        "a page with no title inside a 200",
        200,
        "<p>Hi</p>",
        1,
        /sends: a web page$/,
        { status: 200 },
        URL_HINT,
      ],
      [
        "LM Studio's unknown path",
        200,
        { error: "Unexpected endpoint or method. (POST /chat/completions)" },
        1,
        /endpoint/,
        { status: 200 },
        URL_HINT,
      ],
      [
        "a server that has moved",
        301,
        "",
        1,
        "301 Moved Permanently, to https://h/v1",
        { status: 301 },
        URL_HINT,
      ],
      [
        "a page inside a 200",
        200,
        "<html><title>Welcome</title></html>",
        1,
        /not what the API sends: Welcome$/,
        { status: 200, code: "unexpected_answer" },
        URL_HINT,
      ],
      [
        "broken JSON",
        200,
        '{"choices": [',
        1,
        /not what the API sends/,
        { code: "unexpected_answer" },
        URL_HINT,
      ],
      [
        "null",
        200,
        null,
        1,
        /not what the API sends: null/,
        { code: "unexpected_answer" },
        URL_HINT,
      ],
      [
        "nothing, said to be nothing",
        204,
        "",
        1,
        /not what the API sends/,
        { status: 204 },
        URL_HINT,
      ],
      [
        "no choices",
        200,
        { ...completion(""), choices: [] },
        1,
        /not what the API sends/,
        { code: "unexpected_answer" },
        URL_HINT,
      ],
    ],
  )("%s", async (_what, status, body, count, msg, err, hint) => {
    const { calls, env } = await serve((_call, _index, response) => {
      response.statusCode = status;
      response.setHeader("x-request-id", "req_42");
      if (status === 301) response.setHeader("location", "https://h/v1");
      return body;
    });
    const result = await run({ env });
    const fatal = fatalOf(result);
    expect(calls).toHaveLength(count);
    if (typeof msg === "string") expect(fatal.msg).toBe(msg);
    else expect(fatal.msg).toMatch(msg);
    expect(fatal.err).toMatchObject({ request_id: "req_42", ...err });
    expect(fatal.hint).toMatch(hint);
    expect(responses(result.lines)).toEqual([]);
  });
});

describe("a reply with no text", () => {
  test.each<[string, object, RegExp, string, RegExp]>([
    ["empty", completion(""), /no text/, "empty_reply", MODEL],
    ["null", completion(null), /no text/, "empty_reply", MODEL],
    [
      "spent before any text",
      completion("", { finish_reason: "length" }),
      /MAX_TOKENS was spent/,
      "empty_reply",
      /MAX_TOKENS/,
    ],
    [
      "spent on reasoning",
      {
        ...completion("", { finish_reason: "length" }),
        usage: { completion_tokens_details: { reasoning_tokens: 500 } },
      },
      /MAX_TOKENS was spent on 500 tokens of reasoning/,
      "empty_reply",
      /MAX_TOKENS/,
    ],
    [
      "declined",
      completion(null, {
        message: {
          role: "assistant",
          content: null,
          refusal: "I can't help with that.",
        },
      }),
      /^I can't help with that\.$/,
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
  ])("%s", async (_what, body, msg, code, hint) => {
    const { calls, env } = await serve(() => body);
    const result = await run({ env });
    const fatal = fatalOf(result);
    expect(calls).toHaveLength(1);
    expect(fatal.msg).toMatch(msg);
    expect(fatal.err).toEqual({ type: "Failure", code });
    expect(fatal.hint).toMatch(hint);
    expect(responses(result.lines)).toEqual([body]);
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

  test.each<[number, string, RegExp]>([
    [402, "Payment Required", /credit/],
    [400, "API key not valid.", /OPENAI_API_KEY/],
    [408, "It took too long.", /what the message names/],
    [400, "Your prompt is too long.", /Shorten/],
    [400, "The model m was not found.", MODEL],
    [400, "Unknown role.", /what the message names/],
  ])("the hint for a %s, %s", (status, message, hint) => {
    const facts = new OpenAI.APIError(status, { message }, "", new Headers());
    expect(explain(facts)).toMatchObject({ message, err: { status } });
    expect(explain(facts).hint).toMatch(hint);
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
      "names the models",
      200,
      { data: ids.slice(0, 2) },
      /set\.$/,
      /lists model-1, model-2\.$/,
    ],
    [
      "names ten of many",
      200,
      { data: ids },
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
