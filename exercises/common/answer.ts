import type OpenAI from "openai";
import { Failure } from "./env.ts";
import type { Complaint } from "./parameters.ts";

/** Parses JSON; undefined where `text` is none. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether a value is an object, as opposed to a primitive or null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Whether an answer is a chat completion: it holds a message to read. */
export function isCompletion(answer: unknown): boolean {
  const choices = isObject(answer) ? answer["choices"] : undefined;
  const first: unknown = Array.isArray(choices) ? choices[0] : undefined;
  return isObject(first) && isObject(first["message"]);
}

/**
 * What a server complains of, in an answer of any shape: `{error}` as in the
 * API, `{detail}` (FastAPI), a flat object (older vLLM), lists of these, an
 * error passed on in `metadata.raw` (OpenRouter), plain text, an HTML title.
 */
export function complaintsIn(text: string): Complaint[] {
  const body = parse(text);
  if (body !== undefined) return complaintsOf(body);
  if (!/^\s*</.test(text)) return complaintsOf(text);
  return complaintsOf(/<title[^>]*>([^<]*)/i.exec(text)?.[1]);
}

function complaintsOf(body: unknown, isInner = false): Complaint[] {
  if (typeof body === "string") return body.trim() ? [{ message: body }] : [];
  if (Array.isArray(body)) return body.flatMap((it) => complaintsOf(it, true));
  if (!isObject(body)) return [];

  const { error, errors, detail, message, msg, title, ...rest } = body;
  const { type, code, param, loc, metadata } = rest;
  const words = [message, msg, detail, error, errors, title].filter(Boolean);
  // With no words of its own, it holds those about each parameter by its name.
  if (isInner && words.length === 0) {
    return Object.entries(rest).flatMap(([name, value]) =>
      complaintsOf(value, true).map((complaint) => ({
        ...complaint,
        message: `${name}: ${complaint.message}`,
      })),
    );
  }
  const inner = words
    .filter(isObject)
    .flatMap((word) => complaintsOf(word, true));
  const own = complaintsOf(words.find((word) => typeof word === "string"));
  const path = [loc ?? []].flat().map(String);
  const { raw } = Object(metadata) as { raw?: unknown };
  return (inner.length > 0 ? inner : own)
    .map((complaint): Complaint => ({
      message: [...path, complaint.message].join(": "),
      type: complaint.type ?? toText(type),
      code: complaint.code ?? toText(code),
      param: complaint.param ?? toText(param) ?? path.at(-1),
    }))
    .concat(typeof raw === "string" ? complaintsIn(raw) : complaintsOf(raw));
}

function toText(fact: unknown): string | undefined {
  const isText = typeof fact === "string" || typeof fact === "number";
  return isText ? String(fact) : undefined;
}

/** The hint where a filter, or the model itself, objects to what is said. */
export const REWORD =
  "Reword SYSTEM_PROMPT, QUESTION or FOLLOW_UP in the exercise.";

/**
 * The text of a reply. Throws a `Failure` where there is none: a filter or the
 * model itself held it back, or MAX_TOKENS was spent before it began.
 */
export function contentOf({ choices, usage }: OpenAI.ChatCompletion): string {
  const { message, finish_reason } = choices[0] ?? {};
  if (finish_reason === "content_filter") {
    const words = "The provider's content filter stopped the reply.";
    throw new Failure("content_filter", words, REWORD);
  }
  const content: unknown = message?.content;
  if (typeof content === "string" && content.trim()) return content;
  if (message?.refusal) throw new Failure("refusal", message.refusal, REWORD);

  if (finish_reason === "length") {
    const spent = usage?.completion_tokens_details?.reasoning_tokens;
    throw new Failure(
      "empty_reply",
      `The reply is empty: MAX_TOKENS was spent ${spent ? `on ${spent} tokens of reasoning` : "before any text came"}.`,
      "Raise MAX_TOKENS in the exercise, or set OPENAI_MODEL to another model.",
    );
  }
  throw new Failure(
    "empty_reply",
    "The reply holds no plain text.",
    "Run it again, or set OPENAI_MODEL to another model.",
  );
}
