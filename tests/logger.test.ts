import type { ChildProcess } from "node:child_process";
import { describe, expect, test } from "vitest";
import * as helpers from "./helpers.ts";

const { apiError, completion, runLesson, startServer } = helpers;

// Clear the screen, OSC 52, BEL, C1 CSI, CR, BS, DEL, and right-to-left marks.
const TEXT = "A\x1b[2J\x1b]52;c;aGk=\x07\x9b31mB\rC\b\x7f\u202eD\u2066\tE\nF";
const CONTROLS = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;
const KEY = "sk-A.b_c~d!e1f2";

const outputs: [output: string, columns?: number][] = [["a pipe"]];
if (helpers.hasTerminal) outputs.push(["a terminal", 80]);

describe.concurrent.each(outputs)("in %s, the log", (_output, columns) => {
  test("never contains the key", async () => {
    const headers = { "x-request-id": KEY };
    // The message is cut at 300 characters, inside the second key.
    const text = `Bad ${KEY}, ${"x".repeat(270)} ${KEY}`;
    const body = apiError(text, { code: KEY });
    const reply = { ...completion(`Your key is ${KEY}.`), [KEY]: KEY };
    const error = { status: 401, headers, body };
    const { calls, env } = await startServer({ body: reply }, error);
    const secret = { ...env, OPENAI_API_KEY: KEY, LOG_LEVEL: "trace" };
    const { stdout, status } = await runLesson({ env: secret, columns });
    expect(status).toBe(1);
    expect(stdout).toContain("[OPENAI_API_KEY]");
    expect(stdout).not.toContain("sk-");
    expect(calls[1]?.headers.authorization).toBe(`Bearer ${KEY}`);
    expect(calls[1]?.body.messages[2]?.content).toContain(KEY);
  });

  test("escapes control characters", async () => {
    const error = { status: 400, body: apiError(TEXT, { code: TEXT }) };
    const { env } = await startServer({ body: completion(TEXT) }, error);
    const options = { env: { ...env, NO_COLOR: "1" }, columns };
    const { stdout, responses } = await runLesson(options);
    expect(stdout).not.toMatch(CONTROLS);
    expect(stdout).toContain("A\\u001b[2J\\u001b]52;c;aGk=\\u0007\\u009b31mB");
    if (!columns) expect(responses).toEqual([completion(TEXT)]);
  });
});

test("a dummy key is not redacted", async () => {
  const { env } = await startServer({ body: completion("none") });
  const { stdout } = await runLesson({
    env: { ...env, OPENAI_API_KEY: "none" },
  });
  expect(stdout).toContain('"content":"none"');
});

const isWindows = process.platform === "win32";

test.skipIf(isWindows)("Ctrl-C ends the run without an error", async () => {
  const { env } = await startServer();
  const onStdout = (child: ChildProcess) => child.kill("SIGINT");
  const { signal, stderr, lines } = await runLesson({ env, onStdout });
  expect({ signal, stderr }).toEqual({ signal: "SIGINT", stderr: "" });
  expect(lines.every(({ level }) => level === 30)).toBe(true);
});

test("a closed pipe ends the run without an error", async () => {
  const { calls, env } = await startServer({ body: completion("Yes.") });
  const onStdout = (child: ChildProcess) => child.stdout?.destroy();
  const { status, stderr } = await runLesson({ env, onStdout });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(calls.length).toBeLessThan(2);
});

test("LOG_LEVEL selects which lines are logged", async () => {
  const { lines, status } = await runLesson({ env: { LOG_LEVEL: "WARN" } });
  expect(status).toBe(0);
  expect(lines).toMatchObject([{ level: 40, provider: "offline" }]);
});
