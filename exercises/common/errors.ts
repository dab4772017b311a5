import { inspect } from "node:util";
import { APIError, type OpenAI } from "openai";

/** Hints, by patterns of codes, parameters, words, statuses, and classes. */
const HINTS = Object.entries({
  LOG_LEVEL: "Use trace, debug, info, warn, error, fatal, or silent.",
  OPENAI_API_KEY: "Copy the key again, without quotes or spaces.",
  OPENAI_BASE_URL:
    "It must start with http:// or https:// and contain no spaces, @, ?, or #.",
  OPENAI_MODEL: "Set it to a model on the server (on Azure, to a deployment).",
  offline: "Use a real model (see README.md) or check the spelling.",
  "401|403|invalid_api_key|api.key":
    "Set OPENAI_API_KEY to a valid key, in .env or in your shell, which overrides .env. If you set a base URL, set its key in the same place.",
  "402|insufficient_quota": "Add credit to your account or raise its limit.",
  "404|405|model|unexpected_response":
    "Check OPENAI_MODEL and OPENAI_BASE_URL (which usually ends in /v1).",
  "408|409|429|5\\d\\d": "Wait a while, then run the script again.",
  context: "Shorten the messages or lower MAX_TOKENS.",
  messages: "Check what the script adds to `messages`.",
  temperature: "Change TEMPERATURE, or delete `temperature` from the request.",
  reasoning_effort:
    "Delete `temperature` from the request, or change your `reasoning_effort`.",
  max_tokens:
    "Change MAX_TOKENS. If the server doesn't know `max_tokens`, use `max_completion_tokens`.",
  max_completion_tokens:
    "Change MAX_TOKENS. If the server doesn't know `max_completion_tokens`, use `max_tokens`.",
  "content_filter|reply content_filter|refusal": "Rephrase the messages.",
  "reply length": "Raise MAX_TOKENS. Reasoning counts toward it, too.",
  "reply stop": "Run the script again or use another model.",
  OpenAIError:
    "Use `await loadProvider()`, which reads the key, and `new OpenAI(options)`.",
  TypeError:
    "Look on that line for a misspelled name, a missing `await`, a stream read without `for await`, or a new value for a `const`. If you edited nothing, check OPENAI_BASE_URL.",
  ReferenceError:
    "Check the spelling and whether the name is defined before that line runs.",
  ECONNREFUSED: "Start the server or correct OPENAI_BASE_URL.",
  ERR_SSL: "If the server is local, change https to http in OPENAI_BASE_URL.",
  "SELF_SIGNED|DEPTH_ZERO|UNABLE_TO":
    "In your shell, set NODE_EXTRA_CA_CERTS to the path of the CA certificate (PEM).",
  APIConnectionTimeoutError: "Lower MAX_TOKENS or use a faster model.",
  "APIConnectionError|UND_ERR": "Check your network and OPENAI_BASE_URL.",
});
/** Names to look for in a message. */
const NAMED =
  /\b(temperature|reasoning_effort|max_(completion_)?tokens|api[ _]key|context[ _](length|window|size))\b/i;
/** The first stack frame in a script, outside `common/`. */
const FRAME = /exercises[\\/](?!common)\w+[\\/]([\w.-]+:\d+)/;

/** Whether a value is an object, a list included, whose properties can be read. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

const findHint = (key: unknown) =>
  HINTS.find(([start]) => new RegExp(`^(${start})`, "i").test(`${key}`))?.[1];

/** Creates one of the exercise's own errors. `key` selects its hint. */
export function createError(message: string, key: string): Error {
  return Object.assign(new Error(message), { hint: findHint(key) });
}

/** Creates the error for a response whose first choice has no text. */
export function noTextError({ choices }: OpenAI.ChatCompletion): Error {
  const { message, finish_reason = "stop" } = choices[0] ?? {};
  if (message?.refusal) return createError(message.refusal, "refusal");
  const text = `The reply has no text (finish_reason ${finish_reason})`;
  return createError(text, `reply ${finish_reason}`);
}

/**
 * Describes what was thrown: a message and a hint for the reader, and `err`,
 * the fields for the log.
 */
export function describeError(thrown: unknown, withStack = false) {
  const isError = thrown instanceof Error;
  const error = isError ? thrown : new Error(`Uncaught ${inspect(thrown)}`);
  const fields: Partial<APIError & { hint: string }> = { ...error };
  const { name } = error.constructor;
  // The SDK wraps the error of `fetch`, which wraps the system's.
  const cause = Object(Object(error.cause).cause ?? error.cause);
  const err = {
    type: fields.type || name,
    message: `${error.message} ${cause.message || cause.code || ""}`.trim(),
    status: fields.status,
    code: cause.code || fields.code || undefined,
    param: fields.param || undefined,
    request_id: fields.requestID || undefined,
    stack: withStack ? error.stack : undefined,
  };
  const named = NAMED.exec(err.message)?.[0];
  const keys = [err.code, err.param, name, named, err.status];
  const found = fields.hint ?? keys.map(findHint).find(Boolean);
  const hint = found ?? "Set LOG_LEVEL=debug to see more.";
  const line = FRAME.exec(error.stack ?? "")?.[1];
  const isEdit = line && !(error instanceof APIError || "hint" in fields);
  // The SDK puts the status before the server's message.
  const words = err.message.replace(/^\d{3} /, "");
  const message = isEdit ? `${name}: ${words} (${line})` : words;
  return { message, hint, err };
}
