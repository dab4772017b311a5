import { inspect } from "node:util";
import OpenAI from "openai";

/** Says what went wrong and, where something true can be said, what to do. */
export function describeError(thrown: unknown) {
  if (!(thrown instanceof Error)) return { message: inspect(thrown) };

  const { message, stack = "" } = thrown;
  if (thrown instanceof OpenAI.APIConnectionError) {
    return {
      message: `Connection error: ${findCause(thrown)}`,
      // To the SDK, an address that doesn't answer and a slow response are both
      // a timeout.
      hint: "Check that the server is running and that OPENAI_BASE_URL, if set, is correct (http or https?). Then check your network and any proxy. If the server took too long, use a smaller model or a lower MAX_TOKENS.",
    };
  }
  if (thrown instanceof OpenAI.APIError) {
    return {
      // The SDK says "no body" of every body that it doesn't understand.
      message: message.replace("status code (no body)", "(no error message)"),
      hint: findHint(thrown.status),
      // OpenRouter passes on another provider's words here.
      metadata: thrown.error?.metadata,
    };
  }
  // A plain error says what its author meant. Any other needs its line.
  if (thrown.constructor === Error) return { message };
  const line = findLine(stack);
  const place = line ? ` (${line})` : "";
  return { message: `${thrown.constructor.name}: ${message}${place}` };
}

/** Returns the words, or the code, of the innermost cause. */
function findCause(error: Error): string {
  if (error.cause instanceof Error) return findCause(error.cause);
  // If a host has several addresses, its error has a code but no message.
  const { message, code = "" }: NodeJS.ErrnoException = error;
  return message || code;
}

/** Returns a hint for the status of a response, or undefined. */
function findHint(status = 0): string | undefined {
  if (status === 401) return "Check that OPENAI_API_KEY is set and correct.";
  if (status === 404) {
    return "If the message doesn't say what to do, check OPENAI_MODEL and OPENAI_BASE_URL. The URL usually ends in /v1.";
  }
  if (status === 429) {
    return "If the message mentions a quota, credit, or billing, check your account with the provider. Otherwise, wait a minute and run the script again.";
  }
  if (status >= 500) {
    // llama.cpp answers a wrong parameter with 500.
    return "If the message names a cause, fix that. Otherwise, try again later or, if you run the server yourself, check its log.";
  }
  return undefined;
}

/** Returns the file and the line of the script's first frame in a stack. */
function findLine(stack: string): string | undefined {
  const frames = stack.matchAll(/exercises[\\/]([^\\/]+)[\\/]([^\\/:]+:\d+)/g);
  const frame = [...frames].find(([, folder]) => folder !== "common");
  return frame?.[2];
}
