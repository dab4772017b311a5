import { inspect } from "node:util";
import {
  APIConnectionError,
  APIError,
  APIUserAbortError,
  type OpenAI,
} from "openai";

/** An error of the exercise itself. Its message says what to do. */
export class ExerciseError extends Error {}

/** An error in words for the reader, and in fields for the log. */
interface Description {
  message: string;
  hint?: string;
  err: Record<string, unknown>;
}

const CONNECTION_HINT =
  "Check your network and any proxy. If you set OPENAI_BASE_URL, check that its server is running and that the URL is right (http or https?).";
const CAUSES =
  "Common causes: a misspelled name, a missing `await`, a value of another type than the line expects, a stream read without `for await`, or `new OpenAI()` without `options`.";

/** Whether a value has properties that can be read. Lists have, too. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Creates the error for a response whose first choice has no text. */
export function noTextError(response: OpenAI.ChatCompletion): ExerciseError {
  const [choice] = response.choices;
  let problem = "The reply has no text in `choices[0].message.content`";
  let advice = "Rephrase the messages or use another model.";
  if (!choice) {
    problem = "The response has no choices";
  } else if (choice.message?.refusal) {
    problem = `The model refused ("${choice.message.refusal}")`;
  } else if (choice.finish_reason) {
    problem += ` (finish_reason ${choice.finish_reason})`;
  }
  if (choice?.finish_reason === "length") {
    advice = "Raise MAX_TOKENS. Reasoning counts toward it, too.";
  }
  return new ExerciseError(`${problem}. ${advice}`);
}

/** Describes anything that was thrown. */
export function describeError(thrown: unknown): Description {
  const error =
    thrown instanceof Error ? thrown : new Error(`Uncaught ${inspect(thrown)}`);
  if (error instanceof ExerciseError) {
    return { message: error.message, err: toFields(error, error.message) };
  }
  if (error instanceof APIConnectionError) {
    const message = joinCause(error);
    return { message, hint: CONNECTION_HINT, err: toFields(error, message) };
  }
  // A request that the script itself aborts isn't an error of the API.
  if (error instanceof APIError && !(error instanceof APIUserAbortError)) {
    return describeAPIError(error);
  }
  return describeScriptError(error);
}

function toFields(error: Error, message: string): Record<string, unknown> {
  return { type: error.constructor.name, message, stack: error.stack };
}

/** Adds the words of the cause to an error without a response. */
function joinCause(error: APIConnectionError): string {
  // The SDK's error wraps that of `fetch`, which wraps the system's.
  let cause: unknown = error.cause;
  if (cause instanceof Error && cause.cause instanceof Error) {
    cause = cause.cause;
  }
  if (!(cause instanceof Error)) return error.message;
  // If a host has several addresses, Node's error has a code but no message.
  const { message, code }: NodeJS.ErrnoException = cause;
  return `${error.message} ${message || code}`;
}

function describeAPIError(error: APIError): Description {
  const { status, code } = error;
  let { message } = error;
  // The SDK puts the status in front of the server's message.
  const prefix = `${status} `;
  if (message.startsWith(prefix)) message = message.slice(prefix.length);

  const err = toFields(error, message);
  if (error.type) err.type = error.type;
  err.status = status;
  err.code = code ?? undefined;
  err.param = error.param ?? undefined;
  err.request_id = error.requestID ?? undefined;
  return { message, hint: findHint(status, code), err };
}

/** Returns a hint that is true for every error with this status or code. */
function findHint(status = 0, code: unknown): string {
  if (code === "offline") {
    return "Check the spelling, or use a real model (see README.md).";
  }
  if (code === "insufficient_quota" || status === 402) {
    return "Add credit to your account, or raise its limit.";
  }
  if (status === 401) {
    return "Check OPENAI_API_KEY. If you set OPENAI_BASE_URL, set both in the same place: in .env or in your shell.";
  }
  if (status === 403) {
    return "The server denies access to this key, model, country, or network: see its message.";
  }
  if (code === "unexpected_response" || status === 404 || status === 405) {
    return "Check OPENAI_MODEL and OPENAI_BASE_URL (which usually ends in /v1).";
  }
  if (status === 408 || status === 409 || status === 429 || status >= 500) {
    return "Wait a while, then run the script again. If the server is your own, see its log.";
  }
  return "Do what the message says. You can change the messages, the parameters in `complete`, and the settings.";
}

function describeScriptError(error: Error): Description {
  const err = toFields(error, error.message);
  const message = `${err.type}: ${error.message}`;
  const line = findLine(error.stack);
  if (!line) {
    return { message, hint: `Look at your last edit. ${CAUSES}`, err };
  }
  const hint = `Look at that line and at your last edit. ${CAUSES}`;
  return { message: `${message} (${line})`, hint, err };
}

/** Returns the file and line of the first stack frame in an exercise. */
function findLine(stack = ""): string | undefined {
  for (const frame of stack.split("\n")) {
    const match = /exercises[\\/](\w+)[\\/]([\w.-]+:\d+)/.exec(frame);
    if (match && match[1] !== "common") return match[2];
  }
  return undefined;
}
