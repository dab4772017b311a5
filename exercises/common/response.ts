import type OpenAI from "openai";
import { ExerciseError } from "./errors.ts";

/** What a response contains: a valid `body`, or an `error`. */
export type Result = Awaited<ReturnType<typeof readResponse>>;

/**
 * Reads a response from any server. `error` is undefined if `body` is what was
 * requested: a list of models if `isList`, otherwise a chat completion.
 */
export async function readResponse(response: Response, isList: boolean) {
  const { ok, status, statusText, headers } = response;
  const copy = response.clone();
  const text = await response.text();
  const body: unknown = await copy.json().catch(() => undefined);
  if (ok && isValid(body, isList)) return { status, headers, body };

  const error = parseError(body, text);
  const location = headers.get("location");
  error.message ||= `${status} ${statusText}`.trim();
  if (location) error.message += ` (redirected to ${location})`;
  if (ok) {
    error.message = `Unexpected response: ${error.message}`;
    error.code ??= "unexpected_response";
  }
  return { status, headers, error };
}

function isValid(body: unknown, isList: boolean): boolean {
  if (!isObject(body)) return false;
  // Ollama's empty list has `data: null`.
  if (isList) return body.data === null || Array.isArray(body.data);
  const choice = firstOf(body.choices);
  return isObject(choice) && isObject(choice.message);
}

/**
 * Besides the API's own `{ error: { message } }`, servers send `{ message }`
 * (older vLLM), `{ detail: [{ loc, msg }] }` (FastAPI), `{ error: "…" }`
 * (LM Studio), `[{ error }]` (Gemini), an upstream error in `metadata.raw`
 * (OpenRouter), HTML (gateways) and plain text.
 */
function parseError(json: unknown, text: string): OpenAI.ErrorObject {
  const body = firstOf(json);
  const { error, detail } = isObject(body) ? body : {};
  const places = [error, detail, body].map(firstOf);
  const fields = places.find(isObject) ?? {};
  const { message, msg, loc, metadata } = fields;

  const title = /<title[^>]*>([^<]*)/i.exec(text)?.[1];
  const parts = [
    Array.isArray(loc) && loc.join("."),
    [message, msg, ...places, title, text].find(toText),
    isObject(metadata) && toText(metadata.raw),
  ];
  const line = parts.filter(Boolean).join(": ").replace(/\s+/g, " ").trim();
  return {
    // Do not cut inside a key: the logger would not recognize what is left.
    message:
      line.length > 300 ? line.slice(0, 300).replace(/[\w+/=.-]*$/, "…") : line,
    type: toText(fields.type) ?? "",
    code: toText(fields.code) ?? null,
    param: toText(fields.param) ?? null,
  };
}

/** Creates the error for a response without text. */
export function noTextError({ choices }: OpenAI.ChatCompletion): ExerciseError {
  const { message, finish_reason = "stop" } = choices[0] ?? {};
  if (message?.refusal) return new ExerciseError("refusal", message.refusal);
  const text = `The reply contains no text (finish_reason ${finish_reason})`;
  return new ExerciseError(finish_reason, text);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function firstOf(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : value;
}

function toText(value: unknown): string | undefined {
  return typeof value === "string" && value ? value : undefined;
}
