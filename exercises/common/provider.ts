import type { ClientOptions, OpenAI } from "openai";
import { ExerciseError } from "./errors.ts";
import { hideKey, logger } from "./logger.ts";
import { offlineFetch } from "./offline.ts";
import { loadSettings, type Settings } from "./settings.ts";

type ChatRequest = OpenAI.ChatCompletionCreateParamsNonStreaming;

const OFFLINE_URL = "http://offline";
const OPENAI_URL = "https://api.openai.com/v1";
// OpenAI's deprecations page names gpt-6-luna as the successor of gpt-4o,
// gpt-4o-mini, gpt-4.1, and gpt-4.1-mini, which shut down on January 14, 2027.
const DEFAULT_MODEL = "gpt-6-luna";

/** The hosts of OpenAI and Azure OpenAI, which may have subdomains. */
const OPENAI_HOSTS = [
  "openai.com",
  "openai.azure.com",
  "cognitiveservices.azure.com",
  "services.ai.azure.com",
];

/**
 * Reads the settings. Returns the model, a client's options, and `adapt`, which
 * adapts a request to OpenAI. Throws an `ExerciseError` if a setting is invalid
 * or missing.
 */
export function loadProvider() {
  const settings = loadSettings();
  const { apiKey } = settings;
  if (apiKey) hideKey(apiKey);
  const { baseURL, model } = chooseServer(settings);

  // A server that .env sets gets nothing of what the SDK reads from the shell.
  if (settings.place === ".env") {
    delete process.env.OPENAI_ADMIN_KEY;
    delete process.env.OPENAI_CUSTOM_HEADERS;
    delete process.env.OPENAI_ORG_ID;
    delete process.env.OPENAI_PROJECT_ID;
  }
  const debug = (message: string, ...details: unknown[]) =>
    logger.debug({ details }, message);
  const options: ClientOptions = {
    baseURL,
    // The SDK requires a key, but some servers don't. Without a key, no header
    // is sent.
    apiKey: apiKey ?? "none",
    defaultHeaders: apiKey ? {} : { Authorization: null },
    fetch: baseURL === OFFLINE_URL ? offlineFetch : onlineFetch,
    // One call is one request, to the server that the log names.
    maxRetries: 0,
    fetchOptions: { redirect: "error" },
    // The SDK's info messages repeat its debug messages without their details.
    logger: { error: debug, warn: debug, info: () => {}, debug },
    logLevel: "debug",
  };
  const adapt = (request: ChatRequest) => adaptTo(baseURL, request);
  return { model, options, adapt };
}

/** Chooses the base URL and the model, and logs them. */
function chooseServer(settings: Settings) {
  const { apiKey, baseURL, model, place } = settings;
  if (baseURL) {
    if (!model) {
      throw new ExerciseError(
        "OPENAI_MODEL is not set, but OPENAI_BASE_URL requires it. README.md says where your server lists its models.",
      );
    }
    logger.info({ baseURL, model }, `Using OPENAI_BASE_URL from ${place}`);
    return { baseURL, model };
  }
  if (apiKey) {
    const server = { baseURL: OPENAI_URL, model: model ?? DEFAULT_MODEL };
    logger.info(server, `Using OPENAI_API_KEY from ${place}`);
    return server;
  }
  const where = settings.hasEnvFile
    ? "in your shell or in .env"
    : "in your shell, and there is no .env";
  logger.warn(
    { model: "offline" },
    `Offline, with canned replies: neither OPENAI_API_KEY nor OPENAI_BASE_URL is set ${where}`,
  );
  return { baseURL: OFFLINE_URL, model: "offline" };
}

/** Returns a copy of the request, with the parameters that OpenAI requires. */
function adaptTo(baseURL: string, original: ChatRequest): ChatRequest {
  // What is logged and sent is JSON, so a copy as JSON loses nothing, and a
  // later push to the list of messages can't change it.
  const request: ChatRequest = JSON.parse(JSON.stringify(original));
  if (!isOpenAI(baseURL)) return request;

  // All of OpenAI's chat models accept max_completion_tokens, and the newer
  // ones reject max_tokens.
  if ("max_tokens" in request && !("max_completion_tokens" in request)) {
    request.max_completion_tokens = request.max_tokens;
    delete request.max_tokens;
  }
  // The default model accepts a temperature only with reasoning off. Models
  // that don't reason reject reasoning_effort.
  if (
    request.model === DEFAULT_MODEL &&
    "temperature" in request &&
    !("reasoning_effort" in request)
  ) {
    request.reasoning_effort = "none";
  }
  return request;
}

function isOpenAI(baseURL: string): boolean {
  const { hostname } = new URL(baseURL);
  return OPENAI_HOSTS.some(
    (host) => hostname === host || hostname.endsWith(`.${host}`),
  );
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
