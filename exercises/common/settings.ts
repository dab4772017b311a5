import { config, type DotenvConfigOutput } from "dotenv";
import { levels } from "pino";
import { ExerciseError } from "./errors.ts";

type Variables = Record<string, string | undefined>;

// OpenAI's deprecations page names gpt-6-luna as the replacement for gpt-4o,
// gpt-4o-mini, gpt-4.1 and gpt-4.1-mini, which shut down on January 14, 2027.
const OPENAI = { baseURL: "https://api.openai.com/v1", model: "gpt-6-luna" };
const LOG_LEVELS = [...Object.values(levels.labels), "silent"];

const envFile = config({
  path: new URL("../../.env", import.meta.url),
  quiet: true,
  processEnv: {},
});

/** The settings of this run. */
export const settings = readSettings(process.env, envFile);

/**
 * Reads the settings from environment variables, then from `.env`. Empty values
 * count as unset. Without a `baseURL`, replies are canned. `problem` is the
 * first problem with the settings or with `.env`, if any.
 */
export function readSettings(env: Variables, envFile: DotenvConfigOutput = {}) {
  const { parsed: file = {}, error } = envFile;
  const sources = [env, file];
  const read = (name: string, from = sources) =>
    from.map((source) => source[name]?.trim()).find(Boolean);
  // A key goes only with a base URL from the same source, so that a key for one
  // server never reaches another.
  const source = sources.find((each) => read("OPENAI_BASE_URL", [each]));
  const apiKey = read("OPENAI_API_KEY", source && [source]);
  const defaults = apiKey && !source ? OPENAI : undefined;
  const baseURL = read("OPENAI_BASE_URL") ?? defaults?.baseURL;
  const model = read("OPENAI_MODEL") ?? defaults?.model;
  const logLevel = read("LOG_LEVEL")?.toLowerCase() ?? "info";

  const isLevel = LOG_LEVELS.includes(logLevel);
  const isKey = !/[^\x21-\x7e]|["'\\]/.test(apiKey ?? "");
  const isURL =
    !baseURL || (URL.canParse(baseURL) && /^https?:[^\s@?#]+$/i.test(baseURL));
  const checks: [isValid: boolean, name: string, problem: string][] = [
    [!error || error.code === "ENOENT", ".env", `${error?.message}`],
    [isLevel, "LOG_LEVEL", `"${logLevel}"`],
    [isKey, "OPENAI_API_KEY", "it contains a character that is not allowed"],
    [isURL, "OPENAI_BASE_URL", "use an http(s) URL without @, ? or #"],
  ];
  const [, name, text] = checks.find(([isValid]) => !isValid) ?? [];
  return {
    apiKey,
    baseURL,
    model,
    logLevel: isLevel ? logLevel : "info",
    isFileUsed: Object.values(file).some((value) => value?.trim()),
    problem: name && new ExerciseError(name, `Invalid ${name}: ${text}`),
  };
}
