import { config } from "dotenv";
import { levels } from "pino";
import { ExerciseError } from "./errors.ts";

type Settings = ReturnType<typeof readSettings>;

/** The base URL of offline mode. No request is sent to it. */
export const OFFLINE_URL = "http://offline";
const OPENAI_URL = "https://api.openai.com/v1";

// OpenAI's deprecations page names gpt-6-luna as the replacement for gpt-4o,
// gpt-4o-mini, gpt-4.1 and gpt-4.1-mini, which shut down on 14 January 2027.
const DEFAULT_MODELS = new Map([
  [OPENAI_URL, "gpt-6-luna"],
  [OFFLINE_URL, "offline"],
]);

/** The values that LOG_LEVEL can have. */
export const LOG_LEVELS = [...Object.values(levels.labels), "silent"];

/** The placeholders in `.env.example`. */
export const PLACEHOLDER =
  /^(YOUR_KEY|DEPLOYMENT|MODEL)$|(?<=\/\/)RESOURCE(?=\.)/m;

const envFile = config({
  path: new URL("../../.env", import.meta.url),
  quiet: true,
  processEnv: {},
});

/** The settings of this run. */
export const settings = readSettings(process.env, envFile.parsed);

/** Reads settings; `env` overrides `file`. Empty values count as unset. */
export function readSettings(env: NodeJS.ProcessEnv, file: typeof env = {}) {
  const read = (name: string) =>
    env[name]?.trim() || file[name]?.trim() || undefined;
  const apiKey = read("OPENAI_API_KEY");
  const defaultURL = apiKey ? OPENAI_URL : OFFLINE_URL;
  const baseURL = read("OPENAI_BASE_URL") ?? defaultURL;
  const model = read("OPENAI_MODEL") ?? DEFAULT_MODELS.get(baseURL);
  const logLevel = read("LOG_LEVEL")?.toLowerCase() ?? "info";
  return { apiKey, baseURL, model, logLevel };
}

/** Throws an `ExerciseError` for the first invalid setting. */
export function validateSettings(settings: Settings): void {
  const { apiKey = "", baseURL, model = "", logLevel } = settings;
  const check = (isValid: boolean, name: string, problem: string) => {
    if (!isValid) throw new ExerciseError(name, `Invalid ${name}: ${problem}`);
  };

  const { error } = envFile;
  check(!error || error.code === "ENOENT", ".env", `${error?.message}`);
  check(LOG_LEVELS.includes(logLevel), "LOG_LEVEL", `"${logLevel}"`);
  const placeholder = PLACEHOLDER.exec(`${apiKey}\n${baseURL}\n${model}`)?.[0];
  check(!placeholder, "setting", `${placeholder} is a placeholder`);
  const isKey = !/[^\x21-\x7e]|["'\\]/.test(apiKey);
  check(isKey, "OPENAI_API_KEY", "it contains a character that is not allowed");
  const isURL = URL.canParse(baseURL) && /^https?:[^\s@?#]+$/i.test(baseURL);
  check(isURL, "OPENAI_BASE_URL", "use an http(s) URL without @, ? or #");
  const isBase = !/\/chat\/completions\/?$/.test(baseURL);
  check(isBase, "OPENAI_BASE_URL", "it must not include /chat/completions");
}
