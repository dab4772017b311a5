import { APIConnectionError, APIError } from "openai/index.js";

/** An error that the exercise itself reports. `code` leads to its hint. */
export class ExerciseError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

// A key is a space-separated list of codes, parameters, statuses and classes.
const HINTS = new Map(
  Object.entries({
    ".env": "Check that .env is a text file that you can read.",
    setting: "Replace the placeholder in .env with your own value.",
    LOG_LEVEL: "Use trace, debug, info, warn, error, fatal or silent.",
    OPENAI_API_KEY: "Copy the key again, without quotes or spaces.",
    OPENAI_BASE_URL: "Use a URL such as http://localhost:11434/v1.",
    "OPENAI_MODEL model model_not_found DeploymentNotFound":
      "Set OPENAI_MODEL in .env to a model that the server offers.",
    "invalid_api_key 401": "Set OPENAI_API_KEY in .env to a valid key.",
    403: "Use a key that has access to this model, or change OPENAI_MODEL.",
    "insufficient_quota 402": "Add credit to your account, or raise its limit.",
    "301 302 307 308 404 405 unexpected_response":
      "Check OPENAI_MODEL and OPENAI_BASE_URL, which usually ends in /v1.",
    "408 429 InternalServerError": "Wait a while, then run the script again.",
    "content_filter refusal": "Rephrase SYSTEM_PROMPT, QUESTION or FOLLOW_UP.",
    context_length_exceeded: "Shorten the messages, or lower MAX_TOKENS.",
    "length stop": "Raise MAX_TOKENS, or use another model.",
    temperature: "Change TEMPERATURE in the script.",
    "max_tokens max_completion_tokens": "Change MAX_TOKENS in the script.",
    "400 422": "Correct the problem that the message describes.",
    "ReferenceError TypeError":
      "Check that line for a misspelled name or a missing `await`.",
    ECONNREFUSED: "Start the server, or correct OPENAI_BASE_URL.",
    "ERR_SSL_WRONG_VERSION_NUMBER ERR_SSL_PACKET_LENGTH_TOO_LONG":
      "Change https:// to http:// in OPENAI_BASE_URL.",
    "DEPTH_ZERO_SELF_SIGNED_CERT SELF_SIGNED_CERT_IN_CHAIN UNABLE_TO_GET_ISSUER_CERT_LOCALLY UNABLE_TO_VERIFY_LEAF_SIGNATURE":
      "In your shell, set NODE_EXTRA_CA_CERTS to the CA's PEM file.",
    APIConnectionTimeoutError: "Check your network, or use a faster model.",
    APIConnectionError: "Check your network and OPENAI_BASE_URL.",
  }).flatMap(([keys, hint]) =>
    keys.split(" ").map((key) => [key, hint] as const),
  ),
);

/**
 * Describes any error for the log: its message on one line, its fields and a
 * hint. `baseURL` is the server to name in a connection error.
 */
export function describeError(thrown: unknown, baseURL: string) {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { name } = error.constructor;
  const cause = rootCause(error);
  const fields: Partial<APIError> = error instanceof APIError ? error : {};
  const err = {
    type: fields.type || name,
    status: fields.status,
    code: cause.code || undefined,
    param: fields.param || undefined,
    request_id: fields.requestID || undefined,
  };

  let { message } = error;
  if (error instanceof APIConnectionError) {
    const reason = err.code ?? cause.message;
    message = `Could not reach ${new URL(baseURL).host} (${reason})`;
  } else if (error instanceof APIError) {
    // The SDK puts the status before the server's message.
    message = message.replace(/^\d+ /, "");
  } else if (!(error instanceof ExerciseError)) {
    const frame = /^(?!.*node_modules).*?([\w.-]+\.ts:\d+)/m;
    const line = frame.exec(error.stack ?? "")?.[1];
    message = `${name}: ${message} (${line})`;
  }

  const named = /\b(temperature|max_(completion_)?tokens)\b/.exec(message)?.[0];
  const keys = [err.code, err.param, name, named, err.status].map(String);
  const hint =
    keys.map((key) => HINTS.get(key)).find(Boolean) ??
    "Set LOG_LEVEL=debug to see more.";
  return { message: message.replace(/\s+/g, " "), err, hint };
}

function rootCause(error: NodeJS.ErrnoException): NodeJS.ErrnoException {
  return error.cause instanceof Error ? rootCause(error.cause) : error;
}
