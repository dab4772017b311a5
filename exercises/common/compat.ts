import { isDeepStrictEqual } from "node:util";
import type OpenAI from "openai";
import { rootCause } from "./errors.ts";
import { logger, toOneLine } from "./logger.ts";
import { createResponse, readResponse, type Expected } from "./response.ts";

type ChatRequest = Record<string, unknown>;

/**
 * Wraps a `fetch` for the SDK. If a server rejects a parameter of a chat
 * request, sends the next variant; later requests start with the variant that
 * worked. Gives errors the shape that the SDK reads, and logs retries and long
 * waits. Rejects if the server can't be reached.
 */
export function compatFetch(send: typeof fetch): typeof fetch {
  const accepted = new Map<unknown, number>();
  let lastError: string | undefined;

  return async (input, init = {}) => {
    const url = new URL(String(input));
    // The SDK counts its retries in this header.
    const headers = new Headers(init.headers);
    const retry = Number(headers.get("x-stainless-retry-count"));
    if (retry) logger.warn(`Retry ${retry} after an error (${lastError})`);
    const isChat = url.pathname.endsWith("/chat/completions");
    if (!isChat || init.method !== "POST") {
      return (await attempt(url, init, "any")).response;
    }

    const request: ChatRequest = JSON.parse(String(init.body));
    const expected = request.stream ? "stream" : "completion";
    const variants = toVariants(request);
    const start = url.hostname === "api.openai.com" ? 1 : 0;
    let index = accepted.get(request.model) ?? start;
    let firstRejection: Response | undefined;
    for (;;) {
      const sent = variants[index] ?? request;
      if (!isDeepStrictEqual(sent, request)) {
        const { model, messages, ...parameters } = sent;
        logger.info({ parameters }, "Sending parameters adapted to the server");
      }
      const body = JSON.stringify(sent);
      // Following a redirect could turn the POST into a GET.
      const options: RequestInit = { ...init, body, redirect: "manual" };
      const { response, error } = await attempt(url, options, expected);
      if (response.ok) accepted.set(request.model, index);
      const rejected = error && findRejected(error, sent, variants);
      if (!rejected || ![400, 422].includes(response.status)) return response;

      firstRejection ??= response;
      index = variants.findIndex(
        (next, i) => i > index && !isDeepStrictEqual(next, sent),
      );
      if (index < 0) return firstRejection;
      const warning = `The server rejected ${rejected}; retrying with other parameters`;
      logger.warn(`${warning} (${toOneLine(error.message)})`);
    }
  };

  async function attempt(url: URL, init: RequestInit, expected: Expected) {
    let seconds = 0;
    const timer = setInterval(() => {
      seconds += 10;
      logger.info(`Still waiting for the server after ${seconds} seconds`);
    }, 10_000);
    try {
      const result = await readResponse(await send(url, init), expected);
      const { response, error } = result;
      if (error) {
        lastError = `status ${response.status}`;
        const isFinal = error.code === "insufficient_quota";
        if (isFinal || secondsToWait(response.headers) > 10) {
          response.headers.set("x-should-retry", "false");
        }
      }
      return result;
    } catch (error) {
      const { code = "", message } = rootCause(error);
      lastError = code || message;
      if (init.signal?.aborted) throw error;
      if (/^UND_ERR_(HEADERS|BODY)_TIMEOUT$/.test(code)) {
        // Status 0 means "no response". The SDK doesn't retry it.
        const text = `${url.host} sent no response in time (${code})`;
        return { response: createResponse(text, { status: 0 }) };
      }
      // The SDK drops the cause of an error whose text contains "timeout".
      throw new Error(`Could not reach ${url.host}`, { cause: error });
    } finally {
      clearInterval(timer);
    }
  }
}

/**
 * Returns the requests to try, in this order. OpenAI's current models reject
 * `max_tokens`, and accept a temperature only with reasoning off. Many other
 * servers ignore names that they don't know, so `max_tokens` comes first.
 */
function toVariants(request: ChatRequest): ChatRequest[] {
  const { max_tokens: limit, ...others } = request;
  const renamed =
    limit === undefined ? others : { max_completion_tokens: limit, ...others };
  const { temperature, ...bare } = renamed;
  const effort = temperature === undefined ? {} : { reasoning_effort: "none" };
  return [request, { ...effort, ...renamed }, renamed, bare];
}

/**
 * Returns the parameter that the server rejects, if another variant changes it.
 * Examples of errors are in tests/rejections.json.
 */
function findRejected(
  { code, param, message }: OpenAI.ErrorObject,
  sent: ChatRequest,
  variants: ChatRequest[],
): string | undefined {
  const isAdapted = (name: string) =>
    variants.some((variant) => variant[name] !== sent[name]);
  const isUnsupported = /^unsupported_(parameter|value)$/.test(code ?? "");
  if (isUnsupported && param && isAdapted(param)) return param;

  const name = "reasoning_effort";
  const isAdded = name in sent && isAdapted(name);
  return isAdded && `${param} ${message}`.includes(name) ? name : undefined;
}

/** Reads how long to wait before a retry, in the order in which the SDK does. */
function secondsToWait(headers: Headers): number {
  const after = headers.get("retry-after") ?? "";
  const waits = [
    parseFloat(headers.get("retry-after-ms") ?? "") / 1000,
    parseFloat(after),
    (Date.parse(after) - Date.now()) / 1000,
  ];
  return waits.find(Boolean) ?? 0;
}
