import { complaintsIn, isCompletion, isObject, parse } from "./answer.ts";
import { logger } from "./logger.ts";
import {
  refusedParameter,
  respell,
  type Complaint,
  type ParameterName,
  type Parameters,
} from "./parameters.ts";

/**
 * Wraps a `fetch` for chat completions. A request whose parameter the server
 * refuses by name is respelt and sent again, and the name added to `refused`.
 * Any other answer that is no completion becomes an error in the API's own
 * shape, the only one whose words the SDK keeps.
 */
export function respellingFetch(
  send: typeof fetch,
  refused: ParameterName[],
): typeof fetch {
  // The SDK retries with the body it first sent, whatever became of it here.
  const respelt = new Map<unknown, string>();
  let waited = 0;
  let timer: NodeJS.Timeout | undefined;
  const tick = () => logger.info(`No reply yet after ${(waited += 10)} s`);

  return async (url, init) => {
    // It runs on through the SDK's retries, and through what it waits between.
    timer ??= setInterval(tick, 10_000);
    for (;;) {
      const body = respelt.get(init?.body) ?? init?.body ?? null;
      // Followed, a redirect would turn the POST into a GET.
      const response = await send(url, { ...init, body, redirect: "manual" });
      const text = await response.text();
      // What is asked for by GET is the list of models.
      const isAnswer = init?.method === "GET" ? isObject : isCompletion;
      if (response.ok && isAnswer(parse(text))) {
        clearInterval(timer);
        timer = undefined;
        waited = 0;
        return rebuild(response, text, true);
      }
      const next = [400, 422].includes(response.status)
        ? respellFor(complaintsIn(text), String(body), refused)
        : undefined;
      if (next === undefined) {
        const error = toAPIError(response, text);
        return rebuild(response, JSON.stringify({ error }), false);
      }
      respelt.set(init?.body, next);
    }
  };
}

/** The body respelt for the first complaint that refuses a parameter of it. */
function respellFor(
  complaints: Complaint[],
  body: string,
  refused: ParameterName[],
): string | undefined {
  const request = JSON.parse(body) as Parameters & Record<string, unknown>;
  for (const complaint of complaints) {
    const name = refusedParameter(complaint, request);
    const next = name && respell(request, name, refused);
    if (!next) continue;
    refused.push(name);
    const { model, messages, ...parameters } = next;
    logger.warn(
      { refused: name, parameters },
      `The server refused ${name}, so it is asked again: ${complaint.message}`,
    );
    return JSON.stringify(next);
  }
  return undefined;
}

/** The API's `error` object for an answer that is not what was asked for. */
function toAPIError(response: Response, text: string): Complaint {
  const { ok, status, statusText, headers } = response;
  const moved = headers.get("location");
  if (moved && !ok) return { message: `${status} ${statusText}, to ${moved}` };

  const complaints = complaintsIn(text);
  const words = complaints.map(({ message }) => message).join("; ");
  const isJSON = parse(text) !== undefined;
  if (ok && !(isJSON && words)) {
    const excerpt = /^\s*</.test(text) ? "a web page" : text;
    const said = words || excerpt || "nothing";
    const message = `The server's answer is not what the API sends: ${said}`;
    return { message, code: "unexpected_answer" };
  }
  const message = words || (isJSON ? text : `${status} ${statusText}`);
  return { ...complaints[0], message };
}

/** The response for the SDK: JSON, and `ok` only with an answer in it. */
function rebuild(given: Response, text: string, ok: boolean): Response {
  const response = new Response(text, { headers: given.headers });
  response.headers.set("content-type", "application/json");
  return Object.defineProperties(response, {
    status: { value: given.status },
    ok: { value: ok },
  });
}
