import OpenAI from "openai";
import { checkSettings, Failure, settings } from "./env.ts";
import { explain } from "./failure.ts";
import { logger } from "./logger.ts";
import { OFFLINE_MODEL, offlineFetch } from "./offline.ts";
import {
  respell,
  spell,
  type ParameterName,
  type Parameters,
} from "./parameters.ts";
import { respellingFetch } from "./transport.ts";

/** A provider, ready to be asked. */
export interface Provider {
  client: OpenAI;
  model: string;
  /** Spells the temperature and the limit, in tokens, as it takes them. */
  parameters: (temperature: number, maxTokens: number) => Parameters;
}

/**
 * Makes a client for the provider that the settings name, or for the stand-in
 * where they name none, and logs who answers. Throws a `Failure` where a
 * setting cannot work.
 */
export async function connect(): Promise<Provider> {
  checkSettings(settings);
  const { apiKey } = settings;
  const offline = settings.baseURL === undefined;
  const baseURL = settings.baseURL ?? "http://offline.invalid/v1";
  const refused: ParameterName[] = [];
  const client = new OpenAI({
    baseURL,
    // The SDK insists on a key. Where there is none, no header goes out.
    apiKey: apiKey ?? "none",
    defaultHeaders: apiKey === undefined ? { Authorization: null } : {},
    fetch: respellingFetch(offline ? offlineFetch : fetch, refused),
    logger: {
      error: relay("error"),
      warn: relay("warn"),
      info: relay("info"),
      debug: relay("debug"),
    },
    logLevel: "debug",
  });

  const model = offline ? OFFLINE_MODEL : settings.model;
  if (model === undefined) throw await missingModel(client);
  if (offline) {
    logger.warn(
      { provider: "offline", model },
      "No model answers, only an offline stand-in: see .env.example",
    );
  } else {
    logger.info({ provider: baseURL, model }, `Asking ${model} at ${baseURL}`);
  }

  const parameters = (temperature: number, maxTokens: number) =>
    refused.reduce<Parameters>(
      (spelt, name, index) =>
        respell(spelt, name, refused.slice(0, index)) ?? spelt,
      spell(baseURL, temperature, maxTokens),
    );
  return { client, model, parameters };
}

/** The SDK's logger calls put the text first; pino wants it last. */
function relay(level: "error" | "warn" | "info" | "debug") {
  return (text: string, details?: unknown) => {
    // Of what it says at "info", a person who waits must see its retries.
    const shown =
      level !== "info" ? level : text.includes("retrying") ? "warn" : "debug";
    logger[shown]({ details }, text);
  };
}

async function missingModel(client: OpenAI): Promise<Failure> {
  const [code, unset] = ["missing_model", "OPENAI_MODEL is not set"];
  try {
    const { data } = await client.models.list({ maxRetries: 0 });
    const all = data.flatMap(({ id }) => id || []);
    const names = all.slice(0, 10);
    const more = all.length - names.length;
    if (more > 0) names.push(`and ${more} more`);
    const listed = names.length > 0 ? names.join(", ") : "no model at all";
    const hint = `Set OPENAI_MODEL in .env. ${client.baseURL} lists ${listed}.`;
    return new Failure(code, `${unset}.`, hint);
  } catch (error) {
    const { message, hint } = explain(error);
    const why = `${unset}, and the server does not list its models: ${message}`;
    return new Failure(code, why, `${hint} Then set OPENAI_MODEL in .env.`);
  }
}
