import type OpenAI from "openai";
import { colorizerFactory, isColorSupported, prettyFactory } from "pino-pretty";

const LABEL_WIDTH = 11;

const headline = prettyFactory({
  include: "level,time,msg,details",
  translateTime: "SYS:HH:MM:ss",
  customPrettifiers: { time: String },
});
const gray = colorizerFactory(isColorSupported).greyMessage;

/** The fields that are drawn as rows below a line's message. */
interface Line {
  request?: OpenAI.ChatCompletionCreateParams;
  response?: OpenAI.ChatCompletion;
  duration_ms?: number;
  parameters?: object;
  err?: { stack?: string };
  hint?: string;
}

/** Draws a line of the log, parsed and free of control characters, as text. */
export function draw(line: unknown): string {
  return [headline(line), ...rowsOf(line as Line)].join("");
}

function rowsOf(line: Line): string[] {
  const { request, response, duration_ms = 0, parameters, err, hint } = line;
  if (request) {
    const { model, messages, ...rest } = request;
    const rows = messages.map(({ role, content }) => row(role, content));
    return [...rows, note(rest)];
  }
  if (response) {
    const { choices, usage } = response;
    const rows = choices.map(({ message }) =>
      row("assistant", message?.content ?? message?.refusal ?? null),
    );
    const facts = {
      finish_reason: choices[0]?.finish_reason,
      tokens:
        usage?.total_tokens &&
        `${usage.prompt_tokens} prompt + ${usage.completion_tokens} completion = ${usage.total_tokens}`,
      seconds: (duration_ms / 1000).toFixed(1),
    };
    return [...rows, note(facts)];
  }
  if (err) {
    const { stack, ...facts } = err;
    return [
      note(facts),
      row("hint", hint),
      ...(stack ? [row("stack", stack)] : []),
    ];
  }
  return parameters ? [note(parameters)] : [];
}

/** A label and, beside it, a text: its line breaks kept, its lines wrapped. */
function row(label: string, content: unknown): string {
  const width = (process.stdout.columns || Infinity) - 4 - LABEL_WIDTH;
  return toText(content)
    .split("\n")
    .flatMap((line) => wrap(line, Math.max(width, 20)))
    .map(
      (line, index) =>
        `    ${gray((index ? "" : label).padEnd(LABEL_WIDTH))}${line}\n`,
    )
    .join("");
}

function wrap(line: string, width: number): string[] {
  if (line.length <= width) return [line];
  const pattern = new RegExp(`(.{1,${width}})(?: |$)|.{${width}}`, "gsu");
  return [...line.matchAll(pattern)].map(([all, words]) => words ?? all);
}

function note(facts: object): string {
  const texts = Object.entries(facts)
    .filter(([, fact]) => fact !== undefined && fact !== null)
    .map(([name, fact]) => `${name} ${toText(fact)}`);
  return `    ${gray(texts.join(" · "))}\n`;
}

function toText(value: unknown): string {
  return Object(value) === value ? JSON.stringify(value) : String(value);
}
