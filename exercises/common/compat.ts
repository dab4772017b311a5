import type OpenAI from "openai";
import { rootCause } from "./errors.ts";
import { logger, toOneLine } from "./logger.ts";
import { createResponse, readResponse } from "./response.ts";

type ChatRequest = Record<string, unknown>;

/**
 * Wraps a `fetch` for the SDK: sends other parameters when a server rejects
 * some, gives errors the shape that the SDK reads, and logs retries and long
 * waits. Rejects if the server can't be reached.
 */
export function compatFetch(send: typeof fetch): typeof fetch {
  // The index of the variant that worked, by server and model.
  const accepted = new Map<string, number>();
  let lastError: string | undefined;

  return async (input, init = {}) => {
    const url = new URL(String(input));
    // The SDK counts its retries in this header.
    const headers = new Headers(init.headers);
    const retry = Number(headers.get("x-stainless-retry-count"));
    if (retry) logger.warn(`Retry ${retry} after an error (${lastError})`);
    const isChat = url.pathname.endsWith("/chat/completions");
    if (!isChat || init.method !== "POST") {
      return (await attempt(url, init)).response;
    }

    const request: ChatRequest = JSON.parse(String(init.body));
    const stream = Boolean(request.stream);
    const variants = toVariants(request);
    const bodies = variants.map((variant) => JSON.stringify(variant));
    const start = url.hostname === "api.openai.com" ? 1 : 0;
    let index = accepted.get(`${url.host} ${request.model}`) ?? start;
    let firstRejection: Response | undefined;
    for (;;) {
      const sent: ChatRequest = { ...variants[index] };
      const body = bodies[index];
      if (body !== bodies[0]) {
        const { model, messages, ...parameters } = sent;
        logger.info({ parameters }, "Sending parameters adapted to the server");
      }
      // Following a redirect could turn the POST into a GET.
      const options: RequestInit = { ...init, body, redirect: "manual" };
      const { response, error } = await attempt(url, options, stream);
      if (response.ok) accepted.set(`${url.host} ${request.model}`, index);
      const isAdapted = (name: string) =>
        name in sent && variants.some((other) => other[name] !== sent[name]);
      const rejected = error && listRejected(error).find(isAdapted);
      if (!rejected || ![400, 422].includes(response.status)) return response;
      firstRejection ??= response;
      index = bodies.findIndex((next, i) => i > index && next !== body);
      if (index < 0) return firstRejection;
      const warning = `The server rejected ${rejected}; retrying with other parameters`;
      logger.warn(`${warning} (${toOneLine(error.message)})`);
    }
  };

  async function attempt(url: URL, init: RequestInit, stream?: boolean) {
    let seconds = 0;
    const timer = setInterval(() => {
      seconds += 10;
      logger.info(`Still waiting for the server after ${seconds} seconds`);
    }, 10_000);
    try {
      const result = await readResponse(await send(url, init), stream);
      const { response, error } = result;
      if (error) lastError = `status ${response.status}`;
      const isFinal = error?.code === "insufficient_quota";
      if (error && (isFinal || isLongWait(response.headers))) {
        response.headers.set("x-should-retry", "false");
      }
      return result;
    } catch (error) {
      const { code = "", message } = rootCause(error);
      lastError = init.signal?.aborted ? "timeout" : code || message;
      if (init.signal?.aborted) throw error;
      if (/^UND_ERR_(HEADERS|BODY)_TIMEOUT$/.test(code)) {
        // Status 0 means "no response". The SDK doesn't retry it.
        const text = `${url.host} sent no response in time (${code})`;
        return { response: createResponse(text, { status: 0 }) };
      }
      // Omit the code: the SDK drops the cause of an error that says "timeout".
      throw new Error(`Could not reach ${url.host}`, { cause: error });
    } finally {
      clearInterval(timer);
    }
  }
}

/**
 * Returns the requests to try, in order. Current OpenAI models reject
 * `max_tokens`, and accept a temperature only with reasoning off; many local
 * servers know only `max_tokens`, and ignore the new name.
 */
function toVariants(request: ChatRequest): ChatRequest[] {
  const { max_tokens, ...others } = request;
  const renamed = { max_completion_tokens: max_tokens, ...others };
  const { temperature, ...bare }: ChatRequest = renamed;
  const effort = temperature === undefined ? {} : { reasoning_effort: "none" };
  return [request, { ...effort, ...renamed }, renamed, bare];
}

/** Lists the parameters that a server rejects: see tests/rejections.json. */
function listRejected({ code, param, message }: OpenAI.ErrorObject): string[] {
  const named = /^unsupported_(parameter|value)$/.test(code ?? "") && param;
  const isEffort = `${param} ${message}`.includes("reasoning_effort");
  return [named || "", isEffort ? "reasoning_effort" : ""];
}

/** Whether a server asks for a wait of over 10 seconds, as the SDK reads it. */
function isLongWait(headers: Headers): boolean {
  const after = headers.get("retry-after") ?? "";
  const milliseconds =
    parseFloat(headers.get("retry-after-ms") ?? "") ||
    parseFloat(after) * 1000 ||
    Date.parse(after) - Date.now();
  return milliseconds > 10_000;
}
