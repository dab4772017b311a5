import { describeError } from "./errors.ts";
import { logger, toOneLine } from "./logger.ts";

/** The last failure. Parallel calls share it. */
let failure = "";

/**
 * Wraps a `fetch` for the SDK: gives errors the API's shape, so that the SDK
 * keeps their messages, and logs retries and long waits.
 */
export function wrapFetch(send: typeof fetch): typeof fetch {
  return async (url, init) => {
    // The SDK counts its retries in this header.
    const retry = new Headers(init?.headers).get("x-stainless-retry-count");
    const message = `Retry ${retry} after an error: ${failure}`;
    if (Number(retry)) logger.warn(toOneLine(message));
    let seconds = 0;
    const timer = setInterval(() => {
      seconds += 10;
      logger.info(`Still waiting for the server after ${seconds} seconds`);
    }, 10_000);
    try {
      return await wrapError(await send(url, init));
    } catch (error) {
      const { err } = describeError(error);
      failure = init?.signal?.aborted ? "timeout" : err.message;
      throw error;
    } finally {
      clearInterval(timer);
    }
  };
}

/** Returns a successful response as it came and an error in the API's shape. */
async function wrapError(response: Response): Promise<Response> {
  const { ok, statusText } = response;
  let { status } = response;
  const headers = new Headers(response.headers);
  const type = headers.get("content-type");
  if (ok && type?.includes("event-stream")) return response;
  const text = await response.clone().text();
  const [isPage, title] =
    /^\s*<(?:!doctype|html)(?:.*?<title[^>]*>([^<]*))?/is.exec(text) ?? [];
  const json = await new Response(text).json().catch(() => undefined);
  const [body] = [json].flat();
  const { error, detail } = Object(body);
  if (ok && !error && !isPage) return response;

  // Besides `{ error: { message } }`, servers send `{ error }` (LM Studio),
  // `{ message }` (vLLM), `{ detail }` (FastAPI), a list (Gemini), and HTML.
  const sent = [error, body].find((each) => each instanceof Object);
  const page = title || text || `${status} ${statusText}`;
  const words = sent?.message ?? error ?? detail ?? page;
  const message = typeof words === "string" ? words : JSON.stringify(words);
  const fields = { ...sent, message };
  // OpenRouter quotes another provider's error.
  const { raw } = Object(fields.metadata);
  if (raw) fields.message += `: ${raw}`;
  if (ok) {
    fields.message = `Unexpected response: ${fields.message}`;
    fields.code ??= "unexpected_response";
    status = /^[45]\d\d$/.test(fields.code) ? Number(fields.code) : 502;
  }
  failure = fields.message;
  // The SDK would obey a retry-after of any length.
  const isSoon = Number(headers.get("retry-after")) <= 10;
  const canRetry = !ok && isSoon && fields.code !== "insufficient_quota";
  if (!canRetry) headers.set("x-should-retry", "false");
  return Response.json({ error: fields }, { status, headers });
}
