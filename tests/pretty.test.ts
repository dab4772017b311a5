import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { createFormatter } from "../exercises/common/pretty.ts";
import { completion, hasTerminal, runLesson } from "./helpers.ts";

const time = new Date(2026, 10, 25, 17, 7, 30).getTime();
const system = { role: "system", content: "Be helpful." };
const question = { role: "user", content: "When?" };
const reply = { role: "assistant", content: "In spring." };
const followUp = { role: "user", content: "Where?" };

/** Formats lines of one log, without the colors. */
function format(lines: object[], columns = 80): string {
  const formatLine = createFormatter();
  const texts = lines.map((line) => {
    const own = { level: 30, time };
    return formatLine({ ...own, msg: "Hi", ...line }, columns);
  });
  return stripVTControlCharacters(texts.join(""));
}

test("a request shows its messages and its parameters", () => {
  const content = `${"A long text ".repeat(6)}wraps:\n\n  - April`;
  const messages = [{ role: "system", content }, reply];
  const request = { model: "m", messages, temperature: "0.7", max_tokens: 500 };
  expect(format([{ part: "Part 1", request }])).toBe(`\
17:07:30 INFO  Part 1: Hi
  + 1 system     A long text A long text A long text A long text A long text A
                 long text wraps:

                   - April
  + 2 assistant  In spring.
      model "m" · temperature "0.7" · max_tokens 500

`);
});

test("a response shows every reply, and the tokens", () => {
  const choices = [
    { message: reply, finish_reason: "stop" },
    { message: reply, finish_reason: "stop" },
    { message: { role: "assistant", content: "It" }, finish_reason: "length" },
  ];
  const usage = {
    prompt_tokens: 10,
    completion_tokens: 5,
    total_tokens: 15,
    completion_tokens_details: { reasoning_tokens: 4 },
  };
  expect(format([{ response: { choices, usage } }])).toBe(`\
17:07:30 INFO  Hi
      assistant  In spring.
      assistant  In spring.
      assistant  It
      finish_reason stop, length · 10 prompt + 5 completion (4 reasoning) = 15
      tokens

`);
});

test("an error shows its fields, and its message once", () => {
  const err = { type: "invalid_request_error", message: "Bad.", status: 400 };
  const lines = [
    { level: 60, msg: "Bad.", err, hint: "Do this." },
    { level: 50, msg: "Failed", err: { ...err, stack: "Error\r\n    at" } },
    { level: 40, msg: "Bad.\n17:07:31 INFO  Forged" },
  ];
  expect(format(lines)).toBe(`\
17:07:30 FATAL Bad.
      type "invalid_request_error" · status 400
      hint       Do this.

17:07:30 ERROR Failed
      type "invalid_request_error" · message "Bad." · status 400
      stack      Error
                     at

17:07:30 WARN  Bad.
               17:07:31 INFO  Forged

`);
});

const reasoning = { role: "assistant", content: "", reasoning: "Hm." };
const refusal = { role: "assistant", content: null, refusal: "No." };

test.each<[line: object, shown: string]>([
  [{ model: "m-1" }, "model m-1"],
  [{ finish_reason: "length" }, "finish_reason length"],
  [{ count: 0, isOk: false }, "count 0 isOk false"],
  [{ "\x1b[2J": 1 }, "\\u001b[2J 1"],
  [{ details: { a: { b: [{ c: 1 }] } } }, "{ a: { b: [ { c: 1 } ] } }"],
  [{ level: 20, msg: 4 }, "DEBUG 4"],
  [{ msg: undefined, usage: { total_tokens: 1 } }, "usage { total_tokens: 1 }"],
  [{ request: "GET /" }, "request GET /"],
  [{ request: { messages: "Hi" } }, "request { messages: 'Hi' }"],
  [{ request: { messages: [null], usage: 1 } }, "+ 1 ? null usage 1"],
  [{ response: { output: "Yo" } }, "response { output: 'Yo' }"],
  [{ response: { choices: [null] } }, "? null"],
  [{ response: completion([{ text: "Part." }]) }, "[ { text: 'Part.' } ]"],
  [{ response: { choices: [{ message: refusal }] } }, "refusal: 'No.'"],
  [{ response: { choices: [{ message: reasoning }] } }, "reasoning: 'Hm.'"],
  [{ err: "Mine" }, "err Mine"],
  [{ msg: "A\r\nB" }, "A B"],
])("every field that is logged is shown: %j", (line, shown) => {
  expect(format([line]).replace(/\s+/g, " ")).toContain(shown);
});

