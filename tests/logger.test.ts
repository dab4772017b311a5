import { existsSync, openSync } from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { logger } from "../exercises/common/logger.ts";
import {
  apiError,
  completion,
  copyProject,
  expectFatal,
  hasTerminal,
  runLesson,
  startServer,
} from "./helpers.ts";

// The shortest key that is hidden.
const KEY = "sk-A.b_c~d!e1f2-3456";

test("the log doesn't contain the key", async () => {
  // The message is cut at 300 characters, inside the second key.
  const message = `${`Bad ${KEY} `.padEnd(290, "x")} ${KEY}`;
  const error = { status: 401, body: apiError(message) };
  const reply = `Your key is ${KEY}.`;
  const body = { ...completion(reply), [KEY]: KEY };
  const { calls, env } = await startServer({ body }, error);
  const settings = { OPENAI_API_KEY: KEY, LOG_LEVEL: "trace" };
  const run = await runLesson({ env: { ...env, ...settings } });
  expect(run.status).toBe(1);
  expect(run.stdout).toContain("[OPENAI_API_KEY]");
  expect(run.stdout + run.stderr).not.toContain("sk-");
  expect(calls[1]?.headers.authorization).toBe(`Bearer ${KEY}`);
});

test("a dummy key is not hidden", async () => {
  const dummy = "lm-studio-123456789";
  expect(dummy).toHaveLength(KEY.length - 1);
  const { env } = await startServer({ body: completion(dummy) });
  const { stdout } = await runLesson({
    env: { ...env, OPENAI_API_KEY: dummy },
  });
  expect(stdout).toContain(`"content":"${dummy}"`);
});

describe.concurrent("a run that fails", () => {
  test("ends with a fatal line, and keeps the lines before it", async () => {
    const fields = { type: "invalid", code: "bad_key", param: "key" };
    const { env, calls } = await startServer(
      { body: completion("Yes.") },
      {
        status: 429,
        headers: { "retry-after-ms": "3600000", "x-request-id": "req_42" },
        body: apiError("Bad\nkey.", fields),
      },
    );
    const run = await runLesson({ env });
    const fatal = expectFatal(run);
    expect(fatal.msg).toBe("429 Bad key.");
    expect(fatal.details).toEqual(fields);
    expect(run.responses).toEqual([completion("Yes.")]);
    expect(calls).toHaveLength(2);
  });

  test("says that a reply has no text", async () => {
    const { env } = await startServer({ body: completion("") });
    const { msg } = expectFatal(await runLesson({ env }));
    expect(msg).toMatch(/^The response has no text\..*\.ts:\d+\)$/);
  });

  test("says that no server is listening, and tries once", async () => {
    const env = { OPENAI_BASE_URL: "http://127.0.0.1:2", OPENAI_MODEL: "m" };
    const { msg, hint } = expectFatal(await runLesson({ env }));
    const words = "Connection error: connect ECONNREFUSED 127.0.0.1:2";
    expect(msg).toBe(words);
    expect(hint).toContain("server is running");
  });

  test("ends when the first of several calls fails", async () => {
    const { env } = await startServer(
      { status: 400, body: apiError("First.") },
      { body: completion("Late.") },
    );
    const both = `void complete("First", messages);
void complete("Second", messages);
const reply = await complete("Third", messages);`;
    const call =
      'const reply = await complete("Part 1 (single-turn)", messages);';
    const folder = copyProject([call, both]);
    expect(expectFatal(await runLesson({ folder, env })).msg).toBe(
      "400 First.",
    );
  });

  test("logs nothing after the fatal line", async () => {
    const late = 'process.on("exit", () => logger.info("late"));\n';
    const error = 'throw new Error("no");\n';
    const folder = copyProject(["const reply", `${late}${error}const reply`]);
    expect(expectFatal(await runLesson({ folder })).msg).toMatch(/^no/);
  });

  test("logs one fatal line if two errors come at once", async () => {
    const reject = 'void Promise.reject(new Error("no"));\n';
    const folder = copyProject([
      "const reply",
      `${reject}${reject}const reply`,
    ]);
    const { msg } = expectFatal(await runLesson({ folder }));
    expect(msg).toMatch(/^no \(01_chat_completion\.ts:\d+\)$/);
  });

  test("shows the stack at debug level", async () => {
    const { env } = await startServer({ status: 401, body: apiError("No.") });
    const { lines } = await runLesson({ env: { ...env, LOG_LEVEL: "debug" } });
    const { level, err } = lines.at(-2) ?? {};
    expect(level).toBe(20);
    expect(err?.stack).toMatch(/01_chat_completion\.ts:\d+/);
  });

  test("says on stderr what LOG_LEVEL hides", async () => {
    const env = { LOG_LEVEL: "silent", OPENAI_BASE_URL: "http://h" };
    const { stdout, stderr, status } = await runLesson({ env });
    expect({ stdout, status }).toEqual({ stdout: "", status: 1 });
    expect(stderr).toMatch(/^OPENAI_BASE_URL is set.*\n$/);
  });

  test.runIf(hasTerminal)(
    "says in a terminal what LOG_LEVEL hides",
    async () => {
      const env = { LOG_LEVEL: "silent", OPENAI_BASE_URL: "http://h" };
      // The terminal shows stderr, too.
      const { stdout, status } = await runLesson({ env, columns: 80 });
      expect(status).toBe(1);
      expect(stdout).toMatch(/^OPENAI_BASE_URL is set/);
    },
  );
});

test("a closed pipe ends the run without an error", async () => {
  const { calls, env } = await startServer({ body: completion("Yes.") });
  const run = await runLesson({
    env,
    onOutput: (child) => child.stdout?.destroy(),
  });
  expect(run).toMatchObject({ status: 0, stderr: "" });
  expect(calls.length).toBeLessThan(2);
});

test.runIf(existsSync("/dev/full"))("a full disk ends the run", async () => {
  const stdout = openSync("/dev/full", "w");
  const { status, stderr } = await runLesson({ stdout });
  expect(status).toBe(1);
  expect(stderr).toMatch(/^ENOSPC.*\n$/);
});

test("LOG_LEVEL selects which lines are logged", async () => {
  const { stdout, status } = await runLesson({ env: { LOG_LEVEL: "WARN" } });
  expect({ stdout, status }).toEqual({ stdout: "", status: 0 });
});

describe("in process", () => {
  const { isTTY } = process.stdout;
  afterEach(() => void Object.assign(process.stdout, { isTTY }));

  /** Returns what is written to stdout. */
  function capture(log: () => void): string {
    const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    log();
    return write.mock.calls.join("");
  }

  test.each([
    [true, /^\d\d:\d\d:\d\d INFO {4}a: Hi\n {6}mine {7}7\n\n$/],
    [false, /^\{"level":30,.*,"part":"a","mine":7,"msg":"Hi"\}\n$/],
  ])("the form of the log if isTTY is %j", (isTTY, form) => {
    Object.assign(process.stdout, { isTTY });
    expect(capture(() => logger.info({ part: "a", mine: 7 }, "Hi"))).toMatch(
      form,
    );
  });
});
