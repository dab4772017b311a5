import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeError } from "../exercises/common/errors.ts";
import { readSettings } from "../exercises/common/settings.ts";
import { copyProject, expectFatal, runLesson } from "./helpers.ts";

const OPENAI = "https://api.openai.com/v1";
const set = (names: string, value: string) =>
  Object.fromEntries(names.split(" ").map((name) => [`OPENAI_${name}`, value]));

test.each<[shell: string, file: string, uses: (string | undefined)[]]>([
  ["", "", []],
  ["MODEL", "", [undefined, undefined, "shell"]],
  ["API_KEY", "", ["shell", OPENAI, "gpt-6-luna"]],
  ["", "API_KEY", ["file", OPENAI, "gpt-6-luna"]],
  ["API_KEY", "API_KEY", ["shell", OPENAI, "gpt-6-luna"]],
  ["API_KEY", "MODEL", ["shell", OPENAI, "file"]],
  ["MODEL", "API_KEY MODEL", ["file", OPENAI, "shell"]],
  ["API_KEY", "BASE_URL", [undefined, "file"]],
  ["API_KEY", "BASE_URL API_KEY", ["file", "file"]],
  ["BASE_URL", "API_KEY", [undefined, "shell"]],
  ["BASE_URL", "BASE_URL API_KEY", [undefined, "shell"]],
  ["BASE_URL API_KEY", "BASE_URL API_KEY", ["shell", "shell"]],
])("the shell sets [%s], .env [%s]: uses %j", (shell, file, uses) => {
  const parsed = set(file, "file");
  const settings = readSettings(set(shell, "shell"), { parsed });
  const [apiKey, baseURL, model] = uses;
  expect(settings).toMatchObject({ apiKey, baseURL, model });
});

function describeProblem(env: Record<string, string>): string {
  const { problem } = readSettings(env);
  if (!problem) return "valid";
  const { message, hint } = describeError(problem);
  return `${message}. ${hint}`;
}

test.each<[name: string, value: string, outcome: RegExp]>([
  ["LOG_LEVEL", "Silent", /^valid$/],
  ["LOG_LEVEL", "loud", /LOG_LEVEL: "loud".*trace, .*silent/],
  ["OPENAI_API_KEY", "sk-A.b_c~d+e/f=:g", /^valid$/],
  ["OPENAI_API_KEY", "“sk-secret”", /OPENAI_API_KEY.*quotes/],
  ["OPENAI_API_KEY", "sk-secret sk", /OPENAI_API_KEY.*spaces/],
  ["OPENAI_API_KEY", "sk-sécret", /OPENAI_API_KEY/],
  ["OPENAI_BASE_URL", "HTTPS://res.openai.azure.com/openai/v1/", /^valid$/],
  ["OPENAI_BASE_URL", "http://[::1]:8080/v1", /^valid$/],
  ["OPENAI_BASE_URL", "localhost:11434/v1", /OPENAI_BASE_URL.*http:\/\//],
  ["OPENAI_BASE_URL", "http://me:secret@h", /OPENAI_BASE_URL.*http:\/\//],
  ["OPENAI_BASE_URL", "http://h/?key=secret", /OPENAI_BASE_URL.*http:\/\//],
])("%s=%s is valid or described without a secret", (name, value, outcome) => {
  const description = describeProblem({ [name]: value });
  expect(description).toMatch(outcome);
  expect(description).not.toMatch(/s[eé]cret/);
});

test("a run logs one fatal line if .env cannot be read, or LOG_LEVEL is invalid", async () => {
  const folder = copyProject();
  mkdirSync(join(folder, ".env"));
  const result = await runLesson({ folder, env: { LOG_LEVEL: "loud" } });
  expect(expectFatal(result).err).toMatchObject({ code: ".env" });
  expect(result.lines).toHaveLength(1);
});
