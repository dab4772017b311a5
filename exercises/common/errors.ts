import { inspect } from "node:util";
import { APIConnectionError, APIError, APIUserAbortError } from "openai";

/** An error of the exercise itself. Its message says what to do. */
export class ExerciseError extends Error {}

/** An error in words for the reader, and in fields for the log. */
interface Description {
  message: string;
  hint?: string;
  err: Record<string, unknown>;
}

/** Describes anything that was thrown. */
export function describeError(thrown: unknown): Description {
  const error =
    thrown instanceof Error ? thrown : new Error(`Uncaught ${inspect(thrown)}`);
  const { message, stack } = error;
  const type = error.constructor.name;

  if (error instanceof ExerciseError) {
    return { message, err: { type, message, stack } };
  }
  if (error instanceof APIConnectionError) {
    const words = messageWithCause(error);
    const hint =
      "Check your network and any proxy. If you set OPENAI_BASE_URL, check that its server is running and that the URL is correct (http or https?).";
    return { message: words, hint, err: { type, message: words, stack } };
  }
  // A request that the script itself aborts is an error in the script.
  if (error instanceof APIError && !(error instanceof APIUserAbortError)) {
    return describeAPIError(error);
  }
  const line = findLine(stack);
  const place = line ? ` (${line})` : "";
  const where = line ? "that line and at your last edit" : "your last edit";
  return {
    message: `${type}: ${message}${place}`,
    hint: `Look at ${where}. Common causes: a misspelled name, a missing \`await\`, a value of the wrong type, a stream read without \`for await\`, or \`new OpenAI()\` without \`options\`.`,
    err: { type, message, stack },
  };
}

/** Adds the words of the cause to the message of a connection error. */
function messageWithCause(error: Error): string {
  // The SDK's error wraps that of `fetch`, which wraps the system's.
  let cause = error.cause;
  if (cause instanceof Error && cause.cause instanceof Error) {
    cause = cause.cause;
  }
  if (!(cause instanceof Error)) return error.message;
  // If a host has several addresses, Node's error has a code but no message.
  const { message, code }: NodeJS.ErrnoException = cause;
  return `${error.message} ${message || code}`;
}

function describeAPIError(error: APIError): Description {
  const { status, code, param, requestID, stack } = error;
  // The SDK puts the status in front of the server's message.
  const prefix = `${status} `;
  const message = error.message.startsWith(prefix)
    ? error.message.slice(prefix.length)
    : error.message;
  return {
    message,
    hint: findHint(status, code),
    err: {
      type: error.type ?? error.constructor.name,
      message,
      status,
      // An error that names no code or parameter has null in their place.
      code: code ?? undefined,
      param: param ?? undefined,
      request_id: requestID ?? undefined,
      stack,
    },
  };
}

/** Returns a hint that is true for every error with this status or code. */
function findHint(status: number | undefined, code: unknown): string {
  if (code === "insufficient_quota" || status === 402) {
    return "Add credit to your account, or raise its spending limit.";
  }
  if (status === 401) {
    return "Check OPENAI_API_KEY. If you set OPENAI_BASE_URL, set the key in the same place as the URL: in .env or in your shell.";
  }
  if (status === 403) {
    return "The server doesn't allow this request with your key, for this model, or from your country or network. See its message.";
  }
  if (status === 404 || status === 405) {
    return "Check OPENAI_MODEL and OPENAI_BASE_URL (which usually ends in /v1). If the message names another cause, do what it says.";
  }
  const isServerError = status !== undefined && status >= 500;
  if (isServerError || status === 408 || status === 409 || status === 429) {
    return "Wait a while, then run the script again. If you run the server yourself, check its log.";
  }
  return "Do what the error message says. You can change the conversation's messages, the parameters in `complete`, and the settings.";
}

/** Returns the file and line of the first stack frame in an exercise. */
function findLine(stack = ""): string | undefined {
  for (const frame of stack.split("\n")) {
    const match = /exercises[\\/]([^\\/]+)[\\/]([^\\/:]+:\d+)/.exec(frame);
    if (match && match[1] !== "common") return match[2];
  }
  return undefined;
}
