import { rmSync } from "node:fs";
import { join } from "node:path";
import OpenAI from "openai";
import { beforeEach, expect, test, vi } from "vitest";
import { copyProject, startServer, writeEnv } from "./helpers.ts";

// The copy reads the .env of its own folder.
const folder = copyProject();
const { loadProvider }: typeof import("../exercises/common/provider.ts") =
  await import(join(folder, "exercises/common/provider.ts"));

const OPENAI = "https://api.openai.com/v1";
const LOCAL = "http://localhost:11434/v1";
const OFFLINE = "";

const shellVariables = process.env;
let log = "";
beforeEach(() => {
  process.env = { ...shellVariables };
  vi.useRealTimers();
  rmSync(join(folder, ".env"), { force: true });
  log = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    log += text;
    return true;
  });
});

type Variables = Record<string, string>;

/** Loads the provider with the settings of the shell and of a .env. */
function load(shell: Variables, file?: Variables) {
  Object.assign(process.env, shell);
  if (file) writeEnv(folder, file);
  return loadProvider();
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
])("the shell sets %j and .env %j: offline", (shell, file, place) => {
  load(shell, file);
  const msg = `Offline, without a model: neither OPENAI_API_KEY nor OPENAI_BASE_URL is set in ${place}`;
  expect(JSON.parse(log)).toMatchObject({ level: 30, msg });
});

test("if there is a .env, the shell sets LOG_LEVEL, but no OPENAI_*", () => {
  const shell = { ...key, OPENAI_CUSTOM_HEADERS: "X: k", LOG_LEVEL: "warn" };
  load(shell, { ...server, LOG_LEVEL: "info" });
  expect(log).toBe("");
  const names = Object.keys(process.env).sort();
  const kept = names.filter((name) => name.startsWith("OPENAI_"));
  expect(kept).toEqual(["OPENAI_BASE_URL", "OPENAI_MODEL"]);
});

const BAD_KEY = /^OPENAI_API_KEY contains [^1ä]*$/;
const BAD_URL = /^OPENAI_BASE_URL must be a URL that starts with http/;

test.each<[error: RegExp, settings: Variables]>([
  [BAD_KEY, { OPENAI_API_KEY: "sk 1" }],
  [BAD_KEY, { OPENAI_API_KEY: '"sk-1"' }],
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
  [AZURE, LIMIT, RENAMED],
  [OPENAI, { max_tokens: 6, ...RENAMED }, RENAMED],
  [OPENAI, COLD, { ...COLD, reasoning_effort: "none" }],
  [OPENAI, LOW, LOW],
  [OPENAI, MINI, MINI],
  [OTHER, { ...LIMIT, ...COLD }, { ...LIMIT, ...COLD }],
  // A copy as JSON: a missing `await` shows, and a later push changes nothing.
  [OPENAI, { messages: Promise.resolve() }, { messages: {} }],
  [OTHER, { messages: Promise.resolve() }, { messages: {} }],
  [OFFLINE, { messages: Promise.resolve() }, { messages: {} }],
])("%s: %j is sent as %j", (baseURL, given, sent) => {
  const { adapt } = load({ ...server, OPENAI_BASE_URL: baseURL });
  const request = { model: "gpt-6-luna", messages: [] };
  expect(adapt({ ...request, ...given })).toEqual({ ...request, ...sent });
});

test("one call is one request, neither redirected nor repeated", async () => {
  const { requests, env } = await startServer(307, {}, { location: "/v1" });
  const { model, options } = load(env);
  const { chat } = new OpenAI(options);
  const call = chat.completions.create({ model, messages: [] });
  const cause = { message: "unexpected redirect" };
  await expect(call).rejects.toMatchObject({ cause: { cause } });
  expect(requests).toHaveLength(1);
});

test("a wait is logged every ten seconds until it ends", async () => {
  vi.useFakeTimers();
  vi.stubGlobal("fetch", () => {
    return new Promise((_, reject) => setTimeout(reject, 25_000));
  });
  const { options } = load(server);
  options.fetch?.(LOCAL).catch(() => {});
  await vi.advanceTimersByTimeAsync(60_000);
  expect(log.match(/Still waiting for the server/g)).toHaveLength(2);
});
