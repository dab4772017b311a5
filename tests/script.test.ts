import { spawnSync } from "node:child_process";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, test, vi } from "vitest";
import {
  COMMAND,
  completion,
  copyProject,
  expectFatal,
  importScript,
  KEY,
  runScript,
  SCRIPT,
  startServer,
} from "./helpers.ts";

const CLIENT = "const client = new OpenAI(options);\n";

test("the log is the wire, and each request contains the list", async () => {
  const body = completion('One\nTwo\r\n"three" \\ 四 🗾 \u2028 five\t.');
  const { calls, env } = await startServer({ body });
  const run = await runScript({ env });
  expect(run).toMatchObject({ status: 0, stderr: "" });
  const logged = run.requests.map((request) => JSON.stringify(request));
  expect(logged).toEqual(calls.map(({ text }) => text));
  expect(run.responses).toEqual([body, body]);

  const message = (role: string, text: string) => {
    return { role, content: expect.stringContaining(text) };
  };
  const parameters = { model: "test-model", temperature: 0.7, max_tokens: 500 };
  const part1 = [message("system", "travel"), message("user", "Japan")];
  const reply = body.choices[0]?.message;
  const part2 = [...part1, reply, message("user", "Tokyo")];
  expect(run.requests).toEqual([
    { ...parameters, messages: part1 },
    { ...parameters, messages: part2 },
  ]);
  const lines = run.lines.filter(({ response }) => response);
  expect(lines).toMatchObject([
    { part: "Part 1 (single-turn)", msg: "received the response" },
    { part: "Part 2 (multi-turn)", msg: "received the response" },
  ]);
  expect(calls[0]?.headers.authorization).toBe(`Bearer ${KEY}`);
});

test("OpenAI gets what `adapt` returns, and the log shows it", async () => {
  vi.stubEnv("OPENAI_API_KEY", KEY);
  const send = vi.fn<typeof fetch>();
  send.mockImplementation(async () => Response.json(completion("Yes.")));
  vi.stubGlobal("fetch", send);
  const { requests } = await importScript();
  const logged = requests.map((request) => JSON.stringify(request));
  expect(logged).toEqual(send.mock.calls.map(([, init]) => init?.body));
  expect(requests[0]).toHaveProperty("max_completion_tokens");
});

test.each([{}, { choices: [null] }, { choices: [{}] }])(
  "%j is a response without text",
  async (body) => {
    vi.stubEnv("OPENAI_API_KEY", KEY);
    vi.stubGlobal("fetch", async () => Response.json(body));
    await expect(importScript()).rejects.toThrow("The response has no text.");
  },
);

describe.concurrent("a failed run ends with one fatal line:", () => {
  test("the server's words without the key, and a hint", async () => {
    // The message is cut at 300 characters, inside the second key.
    const message = `${`Bad\n${KEY} `.padEnd(290, "x")}${KEY}`;
    const { env } = await startServer(
      { body: completion(`Your key is ${KEY}.`) },
      { status: 401, body: { error: { message } } },
    );
    const run = await runScript({
      env: { ...env, OPENAI_API_KEY: `${KEY} `, LOG_LEVEL: "debug" },
    });
    const { msg, hint } = expectFatal(run);
    expect(msg).toMatch(/^401 Bad \[OPENAI_API_KEY\] x+\[.*…$/);
    expect(msg).toHaveLength(300);
    expect(hint).toMatch(/^Check that OPENAI_API_KEY/);
    expect(run.stdout + run.stderr).not.toContain("sk-");
    const { level, err } = run.lines.at(-2) ?? {};
    expect(level).toBe(20);
    expect(err?.stack).toContain(SCRIPT);
  });

  test("a reply without text, after a warning if it was cut off", async () => {
    const body = completion("", { finish_reason: "length" });
    const { env } = await startServer({ body });
    const run = await runScript({ env });
    const { msg, hint } = expectFatal(run);
    expect(msg).toBe("The response has no text. See it in the log.");
    expect(hint).toBeUndefined();
    expect(run.lines.at(-2)).toMatchObject({ level: 40 });
    expect(run.responses).toEqual([body]);
  });

  test("the first of two errors", async () => {
    const errors = `
      setTimeout(() => { throw new Error("first"); });
      setTimeout(() => { logger.info("late"); throw new Error("second"); });`;
    const folder = copyProject([CLIENT, CLIENT + errors]);
    const { msg } = expectFatal(await runScript({ folder }));
    expect(msg).toBe("first");
  });
});

test("stderr says why a run failed, even if the log is silent", async () => {
  const env = {
    OPENAI_BASE_URL: "http://127.0.0.1:2",
    OPENAI_MODEL: "m",
    // A short key may be an ordinary word.
    OPENAI_API_KEY: "connect",
    LOG_LEVEL: "silent",
  };
  const { stdout, stderr, status } = await runScript({ env });
  expect({ stdout, status }).toEqual({ stdout: "", status: 1 });
  expect(stderr).toMatch(
    /^Connection error: connect ECONNREFUSED 127\.0\.0\.1:2\nCheck that the server is running/,
  );
});

const isWindows = process.platform === "win32";

test.skipIf(isWindows)("a closed pipe isn't an error", async () => {
  const command = `{ ${COMMAND}; echo $? >&2; } | true`;
  const { stderr } = await runScript({ command });
  expect(stderr).toBe("0\n");
});

// util-linux's `script` opens a terminal.
const { stdout: version } = spawnSync("script", ["--version"]);
const hasTerminal = String(version).includes("util-linux");

test.runIf(hasTerminal)(
  "a terminal shows text, and an error once",
  async () => {
    const end =
      'process.once("beforeExit", () => { throw new Error("Boom."); });';
    const { stdout } = await runScript({
      folder: copyProject([CLIENT, CLIENT + end]),
      command: `script -qefc 'stty cols 70; ${COMMAND}' /dev/null`,
      env: { TERM: "xterm-256color" },
    });
    // The fatal line is shown, so that stderr doesn't repeat it.
    expect(stdout.split("Boom.")).toHaveLength(2);

    const lines = stripVTControlCharacters(stdout).split(/\r?\n/);
    const width = Math.max(...lines.map((line) => line.length));
    expect(width).toBeLessThanOrEqual(70);
    expect(width).toBeGreaterThan(60);

    const part2 = stdout.slice(stdout.indexOf("Part 2"));
    expect(part2.match(/^\x1b\[\d+m  [+ ] \d \w+/gm)).toEqual([
      "\x1b[35m    1 system",
      "\x1b[36m    2 user",
      "\x1b[32m  + 3 assistant",
      "\x1b[36m  + 4 user",
    ]);
    expect(part2).toMatch(/^ {17}\x1b\[90mmodel "offline"/m);
  },
);
