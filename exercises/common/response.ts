import type OpenAI from "openai";
import { ExerciseError } from "./errors.ts";

/**
 * Finds the error in any server's response. Resolves to undefined if the body
 * is a chat completion or a list of models.
 */
export async function findError(response: Response) {
  const { ok, status, statusText, headers } = response;
  const text = await response.clone().text();
  const body: unknown = await new Response(text).json().catch(() => undefined);
  if (ok && isValid(body)) return undefined;

  const error = parseError(body, text);
  const location = headers.get("location");
  error.message ||= `${status} ${statusText}`;
  if (location) error.message += ` (redirected to ${location})`;
  if (ok) {
    error.message = `Unexpected response: ${error.message}`;
    error.code ??= "unexpected_response";
  }
  return error;
}

function isValid(body: unknown): boolean {
  if (!isObject(body)) return false;
  // Ollama's empty list has no array; OpenRouter's list has no `object`.
  if (body.object === "list" || Array.isArray(body.data)) return true;
  const choice = firstOf(body.choices);
  return isObject(choice) && isObject(choice.message);
}

/**
 * Besides the API's own `{ error: { message } }`, servers send `{ message }`
 * (older vLLM), `{ detail: [{ loc, msg }] }` (FastAPI), `{ error: "…" }`
 * (LM Studio), `[{ error }]` (Gemini), the error of another server in
 * `metadata.raw` (OpenRouter), HTML (gateways) and plain text.
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
    isObject(metadata) && metadata.raw,
  ];
  const line = parts.filter(Boolean).join(": ").replace(/\s+/g, " ").trim();
  return {
    // Cut between words, as half a word could be half of the key.
    message: line.length > 300 ? line.slice(0, 300).replace(/\S*$/, "…") : line,
    type: toText(fields.type) ?? "",
    code: toText(fields.code) ?? null,
    param: toText(fields.param) ?? null,
  };
}

/** Creates the error for a response without text. */
export function noTextError({ choices }: OpenAI.ChatCompletion): ExerciseError {
  const { message, finish_reason } = choices[0] ?? {};
  if (message?.refusal) return new ExerciseError("refusal", message.refusal);
  if (finish_reason === "content_filter") {
    const text = "The provider's content filter blocked the reply";
    return new ExerciseError(finish_reason, text);
  }
  if (finish_reason === "length") {
    const text = "The model reached MAX_TOKENS before it wrote any text";
    return new ExerciseError(finish_reason, text);
  }
  return new ExerciseError("no_text", "The reply contains no text");
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
