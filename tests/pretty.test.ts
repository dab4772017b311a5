import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import { createFormatter } from "../exercises/common/pretty.ts";
import { completion, hasTerminal, runLesson } from "./helpers.ts";

const time = new Date(2026, 10, 22, 17, 7, 30).getTime();
const prompt =
  "You are a knowledgeable and enthusiastic travel assistant. Help users plan trips with practical advice.";
const system = { role: "system", content: prompt };
const user = { role: "user", content: "When?" };
const assistant = { role: "assistant", content: "In spring:\n\n  - April" };
const followUp = { role: "user", content: "Where?" };

function format(line: object, columns = 80): string {
  const formatLine = createFormatter(columns);
  const text = formatLine({ level: 30, time, msg: "Hi", ...line });
  return stripVTControlCharacters(text);
}

test("a request shows its messages and parameters", () => {
  const parameters = { temperature: "0.7", max_tokens: 500 };
  const messages = [system, assistant];
  expect(format({ request: { model: "m", messages, ...parameters } })).toBe(`\
17:07:30 INFO  Hi
  + 1 system     You are a knowledgeable and enthusiastic travel assistant. Help
                 users plan trips with practical advice.
  + 2 assistant  In spring:
                 
                   - April
      temperature "0.7" · max_tokens 500

`);
});

test("a response shows the reply, why it ended and its tokens", () => {
  expect(format({ response: completion("One.\nTwo.") })).toBe(`\
17:07:30 INFO  Hi
      assistant  One.
                 Two.
      finish_reason stop · 10 prompt + 5 completion = 15 tokens

`);
});

test.each([
  [{ content: null }, "null"],
  [{ content: null, refusal: "No." }, "No."],
])("a response may have no text and no usage: %j", (message, text) => {
  const response = { ...completion(null, { message }), usage: null };
  expect(format({ response })).toBe(`\
17:07:30 INFO  Hi
      assistant  ${text}
      finish_reason stop

`);
});

test("an error shows its fields and its hint", () => {
  const err = { type: "invalid_request_error", status: 400 };
  expect(format({ level: 60, err, hint: "Do this." })).toBe(`\
17:07:30 FATAL Hi
      type "invalid_request_error" · status 400
      hint       Do this.

`);
});

test.each<[line: object, text: RegExp]>([
  [{ level: 20, details: { a: 1 } }, /DEBUG Hi\n +details.*"a": 1/s],
  [{ msg: undefined, usage: { total_tokens: 1 } }, /usage.*"total_tokens": 1/s],
  [{ request: { messages: user } }, /1 user +When\?/],
  [{ request: { messages: "Hi" } }, /INFO  Hi/],
  [{ request: { messages: [user, null] } }, /2 undefined/],
  [{ msg: 4 }, /INFO  4/],
  [{ response: {} }, /assistant +null/],
])("a line that an edit logs does not break the output: %j", (line, text) => {
  expect(format(line)).toMatch(text);
});

test("a line break in a message does not start a new line of the log", () => {
  expect(format({ level: 40, msg: "Bad.\n17:07:31 INFO  Forged" })).toBe(`\
17:07:30 WARN  Bad.
               17:07:31 INFO  Forged

`);
});

const part1 = [system, user];
test.each<[requests: object[][], labels: string]>([
  [[part1], "+ 1 + 2"],
  [[part1, [followUp]], "+ 1"],
  [[part1, [...part1, assistant, user]], "  1   2 + 3 + 4"],
  [[part1, [user, followUp]], "  1 + 2"],
  [[part1, part1], "  1   2"],
])("+ marks what is new since the last request: %j", (requests, labels) => {
  const formatLine = createFormatter(80);
  const texts = requests.map((messages) =>
    formatLine({ level: 30, time, msg: "Hi", request: { messages } }),
  );
  const last = stripVTControlCharacters(texts.at(-1)!);
  expect(last.match(/(?<=^  )[+ ] \d(?= )/gm)?.join(" ")).toBe(labels);
});

test.each([60, 80, 120])(
  "wraps at %i columns without losing text",
  (columns) => {
    const msg = "word ".repeat(60).trim();
    const content = `${msg}\n\t${"x".repeat(200)}`;
    const lines = [
      { msg, request: { messages: [{ role: "user", content }], stop: msg } },
      { msg, response: completion(msg) },
      { msg, err: { type: msg }, hint: msg },
      { msg, parameters: { stop: msg } },
    ];
    const text = lines.map((line) => format(line, columns)).join("");
    const widths = text.split("\n").map((line) => line.length);
    expect(Math.max(...widths)).toBeLessThanOrEqual(columns);
    expect(text).not.toContain("\t");
    expect(text.match(/word/g)).toHaveLength(60 * 10);
    expect(text.replace(/\s/g, "")).toContain("x".repeat(200));
  },
);

const describeInTerminal = hasTerminal ? describe.concurrent : describe.skip;

describeInTerminal("in a terminal", () => {
  const env = { TERM: "xterm-256color" };

  test("Part 2 marks messages 3 and 4, and each role has its color", async () => {
    const { stdout } = await runLesson({ env, columns: 80 });
    const part2 = stdout.slice(stdout.indexOf("Part 2"));
    expect(part2.match(/^\x1b\[\d+m  [+ ] \d \w+/gm)).toEqual([
      "\x1b[35m    1 system",
      "\x1b[36m    2 user",
      "\x1b[32m  + 3 assistant",
      "\x1b[36m  + 4 user",
    ]);
  });

  test.each([60, 120])("the output fits in %i columns", async (columns) => {
    const { stdout } = await runLesson({ env, columns });
    const lines = stripVTControlCharacters(stdout).split("\n");
    const width = Math.max(...lines.map((line) => line.length));
    expect(width).toBeLessThanOrEqual(columns);
    expect(width).toBeGreaterThan(columns - 10);
  });

  test("NO_COLOR leaves no escape codes", async () => {
    const colorless = { ...env, NO_COLOR: "1" };
    const { stdout } = await runLesson({ env: colorless, columns: 80 });
    expect(stdout).toContain("INFO  Part 2 (multi-turn): sending 4 messages\n");
    expect(stdout).not.toContain("\x1b");
  });
});
