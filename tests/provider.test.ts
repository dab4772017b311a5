import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import OpenAI from "openai";
import { beforeEach, describe, expect, test, vi } from "vitest";
import {
  completion,
  copyProject,
  importCopy,
  setShell,
  startServer,
} from "./helpers.ts";

const OPENAI_URL = "https://api.openai.com/v1";

// The copy reads the .env of its own folder.
const folder = copyProject();
const envFile = join(folder, ".env");
const { loadProvider }: typeof import("../exercises/common/provider.ts") =
  await importCopy(folder, "provider.ts");

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

describe("the first line says which server is used, and why", () => {
  test("offline, without a .env", () => {
    setShell({ OPENAI_MODEL: "gpt-6-luna" });
    const { model, options } = loadProvider();
    expect(model).toBe("offline");
    expect(options.baseURL).toBe("http://offline");
    const msg =
      "Offline, with canned replies: neither OPENAI_API_KEY nor OPENAI_BASE_URL is set in your shell, and there is no .env";
    expect(JSON.parse(log)).toMatchObject({ model: "offline", msg });
  });

  test("offline, with a .env", () => {
    writeFileSync(envFile, "OPENAI_API_KEY=");
    expect(loadProvider().model).toBe("offline");
    const msg =
      "Offline, with canned replies: neither OPENAI_API_KEY nor OPENAI_BASE_URL is set in your shell or in .env";
    expect(JSON.parse(log)).toMatchObject({ model: "offline", msg });
  });

  test("a key for OpenAI in the shell", () => {
    setShell({ OPENAI_API_KEY: "sk-1" });
    const { options } = loadProvider();
    expect(options).toMatchObject({ apiKey: "sk-1", defaultHeaders: {} });
    expect(JSON.parse(log)).toMatchObject({
      baseURL: OPENAI_URL,
      model: "gpt-6-luna",
      msg: "Using OPENAI_API_KEY from your shell",
    });
  });

  test("a model of OpenAI", () => {
    setShell({ OPENAI_API_KEY: "sk-1", OPENAI_MODEL: "gpt-4o" });
    expect(loadProvider().model).toBe("gpt-4o");
  });

  test("a server without a key, in .env", () => {
    const baseURL = "http://localhost:11434/v1";
    const settings = `OPENAI_BASE_URL=${baseURL}\nOPENAI_MODEL=llama3.2`;
    writeFileSync(envFile, settings);
    setShell({ OPENAI_API_KEY: "sk-for-openai" });
    const { options } = loadProvider();
    const defaultHeaders = { Authorization: null };
    expect(options).toMatchObject({ apiKey: "none", defaultHeaders });
    expect(JSON.parse(log)).toMatchObject({
      baseURL,
      model: "llama3.2",
      msg: "Using OPENAI_BASE_URL from .env",
    });
  });
});

test("a base URL requires a model", () => {
  setShell({ OPENAI_BASE_URL: "http://localhost/v1" });
  expect(loadProvider).toThrow(/^OPENAI_MODEL is not set/);
});

const SDK_VARIABLES = {
  OPENAI_ADMIN_KEY: "sk-admin",
  OPENAI_CUSTOM_HEADERS: "A: b",
  OPENAI_ORG_ID: "org",
  OPENAI_PROJECT_ID: "project",
};

test("the SDK's variables go to the server that the shell sets", () => {
  setShell({ OPENAI_API_KEY: "sk-1", ...SDK_VARIABLES });
  loadProvider();
  expect(process.env).toMatchObject(SDK_VARIABLES);
});

test("the SDK's variables don't go to a server that .env sets", () => {
  setShell(SDK_VARIABLES);
  writeFileSync(envFile, "OPENAI_API_KEY=sk-1");
  loadProvider();
  for (const name of Object.keys(SDK_VARIABLES)) {
    expect(process.env).not.toHaveProperty(name);
  }
});

