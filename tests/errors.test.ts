import OpenAI from "openai";
import { expect, test } from "vitest";
import { describeError } from "../exercises/common/errors.ts";

function failed(status: number, body: object) {
  return OpenAI.APIError.generate(status, body, undefined, new Headers());
}

test.each([
  [400, /^$/],
  [401, /^Check that OPENAI_API_KEY is set and correct\.$/],
  [404, /^If the message doesn't .*, check OPENAI_MODEL and OPENAI_BASE_URL\./],
  [429, /quota, credit, or billing.* Otherwise, wait/],
  [500, /^If the message names a cause.* Otherwise, try again later/],
  [529, /^If the message names a cause/],
])("the hint for status %i: %s", (status, pattern) => {
  const { hint = "" } = describeError(failed(status, {}));
  expect(hint).toMatch(pattern);
});

const metadata = { raw: "The real cause" };

test.each<[body: object, message: string, metadata?: object]>([
  [{ error: { message: "No.", metadata } }, "400 No.", metadata],
  [{ error: "No." }, '400 "No."'],
  [{ detail: "No." }, "400 (no error message)"],
])("the words of %j are %s", (body, message, metadata) => {
  expect(describeError(failed(400, body))).toEqual({ message, metadata });
});

const inner = new Error("connect ECONNRESET");
const outer = new TypeError("fetch failed", { cause: inner });
// The error of a host with several addresses has only a code.
const code = "ECONNREFUSED";
const addresses = Object.assign(new AggregateError([]), { code });

test.each([
  [outer, "connect ECONNRESET"],
  [addresses, "ECONNREFUSED"],
])("a connection error because of %s: %s", (cause, words) => {
  const error = new OpenAI.APIConnectionError({ cause });
  const hint = expect.stringMatching(/server is running.*BASE_URL.*proxy/);
  const message = `Connection error: ${words}`;
  expect(describeError(error)).toEqual({ message, hint });
});

const COMMON = "/a/exercises/common/provider.ts:2:2";
const CHAT = "/a/exercises/01_llm_basics/chat.ts:74:5";
const ON_WINDOWS = "C:\\exercises\\01-basics\\my chat.ts:9:1";

test.each<[thrown: unknown, frames: string[], message: string]>([
  [new Error("No."), [CHAT], "No."],
  [new TypeError("No."), [COMMON, CHAT], "TypeError: No. (chat.ts:74)"],
  [new TypeError("No."), [ON_WINDOWS, CHAT], "TypeError: No. (my chat.ts:9)"],
  [new SyntaxError("No."), [COMMON], "SyntaxError: No."],
  [{ no: "No." }, [], "{ no: 'No.' }"],
])("%s at %j is %s", (thrown, frames, message) => {
  // The innermost frame comes first.
  const stack = ["Error: No.", ...frames].join("\n    at ");
  if (thrown instanceof Error) thrown.stack = stack;
  expect(describeError(thrown)).toEqual({ message });
});
