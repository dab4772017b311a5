import { isObject } from "./errors.ts";
import { logger, toOneLine } from "./logger.ts";

/**
 * A `fetch` for the SDK. A chat response that isn't a completion, and any failed
 * response, becomes an error in the API's shape, so that the SDK keeps the
 * server's words. Every ten seconds, a line of the log says that a request is
 * still under way.
 */
export const onlineFetch: typeof fetch = async (url, init) => {
  let seconds = 0;
  const timer = setInterval(() => {
    seconds += 10;
    logger.info(`Still waiting for the server after ${seconds} seconds`);
  }, 10_000);
  try {
    // A redirect would be a second request, which no line of the log shows.
    const response = await fetch(url, { ...init, redirect: "manual" });
    return await checkResponse(response, String(url), init);
  } finally {
    clearInterval(timer);
  }
};

async function checkResponse(
  response: Response,
  url: string,
  init: RequestInit = {},
): Promise<Response> {
  const { pathname } = new URL(url);
  const isChat =
    init.method === "POST" && pathname.endsWith("/chat/completions");
  const type = response.headers.get("content-type") ?? "";
  if (response.ok) {
    if (!isChat) return response;
    const isStream = type.includes("text/event-stream");
    if (isStream && asksForStream(init.body)) return response;
  }

  // A clone, because a good response is passed on as it came.
  const text = await response.clone().text();
  const body = parseJSON(text);
  const error = findError(body);
  const hasChoices = isObject(body) && Array.isArray(body.choices);
  if (!response.ok || !hasChoices || error) {
    return toErrorResponse(response, text, error);
  }
  if (type.includes("application/json")) return response;
  return withJSON(response, text, response.status);
}

function asksForStream(body: unknown): boolean {
  const request = parseJSON(String(body));
  return isObject(request) && request.stream === true;
}

function parseJSON(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Finds the error in a body. OpenRouter may send it in the first choice. */
function findError(body: unknown): unknown {
  if (!isObject(body)) return undefined;
  if (body.error) return body.error;
  const [choice]: unknown[] = Array.isArray(body.choices) ? body.choices : [];
  return isObject(choice) ? choice.error : undefined;
}

function toErrorResponse(
  response: Response,
  text: string,
  sent: unknown,
): Response {
  const { status, statusText } = response;
  const error = isObject(sent) ? { ...sent } : {};
  // A server's own message counts, unless OpenRouter hides the cause in
  // `metadata`. Any other text that comes can be read as it is.
  if (typeof error.message !== "string" || error.metadata) {
    const words = isObject(sent) ? JSON.stringify(sent) : readableText(text);
    error.message = toOneLine(words) || `${status} ${statusText}`.trim();
  }
  if (isErrorStatus(status)) {
    return withJSON(response, JSON.stringify({ error }), status);
  }
  error.message = `Unexpected response: ${error.message}`;
  if (isErrorStatus(error.code)) {
    return withJSON(response, JSON.stringify({ error }), error.code);
  }
  error.code = "unexpected_response";
  return withJSON(response, JSON.stringify({ error }), 502);
}

/** Returns the title of a page, and any other text as it is. */
function readableText(text: string): string {
  if (!text.trimStart().startsWith("<")) return text;
  const title = /<title[^>]*>([^<]+)/i.exec(text);
  return title?.[1] ?? text;
}

function isErrorStatus(value: unknown): value is number {
  return typeof value === "number" && value >= 400 && value < 600;
}

/** Replaces the body and its type: the SDK parses no body of another type. */
function withJSON(response: Response, json: string, status: number): Response {
  const headers = new Headers(response.headers);
  headers.set("content-type", "application/json");
  return new Response(json, { status, headers });
}