test.each<[usage: object, shown: string]>([
  [
    { prompt_tokens: 10, total_tokens: 15 },
    "prompt_tokens 10 · total_tokens 15",
  ],
  [
    { prompt_tokens: 10, completion_tokens: 5, total_tokens: 99 },
    "prompt_tokens 10 · completion_tokens 5 · total_tokens 99",
  ],
])("counts that don't add up are shown as they came: %j", (usage, shown) => {
  const response = { ...completion("Yes."), usage };
  expect(format([{ response }], 120)).toContain(`stop · ${shown}\n\n`);
});

test.each<[what: string, requests: object[][], marks: string]>([
  ["a first request", [[system, question]], "+ 1,+ 2"],
  [
    "a reply and a question",
    [
      [system, question],
      [system, question, reply, followUp],
    ],
    "  1,  2,+ 3,+ 4",
  ],
  [
    "the same question again",
    [
      [system, question],
      [system, question, reply, question],
    ],
    "  1,  2,+ 3,+ 4",
  ],
  [
    "a shorter list",
    [
      [system, question],
      [question, followUp],
    ],
    "  1,+ 2",
  ],
])("+ marks what is new since the last request: %s", (_, requests, marks) => {
  const lines = requests.map((messages) => ({ request: { messages } }));
  const labels = format(lines).match(/^  [+ ] \d/gm) ?? [];
  const last = labels.slice(-requests.at(-1)!.length);
  expect(last.map((label) => label.slice(2)).join()).toBe(marks);
});

test.each([60, 120])("at %i columns, text wraps at spaces", (columns) => {
  const wide = "春は桜、秋は紅葉が美しい。".repeat(12);
  const text = `${"word  by word, ".repeat(40)}${wide}`;
  const lines = format([{ mine: text }], columns).split("\n");
  expect(lines.join(" ").replace(/\s+/g, " ")).toContain(
    text.replace(/\s+/g, " "),
  );
  const lengths = lines
    .filter((line) => !line.includes(wide))
    .map((line) => line.length);
  expect(Math.max(...lengths)).toBeLessThanOrEqual(columns);
  expect(Math.max(...lengths)).toBeGreaterThan(columns - 8);
  expect(lines).toEqual(lines.map((line) => line.trimEnd()));
});

test("spaces at a break are dropped", () => {
  const word = "x".repeat(80 - 17);
  const text = format([{ mine: `${word}  next` }]);
  expect(text).toContain(`${word}\n${" ".repeat(17)}next\n`);
});

test("the time to draw a text grows with its length, not with its square", () => {
  const start = performance.now();
  format([{ mine: `{${" ".repeat(40_000)}}` }]);
  // A quadratic search takes 16 seconds.
  expect(performance.now() - start).toBeLessThan(5_000);
});

test.runIf(hasTerminal)("a terminal shows colors, in its width", async () => {
  const env = { TERM: "xterm-256color" };
  const { stdout } = await runLesson({ env, columns: 60 });
  const lines = stripVTControlCharacters(stdout).split(/\r?\n/);
  const lengths = lines.map((line) => line.length);
  expect(Math.max(...lengths)).toBeLessThanOrEqual(60);
  expect(Math.max(...lengths)).toBeGreaterThan(52);

  const part2 = stdout.slice(stdout.indexOf("Part 2"));
  expect(part2.match(/^\x1b\[\d+m  [+ ] \d \w+/gm)).toEqual([
    "\x1b[35m    1 system",
    "\x1b[36m    2 user",
    "\x1b[32m  + 3 assistant",
    "\x1b[36m  + 4 user",
  ]);
  expect(part2).toMatch(/^ {6}\x1b\[90mmodel "offline"/m);
});
