import { describe, expect, test } from "vitest";
import {
  apiError,
  completion,
  hasTerminal,
  runLesson,
  startServer,
} from "./helpers.ts";

// Clear the screen, OSC 52, BEL, a C1 CSI, CR, BS, DEL, right-to-left override
// and isolate.
const TEXT = "A\x1b[2J\x1b]52;c;aGk=\x07\x9b31mB\rC\b\x7f\u202eD\u2066\tE\nF";
const CONTROLS = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;
const KEY = "sk-secret/key+1234=";

const outputs: [output: string, columns?: number][] = [["a pipe"]];
if (hasTerminal) outputs.push(["a terminal", 80]);

describe.concurrent("the output", () => {
  test.each(outputs)("%s never shows the key", async (_output, columns) => {
    const { calls, env } = await startServer((index) => {
      const body = { ...completion(`Your key is ${KEY}.`), [KEY]: KEY };
      if (index === 0) return { body };
      const message = `Bad ${KEY}, ${"x".repeat(270)} ${KEY}`;
      const headers = { "x-request-id": KEY };
      return { status: 401, headers, body: apiError(message, { code: KEY }) };
    });
    const secret = { ...env, OPENAI_API_KEY: KEY, LOG_LEVEL: "trace" };
    const { stdout, status } = await runLesson({ env: secret, columns });
    expect(status).toBe(1);
    expect(stdout).toContain("[OPENAI_API_KEY]");
    expect(stdout).not.toContain("secret");
    expect(calls[1]?.headers.authorization).toBe(`Bearer ${KEY}`);
    expect(calls[1]?.body.messages[2]?.content).toContain(KEY);
  });

  test.each(outputs)(
    "%s never gets control characters",
    async (_output, columns) => {
      const { env } = await startServer((index) =>
        index === 0
          ? { body: completion(TEXT) }
          : { status: 400, body: apiError(TEXT, { code: TEXT }) },
      );
      const colorless = { ...env, NO_COLOR: "1" };
      const { stdout, lines } = await runLesson({ env: colorless, columns });
      expect(stdout).not.toMatch(CONTROLS);
      expect(stdout).toContain(
        "A\\u001b[2J\\u001b]52;c;aGk=\\u0007\\u009b31mB\\",
      );
      const response = lines.find(({ response }) => response)?.response;
      if (!columns) expect(response).toEqual(completion(TEXT));
    },
  );
});

test.concurrent.each(["none", "EMPTY", "a"])(
  "a key that is a placeholder stays: %s",
  async (key) => {
    const body = completion("none, EMPTY, a");
    const { env } = await startServer(() => ({ body }));
    const keyed = { ...env, OPENAI_API_KEY: key };
    const { lines, status } = await runLesson({ env: keyed });
    expect(status).toBe(0);
    expect(lines.find(({ response }) => response)?.response).toEqual(body);
  },
);

test.skipIf(process.platform === "win32")(
  "Ctrl-C ends it quietly",
  async () => {
    const { env } = await startServer(() => undefined);
    const { signal, stderr, lines } = await runLesson({
      env,
      onStdout: (child) => child.kill("SIGINT"),
    });
    expect({ signal, stderr }).toEqual({ signal: "SIGINT", stderr: "" });
    expect(lines.every(({ level }) => level === 30)).toBe(true);
  },
);

test("a closed pipe ends it quietly", async () => {
  const body = completion("Yes.");
  const { calls, env } = await startServer(() => ({ body }));
  const { status, stderr } = await runLesson({
    env,
    onStdout: (child) => child.stdout?.destroy(),
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(calls.length).toBeLessThan(2);
});

test("LOG_LEVEL selects the lines", async () => {
  const { lines, status } = await runLesson({ env: { LOG_LEVEL: "WARN" } });
  expect(status).toBe(0);
  expect(lines).toMatchObject([{ level: 40, provider: "offline" }]);
});
