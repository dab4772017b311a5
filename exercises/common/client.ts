import { OpenAI } from "openai/index.js";
import { compatFetch } from "./compat.ts";
import { ExerciseError } from "./errors.ts";
import { exitWithError, logger } from "./logger.ts";
import { offlineFetch } from "./offline.ts";
import { OFFLINE_URL, settings, validateSettings } from "./settings.ts";

process.on("uncaughtException", exitWithError);

/**
 * Creates a client for the provider in the settings, or for offline mode. Logs
 * the choice. Throws an `ExerciseError` if a setting is invalid or missing.
 */
export async function connect(): Promise<{ client: OpenAI; model: string }> {
  validateSettings(settings);
  const { apiKey, baseURL, model } = settings;
  const isOffline = baseURL === OFFLINE_URL;
  const client = new OpenAI({
    baseURL,
    // The SDK requires a key. If none is set, no Authorization header is sent.
    apiKey: apiKey ?? "none",
    defaultHeaders: apiKey ? {} : { Authorization: null },
    fetch: compatFetch(isOffline ? offlineFetch : fetch),
    logger: { error: logSDK, warn: logSDK, info: logSDK, debug: logSDK },
    logLevel: "debug",
  });
  if (!model) {
    logger.warn("OPENAI_MODEL is not set; asking the server for its models");
    const { data } = await client.models.list();
    const ids = data.slice(0, 10).map(({ id }) => id);
    if (data.length > 10) ids.push("…");
    const list = ids.join(", ") || "none";
    const message = `OPENAI_MODEL is not set. Models on the server: ${list}`;
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

/** Logs the SDK's messages at debug level, and its retries as warnings too. */
function logSDK(message: string, details?: unknown): void {
  logger.debug({ details }, message);
  const retry = /(status \d+|connection \D+) .*- retrying, (\d+)/;
  const [, reason, left] = retry.exec(message) ?? [];
  if (!reason) return;
  logger.warn(`Request failed (${reason}); retrying (attempts left: ${left})`);
}
