import { spawnSync } from "node:child_process";
import { stripVTControlCharacters } from "node:util";
import { expect, test, vi } from "vitest";
import {
  COMMAND,
  completion,
  copyProject,
  importScript,
  KEY,
  runScript,
  SCRIPT,
  startServer,
  writeEnv,
} from "./helpers.ts";

const CLIENT = "const client = new OpenAI(options);\n";

test("the log is the wire", async () => {
  const body = completion('One\nTwo\r\n"three" \\ 四 🗾 \u2028 five\t.');
  const { requests, env } = await startServer(200, body);
  const folder = copyProject();
  writeEnv(folder, env);
  const run = await runScript({ folder });
  expect(run).toMatchObject({ status: 0, stderr: "" });
  expect(run.stdout).toMatch(/^({[^\n]*}\n)+$/);
  const logged = run.requests.map((request) => JSON.stringify(request));
  expect(logged).toEqual(requests);
  expect(run.responses).toEqual([body, body]);
});

test("the log shows what is sent to OpenAI, and what comes back", async () => {
  const first = completion("Spring.");
  const second = completion("Day 1", "length");
  const send = vi.fn<typeof fetch>();
  send.mockResolvedValueOnce(Response.json(first));
  send.mockResolvedValueOnce(Response.json(second));
  vi.stubGlobal("fetch", send);
  vi.stubEnv("OPENAI_API_KEY", KEY);
  const { lines, requests, responses } = await importScript();
  const logged = requests.map((request) => JSON.stringify(request));
  expect(logged).toEqual(send.mock.calls.map(([, init]) => init?.body));
  expect(responses).toEqual([first, second]);

  const model = "gpt-6-luna";
  const parameters = { model, temperature: 0.7, max_completion_tokens: 500 };
  const system = { role: "system" };
  const user = { role: "user" };
  const reply = first.choices[0]?.message;
  const request1 = { ...parameters, messages: [system, user] };
  const request2 = { ...parameters, messages: [system, user, reply, user] };
  const msg = "received the response";
  const warning = expect.stringMatching(
    /^the reply was cut off: it reached MAX/,
  );
  expect(lines.slice(1)).toMatchObject([
    { part: "Part 1 (single-turn)", request: request1 },
    { part: "Part 1 (single-turn)", msg },
    { part: "Part 2 (multi-turn)", request: request2 },
    { part: "Part 2 (multi-turn)", msg },
    { part: "Part 2 (multi-turn)", level: 40, msg: warning },
  ]);
});

test.each([{}, { choices: [null] }, { choices: [{}] }])(
  "%j is a response without text, and is logged",
  async (response) => {
    vi.stubEnv("OPENAI_API_KEY", KEY);
    vi.stubGlobal("fetch", async () => Response.json(response));
    const error = new Error("The response has no text. See it in the log.");
    await expect(importScript()).rejects.toEqual(error);
    const json = JSON.stringify({ response }).slice(1, -1);
    const line = expect.stringContaining(json);
    expect(process.stdout.write).toHaveBeenCalledWith(line);
  },
);

test("a failed run ends with the server's words and a hint, without the key", async () => {
  // The message is cut at 300 characters, inside the second key.
  const message = `${`Bad\n${KEY} `.padEnd(290, "x")}${KEY}`;
  const metadata = { raw: "The real cause" };
  const { env } = await startServer(401, { error: { message, metadata } });
  const { status, stdout, stderr, lines } = await runScript({
    env: { ...env, OPENAI_API_KEY: `${KEY} `, LOG_LEVEL: "debug" },
  });
  const [debug, fatal] = lines.slice(-2);
  expect(debug?.level).toBe(20);
  expect(debug?.err?.stack).toContain(SCRIPT);
  const hint = "Check that OPENAI_API_KEY is set and correct.";
  expect(fatal).toMatchObject({ level: 60, hint, metadata });
  expect(fatal?.msg).toMatch(/^401 Bad \[OPENAI_API_KEY\] x+\[.*…$/);
  expect(fatal?.msg).toHaveLength(300);
  expect(stderr).toBe(`${fatal?.msg}\n${hint}\n`);
  expect(stdout + stderr).not.toContain("sk-");
  expect(status).toBe(1);
});

test("the first of two errors is the last line", async () => {
  const errors = `
    setTimeout(() => { throw new Error("first"); });
    setTimeout(() => { logger.info("late"); throw new Error("second"); });`;
  const folder = copyProject([CLIENT, CLIENT + errors]);
  const { stderr, lines } = await runScript({ folder });
  expect(lines.at(-1)).toMatchObject({ level: 60, msg: "first" });
  expect(stderr).toBe("first\n");
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

test.runIf(hasTerminal).each(["info", "silent"])(
  "at the level %s, a terminal shows an error once",
  async (LOG_LEVEL) => {
    const folder = copyProject([CLIENT, 'throw new Error("Boom.");\n']);
    const command = `script -qefc '${COMMAND}' /dev/null`;
    // A short key may be an ordinary word.
    const env = { LOG_LEVEL, OPENAI_API_KEY: "Boom." };
    const { stdout } = await runScript({ folder, command, env });
    expect(stdout.split("Boom.")).toHaveLength(2);
  },
);

test.runIf(hasTerminal)("a terminal shows text, in color", async () => {
  const command = `script -qefc 'stty cols 70; ${COMMAND}' /dev/null`;
  const { stdout } = await runScript({ command, env: { TERM: "xterm" } });
  const lines = stripVTControlCharacters(stdout).split(/\r?\n/);
  const width = Math.max(...lines.map((line) => line.length));
  expect(width).toBeLessThanOrEqual(70);
  expect(stdout).toContain("\x1b[36m  + 4 user ");
  expect(stdout).toContain('\x1b[90mmodel "offline"');
});
