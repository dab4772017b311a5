import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { createFormatter } from "../exercises/common/pretty.ts";
import * as helpers from "./helpers.ts";

const { completion, runLesson } = helpers;

const time = new Date(2026, 10, 22, 17, 7, 30).getTime();
const prompt =
  "You are a knowledgeable and enthusiastic travel assistant. Help users plan trips with practical advice.";
const system = { role: "system", content: prompt };
const user = { role: "user", content: "When?" };
const assistant = { role: "assistant", content: "In spring:\n\n  - April" };
const followUp = { role: "user", content: "Where?" };

function format(line: object, columns = 80): string {
  const own = { pid: 12345, hostname: "my-host" };
  const fields = { level: 30, time, ...own, msg: "Hi", ...line };
  return stripVTControlCharacters(createFormatter()(fields, columns));
}

test("a call shows the messages, the replies, the tokens, and any error", () => {
  const messages = [system, assistant];
  const request = { model: "m", messages, temperature: "0.7", max_tokens: 500 };
  const reply = completion("One.\nTwo.");
  const second = { message: user, finish_reason: "length" };
  const choices = [...reply.choices, second];
  const details = { reasoning_tokens: 4 };
  const usage = { ...reply.usage, completion_tokens_details: details };
  const err = { type: "invalid_request_error", message: "Bad.", status: 400 };
  const lines = [
    { part: "Part 1", request },
    { response: { ...reply, choices, usage } },
    { response: { choices: reply.choices } },
    { level: 60, err, hint: "Do this.", msg: "Bad." },
    { level: 50, err: { ...err, stack: "Error\n    at" } },
    { level: 40, msg: "Bad.\n17:07:31 INFO  Forged" },
  ];
  expect(lines.map((line) => format(line)).join("")).toBe(`\
17:07:30 INFO  Part 1: Hi
  + 1 system     You are a knowledgeable and enthusiastic travel assistant. Help
                 users plan trips with practical advice.
  + 2 assistant  In spring:

                   - April
      model "m" · temperature "0.7" · max_tokens 500

17:07:30 INFO  Hi
      assistant  One.
                 Two.
      user       When?
      finish_reason stop, length · 10 prompt + 5 completion (4 reasoning) = 15
      tokens

17:07:30 INFO  Hi
      assistant  One.
                 Two.
      finish_reason stop

17:07:30 FATAL Bad.
      type "invalid_request_error" · status 400
      hint       Do this.

17:07:30 ERROR Hi
      type "invalid_request_error" · message "Bad." · status 400
      stack      Error
                     at

17:07:30 WARN  Bad.
               17:07:31 INFO  Forged

`);
});

test.each<[line: object, shown: string[]]>([
  [{ model: "m-1", finish_reason: "x" }, ["model m-1", "finish_reason x"]],
  [{ level: 20, details: { a: { b: [{ c: 1 }] } } }, ["DEBUG", "c: 1"]],
  [{ msg: undefined, usage: { total_tokens: 1 } }, ["total_tokens: 1"]],
  [{ part: "a", msg: "Total" }, ["INFO a: Total"]],
  [{ request: "GET /", response: "text" }, ["GET /", "response text"]],
  [{ err: "Mine" }, ["err Mine"]],
  [{ request: { messages: [null], usage: 1 } }, ["null", "usage 1"]],
  [{ response: { output: "Yo" } }, ["Yo"]],
  [{ response: completion(null, { message: { refusal: "No." } }) }, ["No."]],
  [{ response: completion([{ text: "Part." }]) }, ["Part."]],
  [{ response: completion(null, { message: undefined }) }, ["finish_reason"]],
  [{ msg: 4, count: 0, ok: false }, ["INFO 4", "count 0", "ok false"]],
])("shows every field that a reader logs: %j", (line, shown) => {
  const text = format(line).replace(/\s+/g, " ");
  for (const each of shown) expect(text).toContain(each);
});

const part1 = [system, user];
test.each<[requests: object[][], labels: string]>([
  [[part1], "+ 1 + 2"],
  [[part1, [...part1, assistant, followUp]], "  1   2 + 3 + 4"],
  [[part1, [...part1, assistant, user]], "  1   2 + 3 + 4"],
  [[part1, [user, followUp]], "  1 + 2"],
])("+ marks what is new since the last request: %j", (requests, labels) => {
  const formatLine = createFormatter();
  const texts = requests.map((messages) =>
    formatLine({ level: 30, time, msg: "Hi", request: { messages } }, 80),
  );
  const last = stripVTControlCharacters(texts.at(-1)!);
  expect(last.match(/(?<=^  )[+ ] \d(?= )/gm)?.join(" ")).toBe(labels);
});

test.each([60, 120])("at %i columns, text wraps at its spaces", (columns) => {
  const long = "春は桜、秋は紅葉が美しい。".repeat(12);
  const text = `${"word  by word, ".repeat(40)}${long}`;
  const shown = format({ mine: text, msg: text }, columns);
  const lines = shown.replaceAll(long, "").split("\n");
  const widest = Math.max(...lines.map((line) => line.length));
  expect(widest).toBeLessThanOrEqual(columns);
  expect(widest).toBeGreaterThan(columns - 8);
  const oneLine = (each: string) => each.replace(/\s+/g, " ");
  expect(oneLine(shown).split(oneLine(text))).toHaveLength(3);
});

test.runIf(helpers.hasTerminal)(
  "in a terminal, each role has its color",
  async () => {
    const env = { TERM: "xterm-256color" };
    const { stdout } = await runLesson({ env, columns: 80 });
    const part2 = stdout.slice(stdout.indexOf("Part 2"));
    expect(part2.match(/^\x1b\[\d+m  [+ ] \d \w+/gm)).toEqual([
      "\x1b[35m    1 system",
      "\x1b[36m    2 user",
      "\x1b[32m  + 3 assistant",
      "\x1b[36m  + 4 user",
    ]);
    expect(part2).toMatch(/^\x1b\[90m {6}model "offline"/m);
  },
);
