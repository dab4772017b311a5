import { inspect } from "node:util";
import OpenAI from "openai";

/** Hints by the status of a response. No other status below 500 has one. */
const HINTS = new Map([
  [
    401,
    "Check OPENAI_API_KEY. The first entry of the log says where it was read.",
  ],
  [404, "Check OPENAI_MODEL and OPENAI_BASE_URL. The URL usually ends in /v1."],
  [
    429,
    "If the message mentions a quota, credit, or billing, check your account with the provider. Otherwise, wait a minute, and run the script again.",
  ],
]);
// llama.cpp answers a wrong parameter with 500.
const SERVER_HINT =
  "If the message names a cause, fix that. Otherwise, try again later or, if you run the server yourself, check its log.";
// The SDK gives a wrong address and a slow reply the same name.
const CONNECTION_HINT =
  "Check that the server is running and that its URL is correct (http or https?). Then check your network and any proxy. If the server took too long, use a smaller model or a lower MAX_TOKENS.";

// The first frame of a stack in the script, that is, not in common/.
const FRAME = /exercises[\\/](?!common)[^\\/]+[\\/]([^\\/:]+:\d+)/;

/**
 * Says what went wrong and, where something true can be said, what to do. The
 * details are what the server's error object has beside its message.
 */
export function describeError(thrown: unknown) {
  if (!(thrown instanceof Error)) return { message: inspect(thrown) };

  const { message, stack = "" } = thrown;
  if (thrown instanceof OpenAI.APIConnectionError) {
    const words = findWords(thrown);
    return {
      message: words ? `Connection error: ${words}` : "Connection error",
      hint: CONNECTION_HINT,
    };
  }
  if (thrown instanceof OpenAI.APIError) {
    const { status = 0 } = thrown;
    const hint = status >= 500 ? SERVER_HINT : HINTS.get(status);
    return { message, hint, details: findDetails(thrown.error) };
  }
  // A plain error says what its author meant. Any other needs its line.
  if (thrown.constructor === Error) return { message };
  const [, line] = FRAME.exec(stack) ?? [];
  const place = line ? ` (${line})` : "";
  return { message: `${thrown.constructor.name}: ${message}${place}` };
}

/** Returns the words of the innermost cause, which is the system's own error. */
function findWords(error: Error): string | undefined {
  if (error.cause instanceof Error) return findWords(error.cause);
  // If a host has several addresses, its error has a code but no message.
  const { message, code }: NodeJS.ErrnoException = error;
  return message || code;
}

function findDetails(error: unknown): object | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { message, ...details }: { message?: unknown } = error;
  // The SDK's message is the whole error if the error has no message.
  if (!message || Object.keys(details).length === 0) return undefined;
  return details;
}
