import type OpenAI from "openai";
import { logger } from "./logger.ts";
import { findError } from "./response.ts";

/**
 * The parameters to send, in the order in which they are tried. Many local
 * servers silently ignore `max_completion_tokens`. OpenAI's current models
 * reject `max_tokens`, and a temperature unless reasoning is off: see
 * tests/refusals.json.
 */
const toVariants = (temperature: unknown, limit: unknown) => [
  { temperature, max_tokens: limit },
  { temperature, max_completion_tokens: limit, reasoning_effort: "none" },
  { temperature, max_completion_tokens: limit },
  { max_completion_tokens: limit },
  { max_tokens: limit },
];

/** Whether the API's reference allows a temperature. */
export const isTemperature = (value: unknown = 1): boolean =>
  typeof value === "number" && value >= 0 && value <= 2;

/** Whether the API's reference allows a maximum number of tokens. */
export const isTokenLimit = (value: unknown = 1): boolean =>
  Number.isInteger(value) && Number(value) > 0;

/**
 * Wraps `send` for the SDK. If the server rejects a parameter by name, sends
 * the next variant; later calls start with the variant that worked. Gives any
 * other error the shape that the SDK reads. Rejects when `send` does.
 */
export function compatFetch(send: typeof fetch): typeof fetch {
  let accepted: number | undefined;

  return async (url, init) => {
    if (init?.method !== "POST") {
      const { response, error } = await attempt(() => send(url, init));
      return error ? toErrorResponse(response, error) : response;
    }
    const request = JSON.parse(String(init.body)) as Record<string, unknown>;
    const { model, messages, temperature, max_tokens, ...others } = request;
    const isInRange = isTemperature(temperature) && isTokenLimit(max_tokens);
    const isOpenAI = new URL(String(url)).hostname === "api.openai.com";
    const variants = toVariants(temperature, max_tokens);
    let first: OpenAI.ErrorObject | undefined;

    for (let index = accepted ?? (isOpenAI ? 1 : 0); ; index++) {
      const parameters = { ...variants[index], ...others };
      if (index > 0) logger.info({ parameters }, "Sending these parameters");

      const body = JSON.stringify({ model, messages, ...parameters });
      // Following a redirect would turn the POST into a GET.
      const options = { ...init, body, redirect: "manual" } as const;
      const { response, error } = await attempt(() => send(url, options));
      if (!error) {
        accepted = index;
        return response;
      }
      const names = Object.keys(parameters).join("|");
      const text = `${error.param} ${error.message}`.toLowerCase();
      const rejected = new RegExp(`\\b(${names})\\b`).exec(text)?.[0];
      const isRetryable = isInRange && [400, 422].includes(response.status);
      if (!rejected || !isRetryable) return toErrorResponse(response, error);

      const warning = `The server rejected ${rejected}: ${error.message}`;
      logger.warn({ rejected }, warning);
      first ??= error;
      if (!first.message.includes(error.message)) {
        first.message += `; ${error.message}`;
      }
      const isLast = index === variants.length - 1;
      if (isLast) return toErrorResponse(response, first);
    }
  };
}

/** Logs every ten seconds that it waits, until the body has arrived. */
async function attempt(send: () => Promise<Response>) {
  let seconds = 0;
  const timer = setInterval(() => {
    seconds += 10;
    logger.info(`Still waiting for a reply after ${seconds} seconds`);
  }, 10_000);
  try {
    const response = await send();
    return { response, error: await findError(response) };
  } finally {
    clearInterval(timer);
  }
}

/** Creates a response that makes the SDK throw the error. */
function toErrorResponse(response: Response, error: OpenAI.ErrorObject) {
  const { ok, status, headers } = response;
  const retryAfter = Number(headers.get("retry-after"));
  const init = { status: ok ? 200 : status, headers };
  const result = Response.json({ error }, init);
  if (error.code === "insufficient_quota" || retryAfter > 60) {
    result.headers.set("x-should-retry", "false");
  }
  // Otherwise the SDK takes a 200 for a success.
  return Object.defineProperty(result, "ok", { value: false });
}
