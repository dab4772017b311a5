import OpenAI from "openai";
import { expect, test } from "vitest";
import { describeError } from "../exercises/common/errors.ts";

test.each([
  [400, undefined],
  [401, /^Check OPENAI_API_KEY\. The first entry/],
  [404, /OPENAI_MODEL and OPENAI_BASE_URL\..* ends in \/v1/],
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

test.each<[error: unknown, message: string, details?: object]>([
  [{ message: "No.", metadata }, "400 No.", { metadata }],
  [{ metadata }, '400 {"metadata":{"raw":"The real cause"}}'],
  ["No.", '400 "No."'],
])("no word of %j is lost or said twice", (error, message, details) => {
  const thrown = OpenAI.APIError.generate(400, { error }, "", new Headers());
  expect(describeError(thrown)).toEqual({ message, details });
});

const inner = new Error("connect ECONNRESET");
const middle = new Error("Not this.", { cause: inner });
const outer = new TypeError("fetch failed", { cause: middle });
// The error of a host with several addresses.
const code = "ECONNREFUSED";
const addresses = Object.assign(new AggregateError([]), { code });

test.each([
  [new OpenAI.APIConnectionError({ cause: outer }), ": connect ECONNRESET"],
  [new OpenAI.APIConnectionError({ cause: addresses }), ": ECONNREFUSED"],
  [new OpenAI.APIConnectionError({ cause: new Error("") }), ""],
  [new OpenAI.APIConnectionTimeoutError(), ": Request timed out."],
])("%s is a connection error%s", (error, words) => {
  const hint = expect.stringMatching(
    /^Check that the server.*http or https.* network and any proxy.*MAX_TOKENS\.$/,
  );
  const message = `Connection error${words}`;
  expect(describeError(error)).toEqual({ message, hint });
});

const UNDICI = "node:internal/deps/undici/undici:1:1";
const COMMON = "/a/exercises/common/provider.ts:2:2";
const CHAT = "/a/exercises/01_llm_basics/chat.ts:74:5";
const ON_WINDOWS = "C:\\exercises\\01-basics\\my chat.ts:9:1";
const HINT = "Look at that line and at your last edit.";

test.each<[error: Error, frame: string, message: string, hint?: string]>([
  [new Error("No."), ON_WINDOWS, "No. (my chat.ts:9)"],
  [new TypeError("No."), "/a/b.ts:1:1", "TypeError: No. (chat.ts:74)", HINT],
  [new TypeError("No."), COMMON, "TypeError: No."],
  [new SyntaxError("No."), CHAT, "SyntaxError: No. (chat.ts:74)", HINT],
  [new SyntaxError("No."), UNDICI, "A response isn't valid JSON: No."],
])("%s at %s, called by the script", (error, frame, message, hint) => {
  // The innermost frame comes first, the script's comes last.
  error.stack = [error, frame, CHAT].join("\n    at async ");
  expect(describeError(error)).toEqual({ message, hint });
});

test("anything thrown that isn't an error is inspected", () => {
  expect(describeError({ no: "No." })).toEqual({ message: "{ no: 'No.' }" });
});
