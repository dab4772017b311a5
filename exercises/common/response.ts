import type OpenAI from "openai";
import { ExerciseError } from "./errors.ts";

type Fields = Record<string, unknown>;
const firstOf = (value: unknown) => (Array.isArray(value) ? value[0] : value);
const toText = (value: unknown) =>
  typeof value === "string" && value ? value : undefined;

/**
 * Reads a response from any server and returns one for the SDK. If `stream` is
 * true, passes a stream on unread; if it's undefined, any success. Gives an
 * error the API's shape, the only one whose message the SDK keeps.
 */
export async function readResponse(received: Response, stream?: boolean) {
  const { ok, status, statusText, headers } = received;
  const isStream = headers.get("content-type")?.includes("text/event-stream");
  const isUnread = stream === undefined || (stream && isStream);
  if (ok && isUnread) return { response: received };
  const text = await received.text();
  const body: unknown = await new Response(text).json().catch(() => undefined);
  const { choices }: Fields = Object(body);
  const isCompletion = Object(firstOf(choices)).message instanceof Object;
  if (ok && isCompletion && !stream) {
    return { response: createResponse(text, { ok, status, headers }) };
  }
  const error = findError(body, text);
  const location = headers.get("location");
  error.message ||= `${status} ${statusText}`.trim();
  if (location) error.message += ` (redirects to ${location})`;
  if (ok) {
    error.message = `Unexpected response: ${error.message}`;
    error.code ??= "unexpected_response";
  }
  const json = JSON.stringify({ error });
  return { response: createResponse(json, { status, headers }), error };
}

/** Creates a response for the SDK, which throws an error unless it's `ok`. */
export function createResponse(body: string, init: Partial<Response>) {
  const headers = new Headers(init.headers);
  headers.delete("content-encoding");
  headers.delete("content-length");
  headers.set("content-type", "application/json");
  // The constructor doesn't accept every status that a server can send.
  return Object.defineProperties(new Response(body, { headers }), {
    ok: { value: init.ok ?? false },
    status: { value: init.status },
  });
}

/**
 * Besides the API's `{ error: { message } }`, servers send `{ message }` (older
 * vLLM), `{ detail: [{ loc, msg }] }` (FastAPI), `{ error: "…" }` (LM Studio),
 * `[{ error }]` (Gemini), `metadata.raw` (OpenRouter), HTML and plain text.
 */
function findError(body: unknown, text: string): OpenAI.ErrorObject {
  const root = firstOf(body);
  const { error, detail }: Fields = Object(root);
  const places = [error, detail, root].map(firstOf);
  const fields: Fields = Object(places.find((each) => each instanceof Object));
  const { message, msg, loc, metadata, type, code, param } = fields;
  const title = /<title[^<>]*>([^<]*)/i.exec(text)?.[1];
  const parts = [
    Array.isArray(loc) && loc.join("."),
    [message, msg, ...places, title, text].find(toText),
    toText(Object(metadata).raw),
  ];
  return {
    message: parts.filter(Boolean).join(": "),
    type: toText(type) ?? "",
    code: toText(code) ?? null,
    param: toText(param) ?? null,
  };
}

/** Creates the error for a response without text. */
export function noTextError({ choices }: OpenAI.ChatCompletion): ExerciseError {
  const { message, finish_reason } = choices[0] ?? {};
  if (message?.refusal) return new ExerciseError("refusal", message.refusal);
  const reason = finish_reason ?? "stop";
  const code = message?.tool_calls?.length ? "tool_calls" : reason;
  const text = `The reply contains no text (finish_reason ${reason})`;
  return new ExerciseError(code, text);
}
