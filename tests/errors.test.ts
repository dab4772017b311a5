import OpenAI from "openai";
import { expect, test } from "vitest";
import { describeError } from "../exercises/common/errors.ts";

test.each([
  [400, undefined],
  [401, /^Check that OPENAI_API_KEY is set and correct\.$/],
  [404, /^If the message doesn't .*, check OPENAI_MODEL and OPENAI_BASE_URL\./],
  [429, /quota, credit, or billing.* Otherwise, wait/],
  [500, /^If the message names a cause.* Otherwise, try again later/],
  [529, /^If the message names a cause/],
])("the hint for status %i: %s", (status, pattern) => {
  const body = { error: { message: "No." } };
  const error = OpenAI.APIError.generate(status, body, "", new Headers());
  const hint = pattern && expect.stringMatching(pattern);
  expect(describeError(error)).toEqual({ message: `${status} No.`, hint });
});

const metadata = { raw: "The real cause" };

test.each<[body: object, message: string, metadata?: object]>([
  [{ error: { message: "No.", metadata } }, "400 No.", metadata],
  [{ error: "No." }, '400 "No."'],
  [{ detail: "No." }, "400 (no error message)"],
])("the words of %j are %s", (body, message, metadata) => {
  const error = OpenAI.APIError.generate(400, body, undefined, new Headers());
  expect(describeError(error)).toEqual({ message, metadata });
});

const inner = new Error("connect ECONNRESET");
const middle = new Error("Not this.", { cause: inner });
const outer = new TypeError("fetch failed", { cause: middle });
// The error of a host with several addresses.
const code = "ECONNREFUSED";
const addresses = Object.assign(new AggregateError([]), { code });

test.each([
  [new OpenAI.APIConnectionError({ cause: outer }), "connect ECONNRESET"],
  [new OpenAI.APIConnectionError({ cause: addresses }), "ECONNREFUSED"],
  [new OpenAI.APIConnectionTimeoutError(), "Request timed out."],
])("%s is a connection error: %s", (error, words) => {
  const hint = expect.stringMatching(
    /^Check .* OPENAI_BASE_URL, if set.* proxy/,
  );
  const message = `Connection error: ${words}`;
  expect(describeError(error)).toEqual({ message, hint });
});

const COMMON = "/a/exercises/common/provider.ts:2:2";
const CHAT = "/a/exercises/01_llm_basics/chat.ts:74:5";
const ON_WINDOWS = "C:\\exercises\\01-basics\\my chat.ts:9:1";

test.each<[error: Error, frames: string[], message: string]>([
  [new Error("No."), [CHAT], "No."],
  [new TypeError("No."), ["/a/b.ts:1:1", CHAT], "TypeError: No. (chat.ts:74)"],
  [new TypeError("No."), [COMMON, CHAT], "TypeError: No. (chat.ts:74)"],
  [new TypeError("No."), [ON_WINDOWS, CHAT], "TypeError: No. (my chat.ts:9)"],
  [new SyntaxError("No."), [COMMON], "SyntaxError: No."],
])("%s at %j is %s", (error, frames, message) => {
  // The innermost frame comes first.
  error.stack = [error, ...frames].join("\n    at ");
  expect(describeError(error)).toEqual({ message });
});

test("anything thrown that isn't an error is inspected", () => {
  expect(describeError({ no: "No." })).toEqual({ message: "{ no: 'No.' }" });
});
