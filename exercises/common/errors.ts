import { inspect } from "node:util";
import { APIConnectionError, APIError } from "openai";

/** An error that the exercise itself reports. `code` leads to its hint. */
export class ExerciseError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const HINTS = Object.entries({
  ".env": "Check that .env is a text file that you can read.",
  LOG_LEVEL: "Use trace, debug, info, warn, error, fatal or silent.",
  OPENAI_API_KEY: "Copy the key again, without quotes or spaces.",
  OPENAI_BASE_URL: "Use a URL such as http://localhost:11434/v1.",
  "OPENAI_MODEL model": "Set OPENAI_MODEL to a model that the server offers.",
  401: "Set OPENAI_API_KEY to a valid key, in the same place as OPENAI_BASE_URL if you set one. The shell overrides .env.",
  403: "Use a key that has access to this model, or change OPENAI_MODEL.",
  "insufficient_quota 402": "Add credit to your account, or raise its limit.",
  "301 302 303 307 308": "Set OPENAI_BASE_URL to match the new address.",
  "304 404 405 unexpected_response":
    "Check OPENAI_MODEL and OPENAI_BASE_URL, which usually ends in /v1.",
  "408 429 InternalServerError": "Wait a while, then run the script again.",
  "content_filter refusal": "Rephrase SYSTEM_PROMPT, QUESTION or FOLLOW_UP.",
  context_length_exceeded: "Shorten the messages, or lower MAX_TOKENS.",
  "length stop": "Raise MAX_TOKENS in the script, or use another model.",
  tool_calls: "Append the reply and the tool results to the messages.",
  temperature: "Change TEMPERATURE, or delete it from the request.",
  "max_tokens max_completion_tokens": "Change MAX_TOKENS in the script.",
  "offline stream": "Use a real model that supports this: see README.md.",
  "400 422": "Fix the value that the message names.",
  OpenAIError: "Use `await loadProvider()`, then `new OpenAI(options)`.",
  "ReferenceError TypeError":
    "Look for a misspelled name or a missing `await` in that line, or in the line that created the value it uses.",
  ECONNREFUSED: "Start the server, or correct OPENAI_BASE_URL.",
  ERR_SSL_WRONG_VERSION_NUMBER: "Change https to http in OPENAI_BASE_URL.",
  "DEPTH_ZERO_SELF_SIGNED_CERT SELF_SIGNED_CERT_IN_CHAIN UNABLE_TO_GET_ISSUER_CERT_LOCALLY UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    "In your shell, set NODE_EXTRA_CA_CERTS to the CA's PEM file.",
  "UND_ERR_HEADERS_TIMEOUT UND_ERR_BODY_TIMEOUT APIConnectionTimeoutError":
    "Lower MAX_TOKENS in the script, or use a faster model.",
  "APIConnectionError ECONNRESET UND_ERR_SOCKET":
    "Check your network and OPENAI_BASE_URL.",
});
/** Codes that are looked for in the message as well. */
const NAMED = /\b(temperature|max_(completion_)?tokens|UND_ERR_\w+_TIMEOUT)\b/;
/** The first stack frame in a script, outside `common/`. */
const FRAME = /^ +at .*\Wexercises\W(?!common)[^\\/]+\W([^\\/]+?:\d+)/m;

/**
 * Describes anything that was thrown: its message, its line in the script, its
 * fields for the log, and a hint.
 */
export function describeError(thrown: unknown) {
  const isError = thrown instanceof Error;
  const error = isError ? thrown : new Error(`Uncaught ${inspect(thrown)}`);
  const isOurs = !isError || error instanceof ExerciseError;
  const fields: Partial<APIError> = error instanceof APIError ? error : {};
  const { name } = error.constructor;
  const cause = rootCause(error);
  let { message } = error;
  let line: string | undefined;
  if (error instanceof APIConnectionError && error.cause instanceof Error) {
    // A response with status 0 gives no reason: see compat.ts.
    const reason = cause.code || cause.message;
    if (reason) message = `${error.cause.message} (${reason})`;
  } else if (error instanceof APIError) {
    // The SDK puts the status before the server's message.
    message = message.replace(/^\d+ (?!status code)/, "");
  } else if (!isOurs) {
    message = `${name}: ${message}`;
    line = FRAME.exec(error.stack ?? "")?.[1];
  }

  const err = {
    type: fields.type || (error instanceof ExerciseError ? undefined : name),
    status: fields.status,
    code: cause.code || undefined,
    param: fields.param || undefined,
    request_id: fields.requestID || undefined,
  };
  const named = line ? undefined : NAMED.exec(message)?.[0];
  const hints = [err.code, err.param, named, err.status, name].map((key) =>
    HINTS.find(([codes]) => codes.split(" ").includes(String(key))),
  );
  const hint = hints.find(Boolean)?.[1] ?? "Set LOG_LEVEL=debug to see more.";
  return { message, line, err, hint };
}

/** Returns an error's innermost cause, which may have a system code. */
export function rootCause(error: unknown): Partial<NodeJS.ErrnoException> {
  if (!(error instanceof Error)) return {};
  return error.cause instanceof Error ? rootCause(error.cause) : error;
}
