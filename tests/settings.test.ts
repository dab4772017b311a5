import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { copyProject, importCopy, setShell } from "./helpers.ts";

// The copy reads the .env of its own folder.
const folder = copyProject();
const envFile = join(folder, ".env");
const { loadSettings }: typeof import("../exercises/common/settings.ts") =
  await importCopy(folder, "settings.ts");
const { logger }: typeof import("../exercises/common/logger.ts") =
  await importCopy(folder, "logger.ts");

beforeEach(() => rmSync(envFile, { recursive: true, force: true }));

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
    place: undefined,
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

const KEY = "OPENAI_API_KEY";
const BASE_URL = "OPENAI_BASE_URL";
const SHELL = "your shell";

const shellKey = { [KEY]: "shell" };
const shellURL = { [BASE_URL]: "http://shell" };
const fileKey = { [KEY]: "file" };
const fileURL = { [BASE_URL]: "http://file" };

test.each<[shell: object, file: object, place: string, used: object]>([
  [shellKey, {}, SHELL, { apiKey: "shell" }],
  [{}, fileKey, ".env", { apiKey: "file" }],
  [shellKey, fileKey, SHELL, { apiKey: "shell" }],
  [shellKey, fileURL, ".env", { baseURL: "http://file" }],
  [
    shellKey,
    { ...fileURL, ...fileKey },
    ".env",
    { apiKey: "file", baseURL: "http://file" },
  ],
  [shellURL, fileKey, SHELL, { baseURL: "http://shell" }],
  [shellURL, { ...fileURL, ...fileKey }, SHELL, { baseURL: "http://shell" }],
  [
    { ...shellURL, ...shellKey },
    { ...fileURL, ...fileKey },
    SHELL,
    { apiKey: "shell", baseURL: "http://shell" },
  ],
])("the shell sets %j and .env %j: %s counts", (shell, file, place, used) => {
  setShell({ ...shell });
  writeEnvFile({ ...file });
  const settings = loadSettings();
  expect(settings.place).toBe(place);
  const { apiKey, baseURL } = settings;
  expect({ apiKey, baseURL }).toEqual(used);
});

test.each([
  ["LOG_LEVEL", "Silent"],
  ["LOG_LEVEL", "TRACE"],
  [KEY, "sk-A.b_c~d+e/f=:g"],
  [BASE_URL, "HTTPS://res.openai.azure.com/openai/v1/"],
  [BASE_URL, "http://[::1]:8080/v1"],
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
  [BASE_URL, "localhost:11434/v1/secret", "http:// or https://"],
  [BASE_URL, "ftp://secret/v1", "http:// or https://"],
  [BASE_URL, "http://secret:99999/v1", "URL"],
  [BASE_URL, "http://secret^b/v1", "URL"],
  [BASE_URL, "https://<secret>.openai.azure.com/openai/v1/", "no spaces, <, >"],
  [BASE_URL, "http://localhost/<secret>", "no spaces, <, >"],
  [BASE_URL, "http://secret /v1", "no spaces"],
  [BASE_URL, "http://me:secret@h", "@"],
  [BASE_URL, "http://h/?key=secret", "?"],
  [BASE_URL, "http://h/#secret", "#"],
])("%s=%s is described without its value", (name, value, expected) => {
  setShell({ [name]: value });
  const load = () => loadSettings();
  expect(load).toThrow(`${name} is invalid. `);
  expect(load).toThrow(expected);
  expect(load).not.toThrow("secret");
});

test.each<[what: string, bytes: Buffer]>([
  ["UTF-16LE", Buffer.from("\ufeffOPENAI_API_KEY=sk-1", "utf16le")],
  ["UTF-16LE without a mark", Buffer.from("OPENAI_API_KEY=sk-1", "utf16le")],
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
  expect(() => loadSettings()).toThrow(/^\.env can't be read \(Error: EISDIR/);
});

const isRoot = process.getuid?.() === 0;
const isWindows = process.platform === "win32";
test.skipIf(isRoot || isWindows)(
  "a .env without permission is an error",
  () => {
    writeEnvFile({ OPENAI_API_KEY: "sk-1" });
    chmodSync(envFile, 0);
    expect(() => loadSettings()).toThrow(
      /^\.env can't be read \(Error: EACCES/,
    );
  },
);
