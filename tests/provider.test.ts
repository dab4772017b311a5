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
  const msg = `Offline, without a model: neither OPENAI_API_KEY nor OPENAI_BASE_URL is set in ${place}`;
  expect(JSON.parse(log)).toMatchObject({ level: 30, msg });
  const { chat } = new OpenAI(options);
  const call = chat.completions.create({ model, messages: [] });
  await expect(call).resolves.toHaveProperty("choices");
});

test("nothing of the shell's OPENAI_* is left for a server in .env", () => {
  const { env } = load({ ...key, OPENAI_CUSTOM_HEADERS: "X: k" }, server);
  const names = Object.keys(env).filter((name) => name.startsWith("OPENAI_"));
  expect(names.sort()).toEqual(["OPENAI_BASE_URL", "OPENAI_MODEL"]);
});

const BAD_KEY = /^OPENAI_API_KEY contains [^1ä]*$/;
const BAD_URL = /^OPENAI_BASE_URL must be a URL that starts with http/;

test.each<[error: RegExp, settings: Variables]>([
  [BAD_KEY, { OPENAI_API_KEY: "sk 1" }],
  [BAD_KEY, { OPENAI_API_KEY: "'sk-1'" }],
  [BAD_KEY, { OPENAI_API_KEY: "sk\\1" }],
  [BAD_KEY, { OPENAI_API_KEY: "sk-ä" }],
  [BAD_URL, { OPENAI_BASE_URL: "localhost:11434", ...model }],
  [BAD_URL, { OPENAI_BASE_URL: "https://a b/v1", ...model }],
  [/OPENAI_MODEL must be set/, { OPENAI_BASE_URL: LOCAL }],
  [/^LOG_LEVEL must be one of trace, .*, silent\.$/, { LOG_LEVEL: "warning" }],
])("%s is the error for %j", (error, settings) => {
  expect(() => load(settings)).toThrow(error);
});

const AZURE = "https://a.openai.azure.com/openai/v1";
const OTHER = "https://a.openai.com.example/v1/.openai.com";
const LIMIT = { max_tokens: 5 };
const RENAMED = { max_completion_tokens: 5 };
const COLD = { temperature: 0 };
const LOW = { ...COLD, reasoning_effort: "low" };
const MINI = { ...COLD, model: "gpt-4o-mini" };

test.each<[baseURL: string, given: object, sent: object]>([
  [OPENAI, LIMIT, RENAMED],
  [AZURE, LIMIT, RENAMED],
  [OPENAI, { max_tokens: 6, ...RENAMED }, RENAMED],
  [OPENAI, COLD, { ...COLD, reasoning_effort: "none" }],
  [OPENAI, LOW, LOW],
  [OPENAI, MINI, MINI],
  [OTHER, { ...LIMIT, ...COLD }, { ...LIMIT, ...COLD }],
  // A missing `await` reaches the server.
  [OTHER, { messages: Promise.resolve() }, { messages: {} }],
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

test.each<[status: number, headers: Variables, says: string]>([
  [500, {}, "500 No."],
  [307, { location: "/v1" }, "Connection error"],
])("a %i with %j is one request: %s", async (status, headers, says) => {
  const body = { error: { message: "No." } };
  const { calls, env } = await startServer({ status, headers, body });
  const { model, options } = load(env);
  const { chat } = new OpenAI(options);
  const call = chat.completions.create({ model, messages: [] });
  await expect(call).rejects.toThrow(says);
  expect(calls).toHaveLength(1);
});

test("a wait is logged every ten seconds until it ends", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const { options } = load(server);
  let respond = (_: Response) => {};
  const response = new Promise<Response>((resolve) => (respond = resolve));
  vi.stubGlobal("fetch", () => response);
  const call = options.fetch?.(LOCAL);
  log = "";
  vi.advanceTimersByTime(20_000);
  expect(log.match(/Still waiting for the server/g)).toHaveLength(2);

  respond(new Response());
  await call;
  expect(vi.getTimerCount()).toBe(0);
  vi.stubGlobal("fetch", () => Promise.reject(new Error("No.")));
  await expect(options.fetch?.(LOCAL)).rejects.toThrow("No.");
  expect(vi.getTimerCount()).toBe(0);
});
