import type { ChildProcess } from "node:child_process";
import { existsSync, openSync } from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { logger } from "../exercises/common/logger.ts";
import * as helpers from "./helpers.ts";

const { apiError, completion, runLesson, startServer } = helpers;

// Clear the screen, OSC 52, BEL, C1 CSI, CR, BS, DEL, and right-to-left marks.
const TEXT = "A\x1b[2J\x1b]52;c;aGk=\x07\x9b31mB\rC\b\x7f\u202eD\u2066\tE\nF";
const ESCAPED = "A\\u001b[2J\\u001b]52;c;aGk=\\u0007\\u009b31mB";
const CONTROLS = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;
const KEY = "sk-A.b_c~d!e1f2-34567";

const outputs: [output: string, columns?: number][] = [["a pipe"]];
if (helpers.hasTerminal) outputs.push(["a terminal", 80]);

describe.concurrent.each(outputs)("in %s, the log", (_output, columns) => {
  test("contains neither the key nor control characters", async () => {
    const headers = { "x-request-id": KEY };
    // The message is cut at 300 characters, inside the second key.
    const text = `Bad ${KEY}, ${"x".repeat(260)} ${KEY}`;
    const error = {
      status: 401,
      headers,
      body: apiError(text, { code: TEXT }),
    };
    const reply = `Your key is ${KEY}. ${TEXT}`;
    const body = { ...completion(reply), [KEY]: KEY };
    const { calls, env } = await startServer({ body }, error);
    const settings = { OPENAI_API_KEY: KEY, LOG_LEVEL: "trace", NO_COLOR: "1" };
    const options = { env: { ...env, ...settings }, columns };
    const { stdout, stderr, status } = await runLesson(options);
    expect(status).toBe(1);
    expect(stdout).toContain("[OPENAI_API_KEY]");
    expect(stdout + stderr).not.toContain("sk-");
    expect(stdout).toContain(ESCAPED);
    expect(stdout + stderr).not.toMatch(CONTROLS);
    expect(calls[1]?.headers.authorization).toBe(`Bearer ${KEY}`);
    expect(calls[1]?.body.messages[2]?.content).toBe(reply);
  });
});

test("a dummy key is not replaced", async () => {
  const { env } = await startServer({ body: completion("lm-studio") });
  const dummy = { OPENAI_API_KEY: "lm-studio", OPENAI_MODEL: "lm-studio/m" };
  const { stdout } = await runLesson({ env: { ...env, ...dummy } });
  expect(stdout).toContain('"content":"lm-studio"');
  expect(stdout).toContain('"model":"lm-studio/m"');
});

const isWindows = process.platform === "win32";

test.skipIf(isWindows)("Ctrl+C ends the run without an error", async () => {
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

const hasFullDisk = existsSync("/dev/full");

test.runIf(hasFullDisk)("a full disk ends the run, and says so", async () => {
  const stdout = openSync("/dev/full", "w");
  const { status, stderr } = await runLesson({ stdout });
  expect(status).toBe(1);
  expect(stderr).toMatch(/^ENOSPC.*\n$/);
});

test("LOG_LEVEL selects which lines are logged", async () => {
  const { lines, status } = await runLesson({ env: { LOG_LEVEL: "WARN" } });
  expect(status).toBe(0);
  expect(lines).toMatchObject([{ level: 40, model: "offline" }]);
});

describe("the form of the log", () => {
  const { isTTY } = process.stdout;
  afterEach(() => void Object.assign(process.stdout, { isTTY }));

  test.each([
    [true, /^\d\d:\d\d:\d\d INFO {2}a: Hi\n {6}mine {7}7\n\n$/],
    [false, /^\{"level":30,.*,"part":"a","mine":7,"msg":"Hi"\}\n$/],
  ])("isTTY %j: %s", (isTTY, form) => {
    const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    Object.assign(process.stdout, { isTTY });
    logger.info({ part: "a", mine: 7 }, "Hi");
    expect(write.mock.calls).toEqual([[expect.stringMatching(form)]]);
  });
});
