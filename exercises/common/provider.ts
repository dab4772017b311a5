import { existsSync } from "node:fs";
import { config } from "dotenv";
import type { ClientOptions, OpenAI } from "openai";
import { levels } from "pino";
import { logger } from "./logger.ts";
import { offlineFetch } from "./offline.ts";

type ChatRequest = OpenAI.ChatCompletionCreateParamsNonStreaming;

const ENV_FILE = new URL("../../.env", import.meta.url);
const OPENAI_URL = "https://api.openai.com/v1";
// OpenAI names it as the successor of gpt-4o-mini:
// https://developers.openai.com/api/docs/deprecations
const DEFAULT_MODEL = "gpt-6-luna";

/**
 * Reads the settings and logs which server they name. Returns the model, the
 * options of an OpenAI client, and `adapt`, which copies a request and, for
 * OpenAI and Azure OpenAI, changes a parameter or two. Throws an error if a
 * setting is invalid.
 */
export function loadProvider() {
  const place = loadSettings();
  logger.level = readLevel();
  const key = readKey();
  const url = readURL();
  const modelName = readSetting("OPENAI_MODEL");
  if (!key && !url) {
    logger.info(
      `Offline, without a model: neither OPENAI_API_KEY nor OPENAI_BASE_URL is set in ${place}`,
    );
    const options: ClientOptions = { apiKey: "none", fetch: offlineFetch };
    return { model: "offline", options, adapt: copy };
  }

  if (url && !modelName) {
    throw new Error(
      "OPENAI_BASE_URL is set, so OPENAI_MODEL must be set, too.",
    );
  }
  const model = modelName ?? DEFAULT_MODEL;
  const baseURL = url ?? OPENAI_URL;
  logger.info({ baseURL, model }, `Using the settings in ${place}`);
  const options: ClientOptions = {
    baseURL,
    // The SDK requires a key, but local servers don't.
    apiKey: key ?? "none",
    fetch: onlineFetch,
    // One call is one request, to the server that the log names.
    maxRetries: 0,
    fetchOptions: { redirect: "error" },
  };
  // The hosts of OpenAI and Azure OpenAI.
  const isOpenAI = /\.(openai|azure)\.com$/.test(new URL(baseURL).hostname);
  return { model, options, adapt: isOpenAI ? adaptToOpenAI : copy };
}

/**
 * Loads `.env` if there is one, and returns where the settings are. With a
 * `.env`, the shell's OPENAI_* are deleted: the SDK reads others, too, and would
 * send them to the server that `.env` names.
 */
function loadSettings(): string {
  if (!existsSync(ENV_FILE)) return "your shell (there is no .env)";
  for (const name of Object.keys(process.env)) {
    if (name.startsWith("OPENAI_")) delete process.env[name];
  }
  config({ path: ENV_FILE, quiet: true });
  return ".env";
}

/** Returns a trimmed value. An empty setting is unset. */
function readSetting(name: string): string | undefined {
  return process.env[name]?.trim() || undefined;
}

function readLevel(): string {
  const level = readSetting("LOG_LEVEL") ?? "info";
  const names = [...Object.keys(levels.values), "silent"];
  if (names.includes(level)) return level;
  throw new Error(`LOG_LEVEL must be one of ${names.join(", ")}.`);
}

function readKey(): string | undefined {
  const key = readSetting("OPENAI_API_KEY");
  // `!` to `~` are the visible characters of ASCII. JSON escapes `"` and `\`,
  // so that the log could not hide a key that contains one.
  if (key && (/[^!-~]/.test(key) || /["'\\]/.test(key))) {
    throw new Error(
      "OPENAI_API_KEY contains a space, a quote, a backslash, or a non-ASCII character. Copy the key again.",
    );
  }
  return key;
}

function readURL(): string | undefined {
  const url = readSetting("OPENAI_BASE_URL");
  if (!url) return undefined;
  const isHTTP = /^https?:\/\//i.test(url);
  if (isHTTP && URL.canParse(url)) return url;
  throw new Error(
    "OPENAI_BASE_URL must be a URL that starts with http:// or https://.",
  );
}

/**
 * Copies a request as JSON, which is what is sent. A later push to the messages
 * doesn't change the copy.
 */
function copy(request: ChatRequest): ChatRequest {
  return JSON.parse(JSON.stringify(request));
}

function adaptToOpenAI(original: ChatRequest): ChatRequest {
  const request = copy(original);
  // The newer models accept only the new name.
  request.max_completion_tokens ??= request.max_tokens;
  delete request.max_tokens;
  // The default model rejects a temperature while it reasons.
  if (request.model === DEFAULT_MODEL && request.temperature !== undefined) {
    request.reasoning_effort ??= "none";
  }
  return request;
}

/** A `fetch` that logs a long wait. A local model may have to load first. */
const onlineFetch: typeof fetch = async (url, init) => {
  const timer = setInterval(() => {
    logger.info("Still waiting for the server");
  }, 10_000);
  try {
    return await fetch(url, init);
  } finally {
    clearInterval(timer);
  }
};
