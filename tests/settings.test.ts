import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { describeError } from "../exercises/common/errors.ts";
import {
  readSettings,
  validateSettings,
} from "../exercises/common/settings.ts";
import { copyProject, runLesson } from "./helpers.ts";

const OPENAI = { baseURL: "https://api.openai.com/v1", model: "gpt-6-luna" };
const key = { OPENAI_API_KEY: "k" };
const server = { OPENAI_BASE_URL: "http://h/v1" };

test.each([
  ["nothing: offline mode", {}, { model: "offline" }],
  ["a key: OpenAI", key, { ...OPENAI, apiKey: "k" }],
  ["a model", { ...key, OPENAI_MODEL: "m" }, { ...OPENAI, model: "m" }],
  ["a server", server, { baseURL: "http://h/v1", model: undefined }],
  ["a level in capitals", { LOG_LEVEL: "WARN" }, { logLevel: "warn" }],
])("reads %s", (_what, env, expected) => {
  expect(readSettings(env)).toMatchObject(expected);
});

test("environment variables override the file, unless they are empty", () => {
  const file = { OPENAI_API_KEY: "file", OPENAI_MODEL: "file" };
  const env = { OPENAI_API_KEY: " ", OPENAI_MODEL: "env", LOG_LEVEL: "" };
  const settings = { apiKey: "file", model: "env", logLevel: "info" };
  expect(readSettings(env, file)).toMatchObject(settings);
});

/** Describes the error for the first invalid setting, if any. */
function findInvalid(env: Record<string, string>) {
  try {
    validateSettings(readSettings(env));
  } catch (error) {
    return describeError(error, "");
  }
  return undefined;
}

describe("an invalid setting", () => {
  test.each<[name: string, value: string, message: RegExp, hint: RegExp]>([
    ["LOG_LEVEL", "loud", /LOG_LEVEL.*"loud"/, /trace, .*silent/],
    ["OPENAI_API_KEY", "“sk-secret”", /OPENAI_API_KEY/, /quotes/],
    ["OPENAI_API_KEY", '"sk-secret', /OPENAI_API_KEY/, /quotes/],
    ["OPENAI_API_KEY", "sk-secret sk", /OPENAI_API_KEY/, /spaces/],
    ["OPENAI_API_KEY", "sk-sécret", /OPENAI_API_KEY/, /key/],
    ["OPENAI_API_KEY", "YOUR_KEY", /YOUR_KEY/, /placeholder/],
    ["OPENAI_BASE_URL", "localhost:11434/v1", /OPENAI_BASE_URL/, /http:\/\//],
    ["OPENAI_BASE_URL", "ftp://h/v1", /OPENAI_BASE_URL/, /http:\/\//],
    ["OPENAI_BASE_URL", "http://", /OPENAI_BASE_URL/, /http:\/\//],
    ["OPENAI_BASE_URL", "http://me:secret@h", /OPENAI_BASE_URL/, /http:\/\//],
    ["OPENAI_BASE_URL", "http://h/?key=secret", /OPENAI_BASE_URL/, /http:\/\//],
    ["OPENAI_BASE_URL", "http://h/#secret", /OPENAI_BASE_URL/, /http:\/\//],
    ["OPENAI_BASE_URL", "http://h/ A=secret", /OPENAI_BASE_URL/, /http:\/\//],
    ["OPENAI_BASE_URL", "http://h/chat/completions/", /\/chat\/c/, /\/v1/],
    ["OPENAI_BASE_URL", "https://RESOURCE.a.com/", /RESOURCE/, /placeholder/],
    ["OPENAI_MODEL", "DEPLOYMENT", /DEPLOYMENT/, /placeholder/],
    ["OPENAI_MODEL", "MODEL", /MODEL/, /placeholder/],
  ])("%s=%s", (name, value, message, hint) => {
    const error = findInvalid({ [name]: value });
    expect(error?.message).toMatch(message);
    expect(error?.message).not.toMatch(/secret/);
    expect(error?.hint).toMatch(hint);
  });
});

test.each([
  ["LOG_LEVEL", "Silent"],
  ["OPENAI_MODEL", "MODEL-1"],
  ["OPENAI_API_KEY", "sk-A.b_c~d+e/f=:g"],
  ["OPENAI_BASE_URL", "HTTPS://res.openai.azure.com/openai/v1/"],
  ["OPENAI_BASE_URL", "http://[::1]:8080/v1"],
])("accepts %s=%s", (name, value) => {
  expect(findInvalid({ [name]: value })).toBeUndefined();
});

describe.concurrent("a run with an invalid setting", () => {
  test.each([
    [{ LOG_LEVEL: "loud" }, /"loud"/],
    [{ OPENAI_API_KEY: "YOUR_KEY" }, /YOUR_KEY/],
  ])("logs one fatal line: %j", async (env, message) => {
    const { lines, stderr, status } = await runLesson({ env });
    expect({ stderr, status }).toEqual({ stderr: "", status: 1 });
    expect(lines).toMatchObject([{ level: 60 }]);
    expect(lines[0]?.msg).toMatch(message);
  });

  test("logs one fatal line if .env cannot be read", async () => {
    const folder = copyProject();
    mkdirSync(join(folder, ".env"));
    const { lines } = await runLesson({ folder });
    expect(lines).toMatchObject([{ level: 60, err: { code: ".env" } }]);
  });
});
