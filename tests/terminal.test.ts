import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import { draw } from "../exercises/common/view.ts";
import { completion, hasTerminal, run, serve } from "./harness.ts";

const time = Date.parse("2026-11-22T17:07:30");
const drawn = (line: object) =>
  stripVTControlCharacters(draw({ time, pid: 1, hostname: "h", ...line }));
const [system, user, assistant, followUp] = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "When?" },
  { role: "assistant", content: "In spring:\n\n  - March\n  - April" },
  { role: "user", content: "Where?" },
];
const parameters = { temperature: 0.7, max_tokens: 500 };

describe("the drawn view", () => {
  test("a request is its messages and its parameters", () => {
    const request = {
      model: "m",
      messages: [system, user, assistant, followUp],
      ...parameters,
    };
    expect(
      drawn({
        level: 30,
        part: "multi-turn",
        request,
        msg: "Sending 4 messages",
      }),
    ).toBe(
      `17:07:30 INFO: Sending 4 messages
    system     Be brief.
    user       When?
    assistant  In spring:
               
                 - March
                 - April
    user       Where?
    temperature 0.7 · max_tokens 500
`,
    );
  });

  test("a response is its reply, how it ended and what it took", () => {
    const response = completion("One.\nTwo.");
    expect(
      drawn({
        level: 30,
        response,
        duration_ms: 1234,
        msg: "Received a reply",
      }),
    ).toBe(
      `17:07:30 INFO: Received a reply
    assistant  One.
               Two.
    finish_reason stop · tokens 10 prompt + 5 completion = 15 · seconds 1.2
`,
    );
  });

  test("a response with no text and no usage", () => {
    const response = { ...completion(null), usage: null };
    expect(drawn({ level: 30, response, msg: "Received a reply" })).toMatch(
      /assistant  null\n    finish_reason stop · seconds 0\.0\n$/,
    );
  });

  test("a parameter that is no text", () => {
    const request = { messages: [], response_format: { type: "text" } };
    expect(drawn({ level: 30, request, msg: "Sending" })).toContain(
      'response_format {"type":"text"}',
    );
  });

  test("a failure is its facts and its hint", () => {
    const err = { type: "x", status: 401, stack: "Error\n    at here" };
    expect(drawn({ level: 60, err, hint: "Do this.", msg: "No." })).toBe(
      `17:07:30 FATAL: No.
    type x · status 401
    hint       Do this.
    stack      Error
                   at here
`,
    );
  });

  test("a refusal is what is sent instead", () => {
    expect(
      drawn({ level: 40, refused: "max_tokens", parameters, msg: "Refused." }),
    ).toBe("17:07:30 WARN: Refused.\n    temperature 0.7 · max_tokens 500\n");
  });

  test("the SDK's details are drawn by pino-pretty", () => {
    expect(drawn({ level: 20, details: { status: 200 }, msg: "Talk" })).toMatch(
      /^17:07:30 DEBUG: Talk\n    details: \{\n\s+"status": 200/,
    );
  });
});

describe.skipIf(!hasTerminal)("in a terminal", () => {
  const env = { TERM: "xterm-256color" };
  // The first word of each row, in the order of the rows.
  const labels = (screen: string) =>
    [...screen.matchAll(/^    (\w+)/gm)].map(([, label]) => label);

  test("the list is seen to grow, in colour", async () => {
    const { stdout, status } = await run({ env, columns: 0 });
    expect(status).toBe(0);
    expect(stdout).toContain("\x1b[36m");
    const screen = stripVTControlCharacters(stdout).replaceAll("\r\n", "\n");
    expect(screen).not.toContain("{");
    expect(labels(screen)).toEqual([
      ...["system", "user", "temperature"],
      ...["assistant", "finish_reason"],
      ...["system", "user", "assistant", "user", "temperature"],
      ...["assistant", "finish_reason"],
    ]);
    expect(screen).toMatch(/^\d\d:\d\d:\d\d WARN: .*No model answers/);
    expect(screen).toContain(
      "    user       What's the best time of year to visit Japan?\n",
    );
  });

  test("NO_COLOR is honoured", async () => {
    const { stdout } = await run({
      env: { ...env, NO_COLOR: "1" },
      columns: 0,
    });
    expect(stdout).toMatch(/INFO: Sending 4 messages/);
    expect(stdout).not.toContain("\x1b");
  });

  test("a long line is wrapped at spaces, under itself", async () => {
    const { stdout } = await run({
      env: { ...env, NO_COLOR: "1" },
      columns: 60,
    });
    expect(stdout).toContain(
      [
        "    system     You are a knowledgeable and enthusiastic",
        "               travel assistant. Help users plan trips with",
        "               practical advice.",
      ].join("\r\n"),
    );
  });

  test("wrapping loses nothing at a line break that is none", async () => {
    const words = "hello world foo\u2028bar baz qux quux corge grault";
    const { env: provider } = await serve(() => completion(words));
    const { stdout } = await run({ env: { ...env, ...provider }, columns: 40 });
    const screen = stripVTControlCharacters(stdout);
    expect(screen).toMatch(/assistant {2}hello world foo\u2028bar/);
  });

  // Clear the screen, move the cursor, OSC 52, a C1 CSI, bell, lone carriage
  // return, backspace, DEL, a bidirectional override and isolate.
  const WILD =
    "A\x1b[2J\x1b[1;1H\x1b]52;c;aGk=\x07\x9b31mB\rC\b\x7f\u202eD\u2066\tE\r\nF";
  const TAMED =
    "A\\u001b[2J\\u001b[1;1H\\u001b]52;c;aGk=\\u0007\\u009b31mB\\u000dC\\u0008\\u007f\\u202eD\\u2066\tE";
  // All that a terminal could take for a command, but the line break.
  const COMMANDS = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

  test("a reply full of escape codes arrives as visible text", async () => {
    const { env: provider } = await serve(() => completion(WILD));
    const { stdout, status } = await run({
      env: { ...env, ...provider, NO_COLOR: "1" },
      columns: 0,
    });
    expect(status).toBe(0);
    const screen = stdout.replaceAll("\r\n", "\n");
    expect(screen).toContain(`    assistant  ${TAMED}
               F
`);
    expect(screen).not.toMatch(COMMANDS);
  });

  test("so does an error", async () => {
    const { env: provider } = await serve((_call, _index, response) => {
      response.statusCode = 400;
      return { error: { message: `A${WILD}`, code: WILD } };
    });
    const { stdout, status } = await run({
      env: { ...env, ...provider, NO_COLOR: "1" },
      columns: 0,
    });
    expect(status).toBe(1);
    const screen = stdout.replaceAll("\r\n", "\n");
    expect(screen).toMatch(/FATAL: AA\\u001b\[2J/);
    expect(screen).not.toMatch(COMMANDS);
  });

  test("so does a model's name", async () => {
    const { env: provider } = await serve(() => ({
      data: [{ id: `m${WILD}` }],
    }));
    const { stdout } = await run({
      env: { ...env, ...provider, OPENAI_MODEL: "", NO_COLOR: "1" },
      columns: 0,
    });
    const screen = stdout.replaceAll("\r\n", "\n");
    expect(screen).toContain("lists mA\\u001b[2J");
    expect(screen).not.toMatch(COMMANDS);
  });

  test("in a pipe they are another spelling of the same text", async () => {
    const { env: provider } = await serve(() => completion(WILD));
    const { stdout, lines } = await run({ env: provider });
    expect(stdout.replaceAll("\n", "")).not.toMatch(COMMANDS);
    expect(lines.find(({ response }) => response)?.response).toEqual(
      completion(WILD),
    );
  });
});

describe("the key is in no line", () => {
  const KEY = 'sk-"secret\\key"';

  test.each<[level: string, columns?: number]>([
    ["info"],
    ["debug"],
    ["trace"],
    ...(hasTerminal ? [["trace", 0] satisfies [string, number]] : []),
  ])(
    "at %s, where the server repeats it (columns: %s)",
    async (level, columns) => {
      const { calls, env } = await serve((_call, index, response) => {
        const content = `Your key is ${KEY}, in JSON ${JSON.stringify({ KEY })}, in a URL ${encodeURIComponent(KEY)}`;
        if (index === 0) return { ...completion(content), [KEY]: { key: KEY } };
        response.statusCode = 401;
        response.setHeader("x-request-id", KEY);
        // The sentence is cut within the key, which must not leave half of it.
        const message = `${"x".repeat(484)} Bad ${KEY} ${JSON.stringify(KEY)}`;
        return { error: { message, code: KEY, param: [KEY] } };
      });
      const { stdout, status } = await run({
        env: { ...env, OPENAI_API_KEY: KEY, LOG_LEVEL: level },
        ...(columns !== undefined && { columns }),
      });
      expect(status).toBe(1);
      expect(calls[1]?.headers.authorization).toBe(`Bearer ${KEY}`);
      expect(calls[1]?.body.messages[2]?.content).toContain(KEY);
      expect(stdout).toContain("[OPENAI_API_KEY]");
      for (const word of [KEY, JSON.stringify(KEY).slice(1, -1), "secret"]) {
        expect(stdout).not.toContain(word);
      }
    },
  );

  test.each<[string, columns?: number]>([
    ["12"],
    ["e"],
    ...(hasTerminal ? [["a", 0] satisfies [string, number]] : []),
  ])(
    "a key as short as %s breaks nothing (columns: %s)",
    async (key, columns) => {
      const { calls, env } = await serve(() => completion(`x ${key} "12" \n`));
      const { status, lines, stdout } = await run({
        env: { ...env, OPENAI_API_KEY: key },
        ...(columns !== undefined && { columns }),
      });
      expect(status).toBe(0);
      expect(calls).toHaveLength(2);
      if (columns !== undefined) return;
      expect(lines).toHaveLength(stdout.trimEnd().split("\n").length);
      expect(lines).toHaveLength(5);
    },
  );
});
