import { APIConnectionError, APIError } from "openai/index.js";

/** An error that the exercise itself reports. `code` is a key of `HINTS`. */
export class ExerciseError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

// A key lists codes, parameters, statuses and error classes, between spaces.
const HINTS = new Map(
  Object.entries({
    ".env": "Make .env a text file that you have permission to read.",
    setting: "Replace the placeholder with your own value.",
    LOG_LEVEL: "Use trace, debug, info, warn, error, fatal or silent.",
    OPENAI_API_KEY: "Copy the key again, without quotes or spaces.",
    OPENAI_BASE_URL: "Use a URL such as http://localhost:11434/v1.",
    "OPENAI_MODEL model model_not_found DeploymentNotFound":
      "Set OPENAI_MODEL in .env to a model that the server offers.",
    "invalid_api_key 401 403": "Set OPENAI_API_KEY in .env to a valid key.",
    "insufficient_quota 402": "Add credit to your account with the provider.",
    "301 302 307 308 404 405 unexpected_response":
      "Check OPENAI_MODEL and OPENAI_BASE_URL, which usually ends in /v1.",
    "408 429 InternalServerError": "Wait a minute, then run it again.",
    "content_filter refusal": "Rephrase SYSTEM_PROMPT, QUESTION or FOLLOW_UP.",
    context_length_exceeded: "Shorten the messages, or lower MAX_TOKENS.",
    "length no_text": "Raise MAX_TOKENS, or use another model.",
    temperature: "Change TEMPERATURE in the exercise.",
    "max_tokens max_completion_tokens": "Change MAX_TOKENS in the exercise.",
    "400 422": "Change what the message describes.",
    "ReferenceError TypeError": "Correct that line, or undo your last edit.",
    ECONNREFUSED: "Start the server, or correct OPENAI_BASE_URL.",
    "ERR_SSL_WRONG_VERSION_NUMBER ERR_SSL_PACKET_LENGTH_TOO_LONG":
      "Change https:// to http:// in OPENAI_BASE_URL.",
    "DEPTH_ZERO_SELF_SIGNED_CERT SELF_SIGNED_CERT_IN_CHAIN UNABLE_TO_GET_ISSUER_CERT_LOCALLY UNABLE_TO_VERIFY_LEAF_SIGNATURE":
      "Set NODE_EXTRA_CA_CERTS to the file of the CA's certificate.",
    APIConnectionTimeoutError: "Run it again, or use a faster model.",
    APIConnectionError: "Check your network and OPENAI_BASE_URL.",
  }).flatMap(([keys, hint]) =>
    keys.split(" ").map((key) => [key, hint] as const),
  ),
);

/**
 * Describes any error for the log: its message on one line, its fields and a
 * hint. `baseURL` is the server that a connection error is about.
 */
export function describeError(thrown: unknown, baseURL: string) {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { name } = error.constructor;
  const fields: Partial<APIError> = error instanceof APIError ? error : {};
  const err = {
    type: fields.type || name,
    status: fields.status,
    code: findCode(error),
    param: fields.param || undefined,
    request_id: fields.requestID || undefined,
  };

  let { message } = error;
  if (error instanceof APIConnectionError) {
    message = `Could not reach ${new URL(baseURL).host} (${err.code ?? message})`;
  } else if (error instanceof APIError) {
    // The SDK puts the status before the server's message.
    message = message.replace(/^\d+ /, "");
  } else if (!(error instanceof ExerciseError)) {
    const line = /[\w.-]+\.ts:\d+/.exec(error.stack ?? "")?.[0];
    message = `${name}: ${message} (${line})`;
  }

  const named = /\b(temperature|max_(completion_)?tokens)\b/.exec(message)?.[0];
  const keys = [err.code, err.param, named, err.status, name].map(String);
  const hint =
    keys.map((key) => HINTS.get(key)).find(Boolean) ??
    "Set LOG_LEVEL=debug to see more.";
  return { message: message.replace(/\s+/g, " "), err, hint };
}

function findCode(error: Error): string | undefined {
  if ("code" in error && typeof error.code === "string") return error.code;
  return error.cause instanceof Error ? findCode(error.cause) : undefined;
}
