import type OpenAI from "openai";
import { complaintsIn, isCompletion, parse } from "./answer.ts";
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

  return async (url, init) => {
    let waited = 0;
    const tick = () => logger.info(`No reply yet after ${(waited += 10)} s`);
    const timer = setInterval(tick, 10_000);
    try {
      for (;;) {
        const body = respelt.get(init?.body) ?? init?.body ?? null;
        const response = await send(url, { ...init, body });
        const text = await response.text();
        if (response.ok && (init?.method === "GET" || isCompletion(text))) {
          return rebuild(response, text, true);
        }
        const complaints = complaintsIn(text);
        const next = [400, 422].includes(response.status)
          ? respellFor(complaints, String(body), refused)
          : undefined;
        if (next === undefined) {
          const error = describe(response, text, complaints);
          return rebuild(response, JSON.stringify({ error }), false);
        }
        respelt.set(init?.body, next);
      }
    } finally {
      clearInterval(timer);
    }
  };
}

/** The body respelt for the first complaint that refuses a parameter of it. */
function respellFor(
  complaints: Complaint[],
  body: string,
  refused: ParameterName[],
): string | undefined {
  const request = JSON.parse(body) as OpenAI.ChatCompletionCreateParams &
    Parameters;
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

/** The API's `error` object for an answer that is no completion. */
function describe(
  { ok, status, statusText }: Response,
  text: string,
  complaints: Complaint[],
): Complaint {
  const words = complaints.map(({ message }) => message).join("; ");
  const isJSON = parse(text) !== undefined;
  if (ok && !(isJSON && words)) {
    const said = words || text || "it is empty";
    return {
      message: `The answer is no chat completion: ${said}`,
      code: "no_completion",
    };
  }
  return {
    ...complaints[0],
    message: words || (isJSON ? text : `${status} ${statusText}`),
  };
}

/** The response for the SDK: JSON, and `ok` only with a completion in it. */
function rebuild(
  { headers, status }: Response,
  text: string,
  ok: boolean,
): Response {
  const response = new Response(text, { headers });
  response.headers.set("content-type", "application/json");
  return Object.defineProperties(response, {
    status: { value: status },
    ok: { value: ok },
  });
}
