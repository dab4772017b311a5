import OpenAI, { type ClientOptions } from "openai";
import { compatFetch } from "./compat.ts";
import { ExerciseError } from "./errors.ts";
import { exitWithError, logger } from "./logger.ts";
import { offlineFetch } from "./offline.ts";
import { settings } from "./settings.ts";

process.on("uncaughtException", exitWithError);

/**
 * Returns the model and the client's options for the provider in the settings,
 * or for offline mode. Throws an `ExerciseError` if a setting is invalid.
 */
export async function loadProvider() {
  const { apiKey, baseURL, model, isFileUsed, problem } = settings;
  if (problem) throw problem;
  // Without the details of the SDK's messages, which include headers.
  const debug = (message: string) => logger.debug(message);
  const options: ClientOptions = {
    baseURL: baseURL ?? "http://offline",
    // The SDK requires a key. If none is set, no Authorization header is sent.
    apiKey: apiKey ?? "none",
    defaultHeaders: apiKey ? {} : { Authorization: null },
    fetch: compatFetch(baseURL ? fetch : offlineFetch),
    logger: { error: debug, warn: debug, info: debug, debug },
    logLevel: "debug",
  };
  if (!baseURL) {
    const why = isFileUsed ? " (.env sets neither a key nor a base URL)" : "";
    const text = `Offline: replies are canned${why}. For a real model, see README.md`;
    logger.warn({ provider: "offline", model: model ?? "offline" }, text);
    return { model: model ?? "offline", options };
  }
  if (!model) {
    logger.warn("OPENAI_MODEL is not set; asking the server for its models");
    const { data } = await new OpenAI(options).models.list();
    const list = data.map(({ id }) => id).join(", ") || `none at ${baseURL}`;
    const message = `OPENAI_MODEL is not set. Models on the server: ${list}`;
    throw new ExerciseError("OPENAI_MODEL", message);
  }
  logger.info({ provider: baseURL, model }, `Using ${model} at ${baseURL}`);
  return { model, options };
}
