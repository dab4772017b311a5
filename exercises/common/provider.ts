import { config } from "dotenv";
import type { ClientOptions, OpenAI } from "openai";
import { ExerciseError } from "./errors.ts";
import { wrapFetch } from "./fetch.ts";
import { hideKey, logger } from "./logger.ts";
import { OFFLINE_URL, offlineFetch } from "./offline.ts";

type ChatRequest = OpenAI.ChatCompletionCreateParamsNonStreaming;

const OPENAI_URL = "https://api.openai.com/v1";
// OpenAI's deprecations page names gpt-6-luna as the successor of gpt-4o,
// gpt-4o-mini, gpt-4.1, and gpt-4.1-mini, which shut down on January 14, 2027.
const MODELS: Record<string, string> = {
  [OPENAI_URL]: "gpt-6-luna",
  [OFFLINE_URL]: "offline",
};
const OFFLINE =
  "Offline, with canned replies: neither OPENAI_API_KEY nor OPENAI_BASE_URL is set";
const FORMATS: Record<string, RegExp> = {
  LOG_LEVEL: /^(trace|debug|info|warn|error|fatal|silent)$/i,
  // ASCII, without spaces, quotes, or backslashes.
  OPENAI_API_KEY: /^[!#-&(-[\]-~]+$/,
  OPENAI_BASE_URL: /^https?:\/\/(\[.+]|[^\s:/?#@]+)(:\d{1,5})?(\/[^\s?#@]*)?$/i,
};

/**
 * Reads the settings. Returns the model, a client's options, and `adapt`, which
 * adapts a request to OpenAI. Throws if a setting is invalid or missing.
 */
export async function loadProvider() {
  const { env } = process;
  const path = new URL("../../.env", import.meta.url);
  const { parsed: file = {} } = config({ path, quiet: true, processEnv: {} });
  const find = (name: string) => [env, file].find((each) => each[name]?.trim());
  const read = (name: string, source = find(name)) => {
    const value = source?.[name]?.trim() || undefined;
    if (!value || FORMATS[name]?.test(value) !== false) return value;
    throw new ExerciseError(`${name} is invalid. See .env.example.`);
  };

  logger.level = read("LOG_LEVEL")?.toLowerCase() ?? "info";
  // A key for one server must never reach another, so it is read only where the
  // base URL is. The SDK would also send these variables from the shell.
  const source = find("OPENAI_BASE_URL") ?? find("OPENAI_API_KEY");
  const defaultURL = source ? OPENAI_URL : OFFLINE_URL;
  const baseURL = read("OPENAI_BASE_URL", source) ?? defaultURL;
  const apiKey = read("OPENAI_API_KEY", source);
  if (apiKey) hideKey(apiKey);
  if (source === file) {
    delete env.OPENAI_ADMIN_KEY;
    delete env.OPENAI_CUSTOM_HEADERS;
    delete env.OPENAI_ORG_ID;
    delete env.OPENAI_PROJECT_ID;
  }

  // The SDK's info messages repeat its debug messages without their details.
  const debug = (message: string, ...details: unknown[]) =>
    logger.debug({ details }, message);
  const options: ClientOptions = {
    baseURL,
    // The SDK requires a key. A server may not: then, no header is sent.
    apiKey: apiKey ?? "none",
    defaultHeaders: apiKey ? {} : { Authorization: null },
    fetch: wrapFetch(source ? fetch : offlineFetch),
    // One call is one request: the log shows all that is sent, and a failure
    // says at once what happened.
    maxRetries: 0,
    logger: { error: debug, warn: debug, info: () => {}, debug },
    logLevel: "debug",
  };
  const model = read("OPENAI_MODEL") ?? MODELS[baseURL];
  if (!model) {
    throw new ExerciseError(
      "OPENAI_MODEL is not set, but a base URL requires it. README.md says where your server lists its models.",
    );
  }
  if (source) logger.info({ baseURL, model }, "Using a real model");
  else logger.warn({ model }, OFFLINE);
  const isOpenAI = /\.openai\.(azure\.)?com$/.test(new URL(baseURL).hostname);
  const adapt = (original: ChatRequest): ChatRequest => {
    // What is logged and sent is JSON, so a copy as JSON loses nothing, and a
    // later push to the list of messages can't change it.
    const request: ChatRequest = JSON.parse(JSON.stringify(original));
    return isOpenAI ? adaptToOpenAI(request) : request;
  };
  return { model, options, adapt };
}

// OpenAI's reasoning models accept a temperature only with reasoning off.
function adaptToOpenAI({ max_tokens, ...request }: ChatRequest): ChatRequest {
  if (max_tokens !== undefined) request.max_completion_tokens ??= max_tokens;
  if (request.temperature !== undefined) request.reasoning_effort ??= "none";
  return request;
}
