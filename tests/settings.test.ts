import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { copyProject } from "./helpers.ts";

// The copy reads the .env of its own folder.
const folder = copyProject();
const envFile = join(folder, ".env");
const { loadSettings }: typeof import("../exercises/common/settings.ts") =
  await import(join(folder, "exercises/common/settings.ts"));
const { logger }: typeof import("../exercises/common/logger.ts") = await import(
  join(folder, "exercises/common/logger.ts")
);

beforeEach(() => rmSync(envFile, { recursive: true, force: true }));

/** Sets variables in the shell. */
function setShell(variables: Record<string, string>): void {
  for (const [name, value] of Object.entries(variables)) {
    vi.stubEnv(name, value);
  }
}

/** Sets variables in .env. */
function writeEnvFile(variables: Record<string, string>): void {
  const lines = Object.entries(variables).map(
    ([name, value]) => `${name}='${value}'`,
  );
  writeFileSync(envFile, lines.join("\n"));
}

test("nothing is set", () => {
  expect(loadSettings()).toEqual({
    apiKey: undefined,
    baseURL: undefined,
    model: undefined,
    place: ".env",
    hasEnvFile: false,
  });
  expect(logger.level).toBe("info");
});

test("values are trimmed, empty ones are unset, and the shell comes first", () => {
  setShell({ OPENAI_MODEL: " shell ", OPENAI_API_KEY: " ", LOG_LEVEL: "Warn" });
  writeEnvFile({
    OPENAI_MODEL: "file",
    OPENAI_API_KEY: " sk-file ",
    LOG_LEVEL: "debug",
  });
  expect(loadSettings()).toMatchObject({
    model: "shell",
    apiKey: "sk-file",
    hasEnvFile: true,
  });
  expect(logger.level).toBe("warn");
});

const SHELL = "your shell";
const KEY = "OPENAI_API_KEY";
const URL = "OPENAI_BASE_URL";

test.each<
  [
    shell: string[],
    file: string[],
    used: { place: string; key?: string; url?: string },
  ]
>([
  [[KEY], [], { place: SHELL, key: "shell" }],
  [[], [KEY], { place: ".env", key: "file" }],
  [[KEY], [KEY], { place: SHELL, key: "shell" }],
  [[KEY], [URL], { place: ".env", url: "http://file" }],
  [[KEY], [URL, KEY], { place: ".env", key: "file", url: "http://file" }],
  [[URL], [KEY], { place: SHELL, url: "http://shell" }],
  [[URL], [URL, KEY], { place: SHELL, url: "http://shell" }],
  [[URL, KEY], [URL, KEY], { place: SHELL, key: "shell", url: "http://shell" }],
])("the shell sets %j and .env %j: uses %j", (shell, file, used) => {
  const valueOf = (name: string, place: string) =>
    name === URL ? `http://${place}` : place;
  const toVariables = (names: string[], place: string) =>
    Object.fromEntries(names.map((name) => [name, valueOf(name, place)]));
  setShell(toVariables(shell, "shell"));
  writeEnvFile(toVariables(file, "file"));
  const { place, apiKey, baseURL } = loadSettings();
  expect({ place, key: apiKey, url: baseURL }).toEqual(used);
});

test.each([
  ["LOG_LEVEL", "Silent"],
  ["LOG_LEVEL", "TRACE"],
  [KEY, "sk-A.b_c~d+e/f=:g"],
  [URL, "HTTPS://res.openai.azure.com/openai/v1/"],
  [URL, "http://[::1]:8080/v1"],
])("%s=%s is valid", (name, value) => {
  setShell({ [name]: value });
  expect(() => loadSettings()).not.toThrow();
});

test("the level of the log counts for other invalid settings", () => {
  setShell({ LOG_LEVEL: "silent", OPENAI_BASE_URL: "localhost" });
  expect(() => loadSettings()).toThrow();
  expect(logger.level).toBe("silent");
});

test.each<[name: string, value: string, expected: string]>([
  ["LOG_LEVEL", "secret", "trace, debug, info, warn, error, fatal, silent"],
  [KEY, "“sk-secret”", "outside ASCII"],
  [KEY, '"sk-secret', "quotes"],
  [KEY, "sk-secret'", "quotes"],
  [KEY, "sk-\\secret", "backslashes"],
  [KEY, "sk-secret sk", "no spaces"],
  [URL, "localhost:11434/v1/secret", "http:// or https://"],
  [URL, "ftp://secret/v1", "http:// or https://"],
  [URL, "http://secret:99999/v1", "URL"],
  [URL, "http://secret^b/v1", "URL"],
  [URL, "https://<secret>.openai.azure.com/openai/v1/", "without spaces, <, >"],
  [URL, "http://localhost/<secret>", "without spaces, <, >"],
  [URL, "http://secret /v1", "without spaces"],
  [URL, "http://me:secret@h", "@"],
  [URL, "http://h/?key=secret", "?"],
  [URL, "http://h/#secret", "#"],
])("%s=%s is described without its value", (name, value, expected) => {
  setShell({ [name]: value });
  const load = () => loadSettings();
  expect(load).toThrow(`${name} is invalid. `);
  expect(load).toThrow(expected);
  expect(load).not.toThrow("secret");
});

test.each<[what: string, bytes: Buffer]>([
  ["UTF-16LE", Buffer.from("\ufeffOPENAI_API_KEY=sk-1", "utf16le")],
  ["UTF-16BE", Buffer.from("\ufeffOPENAI_API_KEY=sk-1", "utf16le").swap16()],
])("a .env in %s is an error", (_, bytes) => {
  writeFileSync(envFile, bytes);
  expect(() => loadSettings()).toThrow("Save it as UTF-8");
});

test("a .env with a byte order mark is read", () => {
  writeFileSync(envFile, "\ufeffOPENAI_API_KEY=sk-1");
  expect(loadSettings().apiKey).toBe("sk-1");
});

test("a folder as .env is an error", () => {
  mkdirSync(envFile);
  expect(() => loadSettings()).toThrow(/^\.env can't be read \(EISDIR/);
});

const isRoot = process.getuid?.() === 0;
const isWindows = process.platform === "win32";
test.skipIf(isRoot || isWindows)(
  "a .env without permission is an error",
  () => {
    writeEnvFile({ OPENAI_API_KEY: "sk-1" });
    chmodSync(envFile, 0);
    expect(() => loadSettings()).toThrow(/^\.env can't be read \(EACCES/);
  },
);
