import OpenAI from "openai";
import { describe, expect, test, vi } from "vitest";
import { describeError, ExerciseError } from "../exercises/common/errors.ts";
import { apiError, completion } from "./helpers.ts";

/** Describes what the SDK throws if the network does this. */
async function describeCall(network: typeof fetch) {
  vi.stubGlobal("fetch", network);
  const client = new OpenAI({
    apiKey: "none",
    baseURL: "http://server/v1",
    maxRetries: 0,
  });
  const call = client.chat.completions.create({ model: "m", messages: [] });
  return call.then(
    () => expect.unreachable("The call succeeds"),
    describeError,
  );
}

function describeResponse(status: number, body: unknown, headers = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return describeCall(async () => new Response(text, { status, headers }));
}

// One word of each hint that no other hint contains.
test.each<[status: number, code: string | null, word: string]>([
  [402, null, "credit"],
  [429, "insufficient_quota", "credit"],
  [401, null, "OPENAI_API_KEY"],
  [403, null, "country"],
  [404, null, "OPENAI_MODEL"],
  [405, null, "OPENAI_MODEL"],
  [408, null, "Wait"],
  [409, null, "Wait"],
  [429, null, "Wait"],
  [500, null, "Wait"],
  [599, null, "Wait"],
  [400, null, "parameters"],
  [422, null, "parameters"],
])("status %i and code %j: the hint says %s", async (status, code, word) => {
  const { hint } = await describeResponse(status, apiError("No.", { code }));
  const words = [
    "spelling",
    "credit",
    "OPENAI_API_KEY",
    "country",
    "OPENAI_MODEL",
    "Wait",
    "parameters",
  ];
  expect(words.filter((each) => hint?.includes(each))).toEqual([word]);
});

test("an error of the API is logged with the server's fields", async () => {
  const fields = { type: "t", code: { a: 1 }, param: ["p"] };
  const body = apiError("500 is too few.", fields);
  const headers = { "x-request-id": "req_42" };
  const { message, err } = await describeResponse(500, body, headers);
  expect(message).toBe("500 is too few.");
  expect(err).toEqual({
    ...fields,
    message,
    status: 500,
    request_id: "req_42",
    stack: expect.stringContaining("Error"),
  });
});

test("an error without fields is logged with its class and status", async () => {
  const { err } = await describeResponse(418, apiError("No.", { type: null }));
  expect(err).toEqual({
    type: "APIError",
    message: "No.",
    status: 418,
    stack: expect.stringContaining("No."),
  });
});

test.each<[what: string, cause: Error, words: string]>([
  ["a message", new Error("connect ECONNREFUSED"), "connect ECONNREFUSED"],
  [
    "a code alone, as for two addresses",
    Object.assign(new AggregateError([]), { code: "ECONNREFUSED" }),
    "ECONNREFUSED",
  ],
])(
  "a connection error has the words of its cause: %s",
  async (_, cause, words) => {
    const error = new TypeError("fetch failed", { cause });
    const described = await describeCall(() => Promise.reject(error));
    expect(described.message).toBe(`Connection error. ${words}`);
    expect(described.hint).toMatch(/network.*proxy.*OPENAI_BASE_URL.*https\?/);
    expect(described.err.type).toBe("APIConnectionError");
  },
);

test("a reader's own fetch can fail, too", async () => {
  const described = await describeCall(() => Promise.reject(new Error("Oh.")));
  expect(described.message).toBe("Connection error. Oh.");
});

test("a timeout is a connection error", () => {
  const error = new OpenAI.APIConnectionTimeoutError();
  expect(describeError(error)).toMatchObject({
    message: "Request timed out.",
    hint: expect.stringContaining("network"),
  });
});

test("an error of the exercise itself has no hint and names no line", () => {
  const error = new ExerciseError("OPENAI_MODEL is not set.");
  error.stack = "    at exercises/01_llm_basics/01_chat_completion.ts:32:1";
  const { message, hint } = describeError(error);
  expect(message).toBe("OPENAI_MODEL is not set.");
  expect(hint).toBeUndefined();
});

describe("an error in a script", () => {
  test.each([
    ["/a/exercises/01_llm_basics/01_chat.ts:74:5", "01_chat.ts:74"],
    ["C:\\exercises\\01-basics\\01_chat copy.ts:9:1", "01_chat copy.ts:9"],
    ["/exercises/llm/exercises/01_llm_basics/a.ts:1:1", "a.ts:1"],
  ])("names the first line outside common/: %s", (frame, line) => {
    const error = new TypeError("500 is not a function");
    error.stack = `TypeError: …
    at /a/node_modules/openai/client.js:1:1
    at /a/exercises/common/provider.ts:2:2
    at async ${frame}
    at async /a/exercises/01_llm_basics/02_other.ts:3:3`;
    const { message, hint, err } = describeError(error);
    expect(message).toBe(`TypeError: 500 is not a function (${line})`);
    expect(hint).toMatch(/^Look at that line .*`await`.*`new OpenAI\(\)`/);
    expect(err).toMatchObject({
      type: "TypeError",
      message: "500 is not a function",
    });
  });

  test("names no line if there is none", () => {
    const { message, hint } = describeError("no");
    expect(message).toBe("Error: Uncaught 'no'");
    expect(hint).toMatch(/^Look at your last edit/);
  });

  test("can abort a request", () => {
    const { message, hint } = describeError(new OpenAI.APIUserAbortError());
    expect(message).toBe("APIUserAbortError: Request was aborted.");
    expect(hint).toMatch(/^Look at your last edit/);
  });
});

const NO_TEXT = "There is no text where the script looked";
const REPHRASE =
  "See the response in the log. If it has no text, rephrase the messages or use another model.";
const LENGTH = "Raise MAX_TOKENS. Reasoning counts toward it, too.";
