import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { createView } from "../exercises/common/view.ts";

const time = new Date(2026, 10, 28, 17, 7, 30).getTime();
const system = { role: "system", content: "Be helpful." };
const question = { role: "user", content: "When?" };
const reply = { role: "assistant", content: "In spring." };

/** Draws lines of one log, without the colors. */
function draw(lines: object[]): string {
  const view = createView();
  const own = { level: 30, time, msg: "Hi" };
  const texts = lines.map((line) => view({ ...own, ...line }, 80));
  return stripVTControlCharacters(texts.join("")).replace(/ +$/gm, "");
}

test("a request shows its messages and its parameters", () => {
  const content = `${"A long text ".repeat(6)}wraps:\n\n  - April`;
  const messages = [{ role: "system", content }, reply];
  const request = { model: "m", messages, temperature: "0.7", max_tokens: 500 };
  expect(draw([{ part: "Part 1", request }])).toBe(`\
17:07:30 INFO    Part 1: Hi
  + 1 system     A long text A long text A long text A long text A long text A
                 long text wraps:

                   - April
  + 2 assistant  In spring.
                 model "m" · temperature "0.7" · max_tokens 500

`);
});

const stop = { message: reply, finish_reason: "stop" };
const cut = { message: reply, finish_reason: "length" };
const empty = { message: { role: "assistant", content: "" } };
const reasoning = { role: "assistant", content: "", reasoning: "Hm." };
const sum = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 9 };

test.each<[line: object, shown: string]>([
  [{ level: 60, msg: "Bad.", hint: "Do this." }, "FATAL Bad. hint Do this."],
  [{ err: { stack: "Error: No.\n at a" } }, "err Error: No. at a"],
  [{ request: { messages: "text" } }, "request { messages: 'text' }"],
  [{ request: { messages: ["text"] } }, "+ 1 ? text"],
  // The label is as wide as the terminal.
  [{ request: { messages: [{ role: "r".repeat(73) }] } }, "{ role:"],
  [{ response: null }, "response null"],
  [{ response: { choices: "text" } }, "response { choices: 'text' }"],
  [{ response: { choices: [] } }, "response { choices: [] }"],
  [{ response: { choices: [null] } }, "response { choices: [ null ] }"],
  [{ response: { a: { b: { c: { d: 1 } } } } }, "c: { d: 1 } } }"],
  [{ request: { messages: [reasoning] } }, "reasoning: 'Hm.'"],
  [{ response: { choices: [{ message: reasoning }] } }, "reasoning: 'Hm.'"],
  [{ response: { choices: [stop, { ...empty, error: "No." }] } }, "'No.'"],
  [
    { response: { model: "m", choices: [stop, stop, cut], usage: sum } },
    'In spring. model "m" finish_reason stop, length · 10 prompt + 5 completion = 15 tokens',
  ],
  [{ response: { choices: [stop], usage } }, `usage ${JSON.stringify(usage)}`],
])("every field is shown: %j", (line, shown) => {
  expect(draw([line]).replace(/\s+/g, " ")).toContain(shown);
});

test("controls are removed, and letters of every script stay", () => {
  const content = "A\x1b[2J\x07\x9b\rB\tC\u202e \u05d0\u200f \u0627 🗾";
  const messages = [{ role: "\x1b[2Jbot", content }];
  const drawn = draw([{ request: { messages } }]);
  expect(drawn).toContain("+ 1 [2Jbot     A[2JB\tC \u05d0\u200f \u0627 🗾");
});

test("+ marks what the previous request didn't contain", () => {
  const first = { messages: [system, question] };
  const second = { messages: [question, reply, question] };
  const drawn = draw([{ request: first }, { request: second }]);
  const labels = drawn.match(/(?<=^  )[+ ] \d/gm);
  expect(labels).toEqual(["+ 1", "+ 2", "  1", "+ 2", "+ 3"]);
});
