import type OpenAI from "openai";
import { ExerciseError } from "./errors.ts";

type Fields = Record<string, unknown>;

/** What a request expects; `any` is for endpoints other than chat. */
export type Expected = "completion" | "stream" | "any";

/**
 * Reads a response from any server and returns one for the SDK. Passes on
 * streams, and all that `any` expects, unread. Gives an error the API's shape,
 * the only one whose message the SDK keeps.
 */
export async function readResponse(received: Response, expected: Expected) {
  const { ok, status, statusText, headers } = received;
  const type = headers.get("content-type") ?? "";
  const isStream = expected === "stream" && type.includes("text/event-stream");
  if (ok && (isStream || expected === "any")) return { response: received };

  const text = await received.text();
  const body: unknown = await new Response(text).json().catch(() => undefined);
  const { choices }: Fields = Object(body);
  const isCompletion = Object(firstOf(choices)).message instanceof Object;
  if (ok && isCompletion && expected === "completion") {
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
 * Besides the API's own `{ error: { message } }`, servers send `{ message }`
 * (older vLLM), `{ detail: [{ loc, msg }] }` (FastAPI), `{ error: "…" }`
 * (LM Studio), `[{ error }]` (Gemini), an upstream error in `metadata.raw`
 * (OpenRouter), HTML (gateways) and plain text.
 */
function findError(body: unknown, text: string): OpenAI.ErrorObject {
  const root = firstOf(body);
  const { error, detail }: Fields = Object(root);
  const places = [error, detail, root].map(firstOf);
  const fields: Fields = Object(
    places.find((place) => place instanceof Object),
  );
  const { message, msg, loc, metadata, type, code, param } = fields;
  const title = /<title[^>]*>([^<]*)/i.exec(text)?.[1];
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

function firstOf(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : value;
}

function toText(value: unknown): string | undefined {
  return typeof value === "string" && value ? value : undefined;
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
