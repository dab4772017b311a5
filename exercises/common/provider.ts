import { existsSync } from "node:fs";
import { config, populate } from "dotenv";
import type { ClientOptions, OpenAI } from "openai";
import { logger } from "./logger.ts";
import { offlineFetch } from "./offline.ts";

type ChatRequest = OpenAI.ChatCompletionCreateParamsNonStreaming;

const ENV_FILE = new URL("../../.env", import.meta.url);
const OPENAI_URL = "https://api.openai.com/v1";
// OpenAI withdraws gpt-4o, gpt-4o-mini, gpt-4.1, and gpt-4.1-mini on January
// 14, 2027, and names this model as the successor of all four.
const DEFAULT_MODEL = "gpt-6-luna";
// The host names of OpenAI and Azure OpenAI end with one of these.
const OPENAI_DOMAINS = [
  ".openai.com",
  ".openai.azure.com",
  ".cognitiveservices.azure.com",
  ".services.ai.azure.com",
];

/**
 * Reads the settings and logs which server they name. Returns the model, the
 * options of a client, and `adapt`, which adapts a request to OpenAI. Throws an
 * error if a setting is invalid or missing.
 */
export function loadProvider() {
  const place = loadSettings();
  logger.level = readSetting("LOG_LEVEL")?.toLowerCase() ?? "info";
  const { key, url, model } = readServer();
  const isOffline = !key && !url;
  const baseURL = url ?? OPENAI_URL;

  if (isOffline) {
    const where = existsSync(ENV_FILE)
      ? "in your shell or in .env"
      : "in your shell, and there is no .env";
    logger.info(
      `Offline, with canned replies: neither OPENAI_API_KEY nor OPENAI_BASE_URL is set ${where}`,
    );
  } else {
    logger.info({ baseURL, model }, `Using the settings in ${place}`);
  }

  const options: ClientOptions = {
    baseURL,
    // The SDK requires a key, but local servers don't.
    apiKey: key ?? "none",
    fetch: isOffline ? offlineFetch : onlineFetch,
    // One call is one request, to the server that the log names.
    maxRetries: 0,
    fetchOptions: { redirect: "error" },
  };
  const { hostname } = new URL(baseURL);
  const isOpenAI = OPENAI_DOMAINS.some((domain) => hostname.endsWith(domain));
  const adapt = isOpenAI && !isOffline ? adaptToOpenAI : copy;
  return { model: isOffline ? "offline" : model, options, adapt };
}

/** Loads `.env`, and says where the settings of the server are. */
function loadSettings(): ".env" | "your shell" {
  const { parsed: file = {} } = config({
    path: ENV_FILE,
    processEnv: {},
    quiet: true,
  });
  const isInFile = Boolean(
    file.OPENAI_API_KEY?.trim() || file.OPENAI_BASE_URL?.trim(),
  );
  for (const [name, value] of Object.entries(process.env)) {
    if (!name.startsWith("OPENAI_")) continue;
    // What the SDK reads, such as a key or OPENAI_CUSTOM_HEADERS, must not go
    // from the shell to a server that .env names. An empty variable is unset,
    // but dotenv would not replace it.
    if (isInFile || !value?.trim()) delete process.env[name];
  }
  populate(process.env, file);
  return isInFile ? ".env" : "your shell";
}

/** Returns a trimmed value. An empty setting is unset. */
function readSetting(name: string): string | undefined {
  return process.env[name]?.trim() || undefined;
}

/** Reads the settings that choose a server, and checks them. */
function readServer() {
  const key = readSetting("OPENAI_API_KEY");
  const url = readSetting("OPENAI_BASE_URL");
  const model = readSetting("OPENAI_MODEL");
  // `!` to `~` are the visible characters of ASCII.
  if (key && (/[^!-~]/.test(key) || /["'`\\]/.test(key))) {
    throw new Error(
      "OPENAI_API_KEY contains a space, a quote, a backslash, or a non-ASCII character. Copy the key again.",
    );
  }
  if (url && !isBaseURL(url)) {
    throw new Error(
      "OPENAI_BASE_URL must be a URL that starts with http:// or https:// and contains no @, ?, or #.",
    );
  }
  if (url && !model) {
    throw new Error(
      "OPENAI_BASE_URL is set, so OPENAI_MODEL must be set, too.",
    );
  }
  return { key, url, model: model ?? DEFAULT_MODEL };
}

function isBaseURL(text: string): boolean {
  const isHTTP = /^https?:\/\//i.test(text);
  // A user name ends with @, a query starts with ?, and a fragment with #.
  return isHTTP && !/[@?#]/.test(text) && URL.canParse(text);
}

/**
 * Copies a request, so that a later push to the messages changes neither the
 * log nor what is sent. As JSON, because that is what is sent.
 */
function copy(request: ChatRequest): ChatRequest {
  return JSON.parse(JSON.stringify(request));
}

/** Copies a request, and changes it as OpenAI's models require. */
function adaptToOpenAI(original: ChatRequest): ChatRequest {
  const request = copy(original);
  // The newer models accept only the new name.
  if (request.max_tokens !== undefined) {
    request.max_completion_tokens ??= request.max_tokens;
    delete request.max_tokens;
  }
  // The default model rejects a temperature while it reasons.
  if (request.model === DEFAULT_MODEL && request.temperature !== undefined) {
    request.reasoning_effort ??= "none";
  }
  return request;
}

/** A `fetch` that logs a long wait and keeps the words of a failed response. */
const onlineFetch: typeof fetch = async (url, init) => {
  const timer = setInterval(() => {
    logger.info("Still waiting for the server");
  }, 10_000);
  const stop = () => clearInterval(timer);

  const pending = fetch(url, init);
  // The wait includes the body. A clone leaves the response to the SDK.
  const text = pending.then((response) => response.clone().text());
  text.then(stop, stop);
  const response = await pending;
  return response.ok ? response : keepWords(response, await text);
};

/** The SDK drops JSON that has no `error`. Makes its text the message of one. */
function keepWords(response: Response, text: string): Response {
  let error: unknown;
  try {
    error = JSON.parse(text)?.error;
  } catch {
    // The SDK keeps a text that isn't JSON.
    return response;
  }
  if (error) return response;
  const { status } = response;
  return Response.json({ error: { message: text } }, { status });
}
