import OpenAI, { type ClientOptions } from "openai";
import { compatFetch } from "./compat.ts";
import { ExerciseError } from "./errors.ts";
import { exitWithError, logger } from "./logger.ts";
import { offlineFetch } from "./offline.ts";
import { settings } from "./settings.ts";

process.on("uncaughtException", exitWithError);

/**
 * Returns the model and the options of a client for the provider in the
 * settings, or for offline mode, and logs the choice. Throws an
 * `ExerciseError` if a setting is invalid or missing.
 */
export async function loadProvider() {
  const { apiKey, baseURL, model, isFileUsed, problem } = settings;
  if (problem) throw problem;

  const options: ClientOptions = {
    baseURL: baseURL ?? "http://offline",
    // The SDK requires a key. If none is set, no Authorization header is sent.
    apiKey: apiKey ?? "none",
    defaultHeaders: apiKey ? {} : { Authorization: null },
    fetch: compatFetch(baseURL ? fetch : offlineFetch),
    logger: { error: logSDK, warn: logSDK, info: logSDK, debug: logSDK },
    logLevel: "debug",
  };
  if (!baseURL) {
    const reason = isFileUsed
      ? ", because .env sets neither OPENAI_API_KEY nor OPENAI_BASE_URL"
      : "";
    const text = `Offline: replies are canned${reason}. For a real model, see README.md`;
    logger.warn({ provider: "offline", model: model ?? "offline" }, text);
    return { model: model ?? "offline", options };
  }
  if (!model) {
    logger.warn("OPENAI_MODEL is not set; asking the server for its models");
    const { data } = await new OpenAI(options).models.list();
    const ids = data.slice(0, 10).map(({ id }) => id);
    if (data.length > 10) ids.push("…");
    const list = ids.join(", ") || "none";
    const message = `OPENAI_MODEL is not set. Models on the server: ${list}`;
    throw new ExerciseError("OPENAI_MODEL", message);
  }
  logger.info({ provider: baseURL, model }, `Using ${model} at ${baseURL}`);
  return { model, options };
}

/** Logs the SDK's messages, all of them at debug level. */
function logSDK(message: string, details?: unknown): void {
  logger.debug({ details }, message);
}