const MESSAGES = [{ role: "user" as const, content: "Hi" }];
const LIMIT = { temperature: 0, max_tokens: 5 };
const RENAMED = { temperature: 0, max_completion_tokens: 5 };
const ADAPTED = { ...RENAMED, reasoning_effort: "none" };
const AZURE = "https://res.openai.azure.com/openai/v1/";
const FOUNDRY = "https://res.services.ai.azure.com/openai/v1/";
const COGNITIVE = "https://res.cognitiveservices.azure.com/openai/v1/";

test.each<[baseURL: string, model: string, given: object, sent: object]>([
  [OPENAI_URL, "gpt-6-luna", LIMIT, ADAPTED],
  [OPENAI_URL, "gpt-6-luna", { max_tokens: 5 }, { max_completion_tokens: 5 }],
  [
    OPENAI_URL,
    "gpt-6-luna",
    { temperature: 1 },
    { temperature: 1, reasoning_effort: "none" },
  ],
  [
    OPENAI_URL,
    "gpt-6-luna",
    { ...LIMIT, reasoning_effort: "low" },
    { ...RENAMED, reasoning_effort: "low" },
  ],
  [
    OPENAI_URL,
    "gpt-6-luna",
    { ...LIMIT, reasoning_effort: null },
    { ...RENAMED, reasoning_effort: null },
  ],
  [
    OPENAI_URL,
    "gpt-6-luna",
    { max_tokens: 5, max_completion_tokens: 6 },
    { max_tokens: 5, max_completion_tokens: 6 },
  ],
  [OPENAI_URL, "gpt-4o-mini", LIMIT, RENAMED],
  ["https://openai.com/v1", "gpt-6-luna", LIMIT, ADAPTED],
  ["https://eu.api.openai.com/v1", "gpt-6-luna", LIMIT, ADAPTED],
  [AZURE, "gpt-6-luna", LIMIT, ADAPTED],
  [AZURE, "my-deployment", LIMIT, RENAMED],
  [FOUNDRY, "gpt-6-luna", LIMIT, ADAPTED],
  [COGNITIVE, "gpt-6-luna", LIMIT, ADAPTED],
  ["https://openai.com.example/v1", "gpt-6-luna", LIMIT, LIMIT],
  ["https://myopenai.com/v1", "gpt-6-luna", LIMIT, LIMIT],
  ["http://localhost:1/v1", "gpt-6-luna", LIMIT, LIMIT],
])("%s, %s: %j is sent as %j", (baseURL, model, given, sent) => {
  setShell({ OPENAI_BASE_URL: baseURL, OPENAI_MODEL: model });
  const { adapt } = loadProvider();
  const original = { model, messages: MESSAGES, ...given };
  expect(adapt(original)).toEqual({ model, messages: MESSAGES, ...sent });
  expect(original).toEqual({ model, messages: MESSAGES, ...given });
});

test("a later push changes neither the log nor what is sent", async () => {
  const bodies: unknown[] = [];
  vi.stubGlobal("fetch", async (_url: string, init: RequestInit) => {
    bodies.push(init.body);
    return Response.json(completion("Yes."));
  });
  setShell({ OPENAI_API_KEY: "sk-1" });
  const { model, options, adapt } = loadProvider();
  const messages = [...MESSAGES];
  const request = adapt({ model, messages, temperature: 1 });
  const json = JSON.stringify(request);
  messages.push({ role: "user", content: "Ho" });
  await new OpenAI(options).chat.completions.create(request);
  expect(JSON.stringify(request)).toBe(json);
  expect(bodies).toEqual([json]);
});

/** Makes one call with the options of a provider. */
function call(baseURL: string) {
  setShell({ OPENAI_BASE_URL: baseURL, OPENAI_MODEL: "m" });
  const { options } = loadProvider();
  const { chat } = new OpenAI(options);
  return chat.completions.create({ model: "m", messages: [] });
}

test.each<
  [status: number, headers: Record<string, string>, body: unknown, says: string]
>([
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
  const response = call("http://localhost/v1");
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
