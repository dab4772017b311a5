import type OpenAI from "openai";
import { logger } from "./logger.ts";
import { readResponse, type Result } from "./response.ts";

/**
 * The parameters to send, in the order in which they are tried. `max_tokens` is
 * first because many local servers silently ignore `max_completion_tokens`.
 * Current OpenAI models reject `max_tokens`, and accept a temperature only with
 * reasoning off. Their error messages are in tests/refusals.json.
 */
const toVariants = (temperature: unknown, limit: unknown) => [
  { temperature, max_tokens: limit },
  { temperature, max_completion_tokens: limit, reasoning_effort: "none" },
  { temperature, max_completion_tokens: limit },
  { max_completion_tokens: limit },
  { max_tokens: limit },
];

/** Whether the API reference allows this value for a parameter. */
export function isAllowed(name: string, value: unknown): boolean {
  if (value === undefined || name === "reasoning_effort") return true;
  if (typeof value !== "number") return false;
  if (name === "temperature") return value >= 0 && value <= 2;
  return Number.isInteger(value) && value > 0;
}

/**
 * Wraps `send` for the SDK. If the server rejects a parameter by name, sends
 * the next variant; later calls start with the variant that worked. Returns any
 * other error in the shape that the SDK reads. Rejects if `send` rejects.
 */
export function compatFetch(send: typeof fetch): typeof fetch {
  let accepted: number | undefined;

  return async (url, init) => {
    if (init?.method !== "POST") {
      return toResponse(await attempt(() => send(url, init), true));
    }
    const request = JSON.parse(String(init.body)) as Record<string, unknown>;
    const { model, messages, temperature, max_tokens, ...others } = request;
    const variants = toVariants(temperature, max_tokens);
    const isOpenAI = new URL(String(url)).hostname === "api.openai.com";
    let firstError: OpenAI.ErrorObject | undefined;

    for (let index = accepted ?? (isOpenAI ? 1 : 0); ; index++) {
      const variant: Record<string, unknown> = { ...variants[index] };
      const parameters = { ...variant, ...others };
      if (index > 0) logger.info({ parameters }, "Parameters sent instead");

      const body = JSON.stringify({ model, messages, ...parameters });
      // Following a 301 or 302 would turn the POST into a GET.
      const options = { ...init, body, redirect: "manual" } as const;
      const result = await attempt(() => send(url, options), false);
      const { status, error } = result;
      if (!error) accepted = index;
      if (!error || ![400, 422].includes(status)) return toResponse(result);

      const names = Object.keys(variant).join("|");
      const text = `${error.param} ${error.message}`.toLowerCase();
      const rejected = new RegExp(`\\b(${names})\\b`).exec(text)?.[0] ?? "";
      const value = variant[rejected];
      if (value === undefined || !isAllowed(rejected, value)) {
        return toResponse(result);
      }
      const warning = `The server rejected ${rejected}: ${error.message}`;
      logger.warn({ rejected }, warning);
      firstError ??= error;
      if (!firstError.message.includes(error.message)) {
        firstError.message += `; ${error.message}`;
      }
      const isLast = index === variants.length - 1;
      if (isLast) return toResponse({ ...result, error: firstError });
    }
  };
}

/** Sends a request. Until the body arrives, logs a line every ten seconds. */
async function attempt(send: () => Promise<Response>, isList: boolean) {
  let seconds = 0;
  const timer = setInterval(() => {
    seconds += 10;
    logger.info(`Still waiting for a reply after ${seconds} seconds`);
  }, 10_000);
  try {
    return await readResponse(await send(), isList);
  } finally {
    clearInterval(timer);
  }
}

/** Creates the response for the SDK, which throws if there is an error. */
function toResponse({ status, headers, body, error }: Result): Response {
  if (!error) return Response.json(body);
  const response = Response.json({ error }, { status, headers });
  const after = headers.get("retry-after") ?? "";
  const seconds = Number(after) || (Date.parse(after) - Date.now()) / 1000;
  if (error.code === "insufficient_quota" || seconds > 60) {
    response.headers.set("x-should-retry", "false");
  }
  // Without this, the SDK would treat an error sent with a 200 as a success.
  return Object.defineProperty(response, "ok", { value: false });
}
