import OpenAI from "openai";
import { REWORD } from "./answer.ts";
import { Failure, settings } from "./env.ts";
import { hideKey, logger } from "./logger.ts";

const UNKNOWN_MODEL =
  /^4(04.*(model|deployment|no endpoints)|.*(invalid|unknown|no such|valid) model|.*model_(not|decom)|.*\bmodel\b.*(not (found|exist)|decommissioned|retired|withdrawn))/is;

/** Logs what went wrong and what to do, in one fatal line; exits with status 1. */
export function fail(error: unknown): never {
  const { err, message, hint } = explain(error);
  const showStack = logger.isLevelEnabled("debug") && error instanceof Error;
  // The key is hidden before the cut, which could leave half of it.
  const words = hideKey(message).replace(/\s+/g, " ").trim();
  logger.fatal(
    { err: showStack ? { ...err, stack: error.stack } : err, hint },
    words.length > 500 ? `${words.slice(0, 500)} …` : words,
  );
  process.exit(1);
}

/** What to log for any error: its facts, those there are, its words, a hint. */
export function explain(thrown: unknown) {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const type = error.constructor.name;
  if (error instanceof Failure) {
    const { code, message, hint } = error;
    return { err: { type, code }, message, hint };
  }
  if (error instanceof OpenAI.APIConnectionError) {
    const { code, message: words } = rootCause(error);
    // OpenSSL puts its routine before what it says, and its source file after.
    const message = words.replace(
      /^\w+:error:\w+:.*?:.*?:(.*?):.*/s,
      "TLS: $1",
    );
    return { err: { type, code }, message, hint: hintFor(code, message) };
  }
  if (error instanceof OpenAI.APIError) {
    const { status } = error;
    const code = error.code ?? undefined;
    const param = error.param ?? undefined;
    const request_id = error.requestID ?? undefined;
    const message = error.message.replace(/^\d+ /, "");
    return {
      err: { type: error.type ?? type, status, code, param, request_id },
      message,
      hint: hintFor(status, code, param, message),
    };
  }
  return {
    err: { type },
    message: `${type}: ${error.message}`,
    hint: "Undo your last edit; LOG_LEVEL=debug shows the line that failed.",
  };
}

/** The first cause: what the SDK and fetch throw says only that it failed. */
function rootCause(error: Error): NodeJS.ErrnoException {
  const cause: unknown =
    error instanceof AggregateError ? error.errors[0] : error.cause;
  return cause instanceof Error ? rootCause(cause) : error;
}

/**
 * What to do, by the facts in a fixed order: an answer's status, code, param and
 * message, or a connection's code and message.
 */
function hintFor(...facts: unknown[]): string {
  const is = (pattern: RegExp) => pattern.test(facts.join(" "));
  const { apiKey, baseURL } = settings;

  if (is(/^401|^400.*api.?key/is))
    return `Set OPENAI_API_KEY in .env to a key that ${baseURL} accepts${apiKey ? "" : ": it is not set"}.`;
  if (is(/^402|^429.*(insufficient_quota|exceeded your|credit|balance)/is))
    return "Add credit to the account of OPENAI_API_KEY, or set another key.";
  if (is(/^403/))
    return "Set OPENAI_API_KEY to a key that may use this model, or OPENAI_MODEL to one that it may use.";
  if (is(/^429/))
    return "Too many calls in a short time: wait a minute and run it again.";
  if (is(UNKNOWN_MODEL))
    return `Set OPENAI_MODEL in .env to a model that ${baseURL} has.`;
  if (is(/^(3|40[45])|unexpected_answer|endpoint/i))
    return `Correct OPENAI_BASE_URL in .env, now ${baseURL}: it usually ends in /v1.`;
  if (is(/^4.*content_(filter|policy)/is)) return REWORD;
  if (is(/^4.*(context length|context window|(prompt|messages?) .*too long)/is))
    return "Shorten the messages, or lower MAX_TOKENS, in the exercise.";
  if (is(/^4.*\btemperature\b/is)) return "Change TEMPERATURE in the exercise.";
  if (is(/^4.*\bmax_(completion_)?tokens\b/is))
    return "Change MAX_TOKENS in the exercise.";
  if (is(/^(408|5)/))
    return "The server failed: run it again in a minute, or set OPENAI_MODEL to another model.";
  if (is(/^4/))
    return "Change in the exercise what the message names: a prompt, the messages, TEMPERATURE or MAX_TOKENS.";
  if (is(/^\d/)) return "Run it again, or set OPENAI_MODEL to another model.";

  if (is(/^ECONNREFUSED/))
    return `Start the server at ${baseURL}, or correct OPENAI_BASE_URL in .env: nothing listens there.`;
  if (is(/^(ENOTFOUND|EAI_)/))
    return "Check your network, and the host name in OPENAI_BASE_URL if you set it.";
  if (is(/^\w*(CERT|SIGNED|ISSUER)/))
    return "Correct OPENAI_BASE_URL, or set NODE_EXTRA_CA_CERTS to the file of an authority to trust.";
  if (is(/^(EPROTO|ERR_SSL|ERR_TLS)/))
    return "Start OPENAI_BASE_URL with http:// instead of https://.";
  if (is(/timed? ?out/i))
    return "Run it again, lower MAX_TOKENS, or set OPENAI_MODEL to a faster model.";
  return "Check your network and OPENAI_BASE_URL, and run it again.";
}
