import { OpenAI } from "openai/index.js";
import { compatFetch } from "./compat.ts";
import { describeError, ExerciseError } from "./errors.ts";
import { exitWithError, logger } from "./logger.ts";
import { offlineFetch } from "./offline.ts";
import { OFFLINE_URL, settings, validateSettings } from "./settings.ts";

process.on("uncaughtException", exitWithError);

/**
 * Creates a client for the provider in the settings, or for offline mode, and
 * logs which. Throws an `ExerciseError` if a setting is invalid or missing.
 */
export async function connect(): Promise<{ client: OpenAI; model: string }> {
  validateSettings(settings);
  const { apiKey, baseURL, model } = settings;
  const isOffline = baseURL === OFFLINE_URL;
  const client = new OpenAI({
    baseURL,
    // The SDK requires a key. Without one, the header is left out.
    apiKey: apiKey ?? "none",
    defaultHeaders: apiKey ? {} : { Authorization: null },
    fetch: compatFetch(isOffline ? offlineFetch : fetch),
    logger: { error: logSDK, warn: logSDK, info: logSDK, debug: logSDK },
    logLevel: "debug",
  });
  if (!model) {
    const message = `OPENAI_MODEL is not set. ${await listModels(client)}`;
    throw new ExerciseError("OPENAI_MODEL", message);
  }
  if (isOffline) {
    const text = "Offline: replies are canned. For a real model, see README.md";
    logger.warn({ provider: "offline", model }, text);
  } else {
    logger.info({ provider: baseURL, model }, `Using ${model} at ${baseURL}`);
  }
  return { client, model };
}

/** Logs retries in plain words, and whatever the SDK logs at debug. */
function logSDK(message: string, details?: unknown): void {
  logger.debug({ details }, message);
  const retry = /(status \d+|connection \D+) .*- retrying, (\d+)/.exec(message);
  if (!retry) return;
  const [, reason, left] = retry;
  logger.warn(`Request failed (${reason}); retrying (attempts left: ${left})`);
}

async function listModels(client: OpenAI): Promise<string> {
  try {
    const { data } = await client.models.list();
    const ids = data.map(({ id }) => id);
    if (ids.length > 10) ids.splice(10, ids.length, "…");
    return `The server has these models: ${ids.join(", ") || "none"}`;
  } catch (error) {
    const { message } = describeError(error, client.baseURL);
    return `The server did not list its models: ${message}`;
  }
}
