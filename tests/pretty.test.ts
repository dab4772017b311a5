import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import { createFormatter } from "../exercises/common/pretty.ts";
import * as helpers from "./helpers.ts";

const { completion, copyProject, insert, runLesson } = helpers;

const time = new Date(2026, 10, 22, 17, 7, 30).getTime();
const prompt =
  "You are a knowledgeable and enthusiastic travel assistant. Help users plan trips with practical advice.";
const system = { role: "system", content: prompt };
const user = { role: "user", content: "When?" };
const assistant = { role: "assistant", content: "In spring:\n\n\t- April" };
const followUp = { role: "user", content: "Where?" };

function format(line: object, columns = 80): string {
  const own = { pid: 12345, hostname: "my-host" };
  const fields = { level: 30, time, ...own, msg: "Hi", ...line };
  return stripVTControlCharacters(createFormatter()(fields, columns));
}

/** The cells of the longest line: two for each CJK character and emoji. */
const widest = (text: string) => {
  const wide =
    /[\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff60]|[\u{1f300}-\u{1faff}]/gu;
  const lines = stripVTControlCharacters(text).replace(wide, "xx").split("\n");
  return Math.max(...lines.map((line) => line.length));
};

test("a call shows the messages, the reply, its tokens and any error", () => {
  const parameters = { temperature: "0.7", max_tokens: 500 };
  const messages = [system, assistant];
  const request = { model: "m", messages, ...parameters };
  const err = { type: "invalid_request_error", status: 400 };
  const lines = [
    { request },
    { response: completion("One.\nTwo.") },
    { level: 60, err, hint: "Do this." },
    { level: 40, msg: "Bad.\n17:07:31 INFO  Forged" },
  ];
  expect(lines.map((line) => format(line)).join("")).toBe(`\
17:07:30 INFO  Hi
  + 1 system     You are a knowledgeable and enthusiastic travel assistant. Help
                 users plan trips with practical advice.
  + 2 assistant  In spring:

                     - April
      temperature "0.7" · max_tokens 500

17:07:30 INFO  Hi
      assistant  One.
                 Two.
      finish_reason stop · 10 prompt + 5 completion = 15 tokens

17:07:30 FATAL Hi
      type "invalid_request_error" · status 400
      hint       Do this.

17:07:30 WARN  Bad.
               17:07:31 INFO  Forged

`);
});

test.each<[line: object, shown: string[]]>([
  [{ model: "m-1", finish_reason: "x" }, ["model m-1", "finish_reason x"]],
  [{ level: 20, details: { a: { b: [{ c: 1 }] } } }, ["DEBUG", "c: 1"]],
  [{ msg: undefined, usage: { total_tokens: 1 } }, ["total_tokens: 1"]],
  [{ request: "GET /", response: "text" }, ["GET /", "response text"]],
  [{ err: { message: "Mine", stack: "Error: at" } }, ["Mine", "Error: at"]],
  [{ request: { messages: [user, null] } }, ["When?", "null"]],
  [{ response: { output: "Yo" } }, ["Yo"]],
  [{ response: completion(null, { message: { refusal: "No." } }) }, ["No."]],
  [{ msg: 4, count: 0, ok: false }, ["INFO 4", "count 0", "ok false"]],
])("shows every field that a reader logs: %j", (line, shown) => {
  const text = format(line).replace(/\s+/g, " ");
  for (const each of shown) expect(text).toContain(each);
});

test("a field that the heading shows, whatever the case, is not repeated", () => {
  const line = { part: "part 1", provider: "http://h", model: "m" };
  const text = "17:07:30 INFO  Part 1: Using M at http://h\n\n";
  expect(format({ ...line, msg: "Part 1: Using M at http://h" })).toBe(text);
});

const part1 = [system, user];
test.each<[requests: object[][], labels: string]>([
  [[part1], "+ 1 + 2"],
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

describe.each([60, 80, 120])("at %i columns, wraps", (columns) => {
  test.each([
    ["words", "word ".repeat(60).trim()],
    ["a long word", "x".repeat(200)],
    ["Japanese", "春は桜、秋は紅葉が美しい。".repeat(12)],
    ["Korean with spaces", "봄에는 벚꽃이 ".repeat(20).trim()],
    ["words, Japanese and emoji", `word ${"東京タワー🗼".repeat(20)}`],
  ])("%s without losing text", (_what, msg) => {
    const request = { messages: [{ role: "user", content: msg }], stop: msg };
    const rows = { err: { type: msg }, hint: msg, parameters: { a: msg } };
    const line = { msg, request, ...rows, mine: msg };
    const text = format({ ...line, response: completion(msg) }, columns);
    expect(widest(text)).toBeLessThanOrEqual(columns);
    expect(widest(text)).toBeGreaterThan(columns - 10);
    const count = text.replace(/\s/g, "").split(msg.replace(/\s/g, "")).length;
    expect(count - 1).toBeGreaterThanOrEqual(7);
  });
});

describe.runIf(helpers.hasTerminal).concurrent("in a terminal", () => {
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

  test("Japanese and a reader's own fields fit in 60 columns", async () => {
    const folder = copyProject(
      ["year to visit Japan?", `${"日本へ行くのはいつ？🗾".repeat(9)}?`],
      insert('logger.info({ model, finish_reason: "x", mine: 7 }, "own");'),
    );
    const options = { env: { ...env, NO_COLOR: "1" }, folder, columns: 60 };
    const { stdout } = await runLesson(options);
    expect(widest(stdout)).toBeLessThanOrEqual(60);
    const fields = / own\n +model +offline\n +finish_reason +x\n +mine +7\n/;
    expect(stdout).toMatch(fields);
    expect(stdout).not.toContain("\x1b");
  });
});
