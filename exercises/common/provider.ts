import { config } from "dotenv";
import OpenAI, { type ClientOptions } from "openai";
import { createError, describeError } from "./errors.ts";
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
    throw createError(`${name} is invalid.`, name);
  };

  logger.level = read("LOG_LEVEL")?.toLowerCase() ?? "info";
  // A key for one server must never reach another, so it is read only where the
  // base URL is. The SDK would also send these variables from the shell.
  const source = find("OPENAI_BASE_URL") ?? find("OPENAI_API_KEY");
  const defaultURL = source ? OPENAI_URL : OFFLINE_URL;
  const baseURL = read("OPENAI_BASE_URL", source) ?? defaultURL;
  const apiKey = read("OPENAI_API_KEY", source);
  hideKey(apiKey);
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
    // Less than Node's own limit of five minutes, whose error says less.
    timeout: 240_000,
    logger: { error: debug, warn: debug, info: () => {}, debug },
    logLevel: "debug",
  };
  const model = read("OPENAI_MODEL") ?? MODELS[baseURL];
  if (!model) {
    const list = listModels(new OpenAI(options));
    const models = await list.catch((error) => describeError(error).message);
    throw createError(`OPENAI_MODEL is not set. ${models}`, "OPENAI_MODEL");
  }
  if (source) logger.info({ baseURL, model }, "Using a real model");
  else logger.warn({ model }, OFFLINE);
  const isOpenAI = /\.openai\.(azure\.)?com$/.test(new URL(baseURL).hostname);
  const adapt = (original: ChatRequest): ChatRequest => {
    // The script may push to its list before the SDK sends the request.
    const request = { ...original, messages: [...original.messages] };
    return isOpenAI ? adaptToOpenAI(request) : request;
  };
  return { model, options, adapt };
}

async function listModels(client: OpenAI): Promise<string> {
  const body: { data?: OpenAI.Model[] } = Object(await client.get("/models"));
  const ids = (body.data ?? []).map(({ id }) => id);
  const more = ids.length > 10 ? ` (these and ${ids.length - 10} more)` : "";
  const first = ids.slice(0, 10).join(", ") || "none";
  return `Models on the server${more}: ${first}`;
}

// OpenAI's reasoning models accept a temperature only with reasoning off.
function adaptToOpenAI({ max_tokens, ...request }: ChatRequest): ChatRequest {
  if (max_tokens !== undefined) request.max_completion_tokens ??= max_tokens;
  if (request.temperature !== undefined) request.reasoning_effort ??= "none";
  return request;
}
