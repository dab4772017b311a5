import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import OpenAI from "openai";
import { beforeEach, expect, test, vi } from "vitest";
import { copyProject, startServer } from "./helpers.ts";

// The copy reads the .env of its own folder.
const folder = copyProject();
const envFile = join(folder, ".env");
const { loadProvider }: typeof import("../exercises/common/provider.ts") =
  await import(join(folder, "exercises/common/provider.ts"));

const OPENAI = "https://api.openai.com/v1";
const LOCAL = "http://localhost:11434/v1";

let log = "";
beforeEach(() => {
  vi.useRealTimers();
  rmSync(envFile, { force: true });
  log = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    log += text;
    return true;
  });
});

type Variables = Record<string, string>;

/** Loads the provider with these settings. Restores the shell afterwards. */
function load(shell: Variables, file?: Variables) {
  const before = { ...process.env };
  Object.assign(process.env, shell);
  if (file) {
    const lines = Object.entries(file).map((entry) => entry.join("="));
    writeFileSync(envFile, lines.join("\n"));
  }
  try {
    return { ...loadProvider(), env: process.env };
  } finally {
    process.env = before;
  }
}

const key = { OPENAI_API_KEY: " k " };
const model = { OPENAI_MODEL: "m" };
const server = { OPENAI_BASE_URL: LOCAL, ...model };
const SHELL = "your shell (there is no .env)";

type Expected = [url: string, key: string, model: string, place: string];

test.each<[shell: Variables, file: Variables | undefined, ...Expected]>([
  [key, undefined, OPENAI, "k", "gpt-6-luna", SHELL],
  [{ ...key, ...server }, undefined, LOCAL, "k", "m", SHELL],
  [{ ...key, OPENAI_MODEL: "x" }, server, LOCAL, "none", "m", ".env"],
  [server, key, OPENAI, "k", "gpt-6-luna", ".env"],
])("the shell sets %j and .env %j: %s, %s, %s, in %s", (...row) => {
  const [shell, file, baseURL, apiKey, model, place] = row;
  const provider = load(shell, file);
  expect(provider.options).toMatchObject({ baseURL, apiKey });
  expect(provider.model).toBe(model);
  const msg = `Using the settings in ${place}`;
  expect(JSON.parse(log)).toMatchObject({ level: 30, baseURL, model, msg });
});

test.each<[shell: Variables, file: Variables | undefined, place: string]>([
  [{ ...model, OPENAI_API_KEY: " " }, undefined, SHELL],
  [{ ...key, ...server }, model, ".env"],
])("the shell sets %j and .env %j: offline", async (shell, file, place) => {
  const { model, options } = load(shell, file);
  const { level, msg } = JSON.parse(log);
  expect(level).toBe(30);
  expect(msg).toBe(
    `Offline, without a model: neither OPENAI_API_KEY nor OPENAI_BASE_URL is set in ${place}`,
  );
  const { chat } = new OpenAI(options);
  const call = chat.completions.create({ model, messages: [] });
  await expect(call).resolves.toHaveProperty("choices");
});

test("nothing of the shell's OPENAI_* is left for a server in .env", () => {
  const { env } = load({ ...key, OPENAI_CUSTOM_HEADERS: "X: k" }, server);
  const names = Object.keys(env).filter((name) => name.startsWith("OPENAI_"));
  expect(names.sort()).toEqual(["OPENAI_BASE_URL", "OPENAI_MODEL"]);
});

test.each([
  ["OPENAI_API_KEY", "sk 1"],
  ["OPENAI_API_KEY", "'sk-1'"],
  ["OPENAI_API_KEY", "sk\\1"],
  ["OPENAI_API_KEY", "sk-ä"],
  ["OPENAI_BASE_URL", "localhost:11434"],
  ["OPENAI_BASE_URL", "https://a b/v1"],
])("%s can't be %s", (name, value) => {
  const message = new RegExp(`^${name} (contains|must be) [^1ä]*$`);
  expect(() => load({ ...model, [name]: value })).toThrow(message);
});

test("a base URL without a model and an unknown level are errors", () => {
  const settings = { OPENAI_BASE_URL: LOCAL };
  expect(() => load(settings)).toThrow("OPENAI_MODEL must be set");
  expect(() => load({ LOG_LEVEL: "warning" })).toThrow(
    "LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent.",
  );
});

const FAKE = "https://a.openai.com.example/v1/.openai.com";
const LIMIT = { max_tokens: 5 };
const RENAMED = { max_completion_tokens: 5 };
const COLD = { temperature: 0 };
const LOW = { ...COLD, reasoning_effort: "low" };
const MINI = { ...COLD, model: "gpt-4o-mini" };

test.each<[baseURL: string, given: object, sent: object]>([
  [OPENAI, LIMIT, RENAMED],
  ["https://a.openai.azure.com/openai/v1", LIMIT, RENAMED],
  [OPENAI, COLD, { ...COLD, reasoning_effort: "none" }],
  [OPENAI, LOW, LOW],
  [OPENAI, MINI, MINI],
  [
    OPENAI,
    { ...LIMIT, max_completion_tokens: 6 },
    { max_completion_tokens: 6 },
  ],
  [FAKE, { ...LIMIT, ...COLD }, { ...LIMIT, ...COLD }],
  // A missing `await` reaches the server.
  [LOCAL, { messages: Promise.resolve() }, { messages: {} }],
])("%s: %j is sent as %j", (baseURL, given, sent) => {
  const { adapt } = load({ ...server, OPENAI_BASE_URL: baseURL });
  const request = { model: "gpt-6-luna", messages: [] };
  expect(adapt({ ...request, ...given })).toEqual({ ...request, ...sent });
});

test("a later push to the messages doesn't change a request", () => {
  const { adapt } = load({});
  const messages: OpenAI.ChatCompletionMessageParam[] = [];
  const request = adapt({ model: "offline", messages });
  messages.push({ role: "user", content: "Hi" });
  expect(request.messages).toEqual([]);
});

/** Makes one call with the options of a provider. */
function call(baseURL: string) {
  const { options } = load({ ...server, OPENAI_BASE_URL: baseURL });
  const { chat } = new OpenAI(options);
  return chat.completions.create({ model: "m", messages: [] });
}

test.each<[status: number, headers: Variables, body: unknown, says: string]>([
  [404, {}, { error: { message: "No." } }, "404 No."],
  [404, {}, { detail: "Not Found" }, '404 {"detail":"Not Found"}'],
  [502, {}, "<p>Bad</p>", "502 <p>Bad</p>"],
  [307, { location: "/v1" }, "", "Connection error"],
])("%i %j %j is one call: %s", async (status, headers, body, says) => {
  const { calls, baseURL } = await startServer({ status, headers, body });
  await expect(call(baseURL)).rejects.toThrow(says);
  expect(calls).toHaveLength(1);
});

test("a long wait is logged until the body is complete", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const { readable, writable } = new TransformStream();
  vi.stubGlobal("fetch", async () => new Response(readable));
  const response = call(LOCAL);
  await vi.waitFor(() => expect(vi.getTimerCount()).toBe(1));
  log = "";
  vi.advanceTimersByTime(10_000);
  expect(log.match(/Still waiting for the server/g)).toHaveLength(1);

  await writable.close();
  await response;
  await vi.waitFor(() => expect(vi.getTimerCount()).toBe(0));
});

test("a failed connection ends the wait", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  await expect(call("http://127.0.0.1:2")).rejects.toThrow("Connection error");
  expect(vi.getTimerCount()).toBe(0);
});
