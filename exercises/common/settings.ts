import { config, type DotenvConfigOutput } from "dotenv";
import { levels } from "pino";
import { ExerciseError } from "./errors.ts";

type Variables = Record<string, string | undefined>;

// OpenAI's deprecations page names gpt-6-luna as the replacement for gpt-4o,
// gpt-4o-mini, gpt-4.1 and gpt-4.1-mini, which shut down on January 14, 2027.
const OPENAI = { baseURL: "https://api.openai.com/v1", model: "gpt-6-luna" };

const path = new URL("../../.env", import.meta.url);
const envFile = config({ path, quiet: true, processEnv: {} });

/** The settings of this run. */
export const settings = readSettings(process.env, envFile);

/**
 * Reads the settings from environment variables, then from `.env`. Empty values
 * count as unset. No `baseURL` means offline. `problem` is the first error.
 */
export function readSettings(env: Variables, envFile: DotenvConfigOutput = {}) {
  const { parsed: file = {}, error } = envFile;
  const read = (name: string, sources: Variables[] = [env, file]) =>
    sources.map((source) => source[name]?.trim()).find(Boolean);
  // A key goes only with a base URL from the same source, so that a key for one
  // server never reaches another.
  const source = [env, file].find((each) => read("OPENAI_BASE_URL", [each]));
  const apiKey = read("OPENAI_API_KEY", source && [source]);
  const defaults = apiKey && !source ? OPENAI : undefined;
  const baseURL = read("OPENAI_BASE_URL") ?? defaults?.baseURL;
  const model = read("OPENAI_MODEL") ?? defaults?.model;
  const level = read("LOG_LEVEL")?.toLowerCase() ?? "info";
  const isFileUsed = !error && /^$|\S/.test(Object.values(file).join(" "));
  const isLevel = [...Object.values(levels.labels), "silent"].includes(level);
  const isKey = !/[^\x21-\x7e]|["'\\]/.test(apiKey ?? "");
  const url = baseURL ?? OPENAI.baseURL;
  const isURL = URL.canParse(url) && /^https?:[^\s@?#]+$/i.test(url);
  const checks: [isValid: boolean, name: string, problem: string][] = [
    [!error || error.code === "ENOENT", ".env", `${error?.message}`],
    [isLevel, "LOG_LEVEL", `"${level}"`],
    [isKey, "OPENAI_API_KEY", "it contains a character that is not allowed"],
    [isURL, "OPENAI_BASE_URL", "use an http(s) URL without @, ? or #"],
  ];
  const [, name, text] = checks.find(([isValid]) => !isValid) ?? [];
  const problem = name && new ExerciseError(name, `Invalid ${name}: ${text}`);
  const logLevel = isLevel ? level : "info";
  return { apiKey, baseURL, model, logLevel, isFileUsed, problem };
}
