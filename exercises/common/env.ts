import { fileURLToPath } from "node:url";
import { config } from "dotenv";
import { levels } from "pino";

/** What the environment says; with no `baseURL`, the stand-in answers. */
export interface Settings {
  apiKey: string | undefined;
  baseURL: string | undefined;
  model: string | undefined;
  logLevel: string;
}

/** An error that knows its cure: `hint` says what to change. */
export class Failure extends Error {
  readonly code: string;
  readonly hint: string;

  constructor(code: string, message: string, hint: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

/**
 * Reads the settings from environment variables; an empty one counts as unset.
 *
 * On 14 January 2027 OpenAI withdraws gpt-4o and gpt-4.1, large and mini. The
 * default model is the one that its list of deprecations names to follow them.
 */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const read = (name: string) => env[name]?.trim() || undefined;
  const apiKey = read("OPENAI_API_KEY");
  const openAI = apiKey !== undefined && read("OPENAI_BASE_URL") === undefined;
  return {
    apiKey,
    baseURL: openAI ? "https://api.openai.com/v1" : read("OPENAI_BASE_URL"),
    model: read("OPENAI_MODEL") ?? (openAI ? "gpt-6-luna" : undefined),
    logLevel: read("LOG_LEVEL")?.toLowerCase() ?? "info",
  };
}

// Set but empty, a variable would keep dotenv from filling it.
for (const [name, value] of Object.entries(process.env)) {
  if (value?.trim() === "") delete process.env[name];
}
const envFile = config({
  path: fileURLToPath(new URL("../../.env", import.meta.url)),
  quiet: true,
});

/** The settings of this run: the environment's, then those of `.env`. */
export const settings = readSettings(process.env);

/** The values that LOG_LEVEL may have: pino's. */
export const LOG_LEVELS = [...Object.values(levels.labels), "silent"];

/** Throws a `Failure` that names the first variable that cannot work. */
export function checkSettings({ apiKey, baseURL, logLevel }: Settings): void {
  const check = (valid: boolean, message: string, hint: string) => {
    if (!valid) throw new Failure("invalid_setting", message, hint);
  };
  check(
    !envFile.error || envFile.error.code === "ENOENT",
    `.env cannot be read: ${envFile.error?.message}`,
    "Make .env a text file that you may read.",
  );
  check(
    LOG_LEVELS.includes(logLevel),
    `LOG_LEVEL is "${logLevel}", which is no level.`,
    `Set LOG_LEVEL to one of ${LOG_LEVELS.join(", ")}.`,
  );
  check(
    /^[\x21-\x7e]*$/.test(apiKey ?? ""),
    "OPENAI_API_KEY holds a character that no key can hold.",
    "Set OPENAI_API_KEY to the bare key, on a line of its own: no curly quotes, spaces or accents.",
  );
  const url = URL.canParse(baseURL ?? "") ? new URL(baseURL ?? "") : undefined;
  check(
    baseURL === undefined || /^https?:$/.test(url?.protocol ?? ""),
    "OPENAI_BASE_URL is no http(s) URL.",
    "Write OPENAI_BASE_URL like this: http://localhost:11434/v1",
  );
  // The log shows this URL, so nothing secret may hide in it.
  check(
    !/[\s@?#]/.test(baseURL ?? ""),
    "OPENAI_BASE_URL holds more than an address: a space, @, ? or #.",
    "Set OPENAI_BASE_URL to the address alone, on a line of its own, and OPENAI_API_KEY to the key.",
  );
}
