import { writeFileSync } from "node:fs";
import { join } from "node:path";
import OpenAI from "openai";
import { beforeEach, expect, test, vi } from "vitest";
import { completion, copyProject } from "./helpers.ts";

type Variables = Record<string, string>;

const OPENAI = "https://api.openai.com/v1";
const NAMES = ["API_KEY", "BASE_URL", "MODEL"];
const folder = copyProject();
const path = join(folder, "exercises/common/provider.ts");
// The copy reads the .env of its own folder.
const { loadProvider } = (await import(
  path
)) as typeof import("../exercises/common/provider.ts");

/** Loads the provider with these environment variables and this .env. */
async function load(env: Variables, file: Variables = {}) {
  for (const name of NAMES) delete process.env[`OPENAI_${name}`];
  Object.assign(process.env, { LOG_LEVEL: "silent", ...env });
  const lines = Object.entries(file).map(
    ([name, value]) => `${name}='${value}'`,
  );
  writeFileSync(join(folder, ".env"), lines.join("\n"));
  return loadProvider();
}

beforeEach(() => void vi.stubGlobal("fetch", vi.fn()));

const set = (names: string, value: string) =>
  Object.fromEntries(
    names.split(" ").map((name) => [`OPENAI_${name}`, `http://${value}`]),
  );

const [SHELL, FILE] = ["http://shell", "http://file"];
test.each<[shell: string, file: string, uses: (string | undefined)[]]>([
  ["MODEL", "", [undefined, "http://offline", SHELL]],
  ["API_KEY", "", [SHELL, OPENAI, "gpt-6-luna"]],
  ["", "API_KEY", [FILE, OPENAI, "gpt-6-luna"]],
  ["API_KEY", "MODEL", [SHELL, OPENAI, FILE]],
  ["MODEL", "API_KEY MODEL", [FILE, OPENAI, SHELL]],
  ["API_KEY", "BASE_URL MODEL", [undefined, FILE, FILE]],
  ["API_KEY", "BASE_URL API_KEY MODEL", [FILE, FILE, FILE]],
  ["BASE_URL MODEL", "BASE_URL API_KEY", [undefined, SHELL, SHELL]],
  ["BASE_URL API_KEY", "BASE_URL API_KEY MODEL", [SHELL, SHELL, FILE]],
])("the shell sets [%s], .env [%s]: uses %j", async (shell, file, uses) => {
  const others = set("ORG_ID PROJECT_ID CUSTOM_HEADERS ADMIN_KEY", "shell");
  const env = { ...(shell && set(shell, "shell")), ...others };
  const provider = await load(env, file ? set(file, "file") : {});
  const { apiKey, baseURL, defaultHeaders } = provider.options;
  const [key = "none", ...rest] = uses;
  expect([apiKey, baseURL, provider.model]).toEqual([key, ...rest]);
  expect(defaultHeaders).toEqual(uses[0] ? {} : { Authorization: null });
  // What the SDK reads from the shell by itself goes with the shell's server.
  const isFile = uses.slice(0, 2).includes(FILE);
  const kept = Object.keys(others).filter((name) => name in process.env);
  expect(kept).toHaveLength(isFile ? 0 : 4);
});

test.each<[name: string, value: string, hint?: RegExp]>([
  ["LOG_LEVEL", "Silent"],
  ["LOG_LEVEL", "secret", /trace, .*silent/],
  ["OPENAI_API_KEY", "sk-A.b_c~d+e/f=:g"],
  ["OPENAI_API_KEY", "“sk-secret”", /quotes/],
  ["OPENAI_API_KEY", "sk-secret sk", /spaces/],
  ["OPENAI_BASE_URL", "HTTPS://res.openai.azure.com/openai/v1/"],
  ["OPENAI_BASE_URL", "http://[::1]:8080/v1"],
  ["OPENAI_BASE_URL", "localhost:11434/v1", /http:\/\/ or https:\/\//],
  ["OPENAI_BASE_URL", "http://localhost:port/v1", /http:\/\//],
  ["OPENAI_BASE_URL", "http://me:secret@h", /http:\/\//],
  ["OPENAI_BASE_URL", "http://h/?key=secret", /http:\/\//],
])(
  "%s=%s is valid, or described without a secret",
  async (name, value, hint) => {
    const env = { OPENAI_MODEL: "m", [name]: value };
    if (!hint) return expect(load(env)).resolves.toHaveProperty("model");
    await expect(load(env)).rejects.toThrow(`${name} is invalid.`);
    await expect(load(env)).rejects.not.toThrow("secret");
  },
);

const MESSAGES = [{ role: "user" as const, content: "Hi" }];
const warm = { temperature: 0, max_tokens: 5 };
const adapted = {
  temperature: 0,
  max_completion_tokens: 5,
  reasoning_effort: "none",
};
test.each<[baseURL: string, given: object, sent: object]>([
  [OPENAI, warm, adapted],
  ["https://eu.api.openai.com/v1", warm, adapted],
  ["https://r.openai.azure.com/openai/v1/", warm, adapted],
  ["https://openai.com.example/v1", warm, warm],
  ["https://myopenai.com/v1", warm, warm],
  ["http://localhost:1/v1", warm, warm],
  [OPENAI, { max_tokens: 5 }, { max_completion_tokens: 5 }],
  [OPENAI, { stop: "x" }, { stop: "x" }],
  [
    OPENAI,
    { ...adapted, reasoning_effort: "low" },
    { ...adapted, reasoning_effort: "low" },
  ],
])("%s: %j is sent as %j", async (baseURL, given, sent) => {
  const send = vi.fn<typeof fetch>(async () =>
    Response.json(completion("Yes.")),
  );
  vi.stubGlobal("fetch", send);
  const env = { OPENAI_BASE_URL: baseURL, OPENAI_MODEL: "m" };
  const { model, options, adapt } = await load(env);
  const original = { model, messages: MESSAGES, ...given };
  const request = adapt(original);
  expect(original).toEqual({ model, messages: MESSAGES, ...given });
  expect(request).toEqual({ model, messages: MESSAGES, ...sent });
  await new OpenAI(options).chat.completions.create(request);
  expect(send.mock.lastCall?.[1]?.body).toBe(JSON.stringify(request));
});
