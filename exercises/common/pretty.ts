import { inspect, styleText } from "node:util";
import { levels } from "pino";
import { isObject } from "./errors.ts";

type Fields = Record<string, unknown>;
type Color = "red" | "yellow" | "magenta" | "cyan" | "green" | "gray";

/** A label, and the text that is drawn beside it. */
interface Row {
  label: string;
  text: string;
  labelColor?: Color | undefined;
  textColor?: Color | undefined;
}

const INDENT = " ".repeat(6);

const LEVEL_COLORS = new Map<unknown, Color>([
  [levels.values.fatal, "red"],
  [levels.values.error, "red"],
  [levels.values.warn, "yellow"],
]);

const ROLE_COLORS = new Map<unknown, Color>([
  ["system", "magenta"],
  ["developer", "magenta"],
  ["user", "cyan"],
  ["assistant", "green"],
]);

/**
 * Creates a function that formats a parsed line of the log for a terminal of
 * `columns` cells. A `+` marks the messages that the previous request didn't
 * contain.
 */
export function createFormatter(): (line: Fields, columns: number) => string {
  let previous: unknown[] = [];

  return (line, columns) => {
    const { level, time, pid, hostname, part, msg, ...fields } = line;
    const rows = [toHeading(line)];
    for (const [name, value] of Object.entries(fields)) {
      if (!isObject(value)) {
        rows.push(toFieldRow(name, value));
      } else if (name === "request" && Array.isArray(value.messages)) {
        rows.push(...toRequestRows(value, value.messages, previous));
        previous = value.messages;
      } else if (name === "response" && Array.isArray(value.choices)) {
        rows.push(...toResponseRows(value.choices, value.usage));
      } else if (name === "err") {
        rows.push(...toErrorRows(value, msg));
      } else {
        rows.push(toFieldRow(name, value));
      }
    }
    const texts = rows.map((row) => drawRow(row, columns));
    return `${texts.join("\n")}\n\n`;
  };
}

function toHeading({ level, time, part, msg }: Fields): Row {
  const clock = new Date(Number(time)).toTimeString().slice(0, 8);
  const levelName = levels.labels[Number(level)] ?? String(level);
  const texts = [part, msg].filter((each) => each !== undefined).map(toText);
  return {
    label: `${clock} ${levelName.toUpperCase().padEnd(5)} `,
    text: texts.join(": "),
    labelColor: LEVEL_COLORS.get(level),
  };
}

function toRequestRows(
  request: Fields,
  messages: unknown[],
  previous: unknown[],
): Row[] {
  const rows: Row[] = [];
  const known = previous.map((message) => JSON.stringify(message));
  for (const [index, message] of messages.entries()) {
    const position = known.indexOf(JSON.stringify(message));
    const isNew = position === -1;
    // A question that is asked again is a new message.
    if (!isNew) known.splice(position, 1);
    const number = String(index + 1).padStart(2);
    rows.push(toMessageRow(`  ${isNew ? "+" : " "}${number} `, message));
  }
  const { messages: _, ...parameters } = request;
  rows.push(toNoteRow(toNotes(parameters)));
  return rows;
}

function toResponseRows(choices: unknown[], usage: unknown): Row[] {
  const rows: Row[] = [];
  const reasons = new Set<unknown>();
  for (const choice of choices) {
    if (isObject(choice)) {
      rows.push(toMessageRow(INDENT, choice.message));
      reasons.add(choice.finish_reason);
    } else {
      rows.push(toMessageRow(INDENT, choice));
    }
  }
  const reason = `finish_reason ${[...reasons].join(", ")}`;
  const tokens = isObject(usage) ? toTokens(usage) : "";
  rows.push(toNoteRow(tokens ? `${reason} · ${tokens}` : reason));
  return rows;
}

/** Lists the counts that the server sent. */
function toTokens(usage: Fields): string {
  const { prompt_tokens, completion_tokens, total_tokens } = usage;
  const details = usage.completion_tokens_details;
  const reasoning = isObject(details) ? details.reasoning_tokens : undefined;

  const counts: string[] = [];
  if (typeof prompt_tokens === "number") counts.push(`${prompt_tokens} prompt`);
  if (typeof completion_tokens === "number") {
    const note = reasoning ? ` (${reasoning} reasoning)` : "";
    counts.push(`${completion_tokens} completion${note}`);
  }
  const sums = [counts.join(" + ")];
  if (typeof total_tokens === "number") sums.push(`${total_tokens} tokens`);
  return sums.filter((sum) => sum !== "").join(" = ");
}

function toErrorRows(err: Fields, msg: unknown): Row[] {
  const { stack, ...notes } = err;
  if (String(msg).includes(String(err.message))) delete notes.message;
  const rows = [toNoteRow(toNotes(notes))];
  if (stack !== undefined) rows.push(toFieldRow("stack", stack));
  return rows;
}

function toMessageRow(start: string, message: unknown): Row {
  const { role, content } = isObject(message) ? message : {};
  return {
    label: `${start}${String(role ?? "?").padEnd(10)} `,
    // Without a content, other properties say more: reasoning, for example.
    text: toText(content || message),
    labelColor: ROLE_COLORS.get(role),
  };
}

function toFieldRow(name: string, value: unknown): Row {
  return {
    label: `${INDENT}${name.padEnd(10)} `,
    text: toText(value),
    labelColor: name === "hint" ? "yellow" : undefined,
  };
}

function toNoteRow(text: string): Row {
  return { label: INDENT, text, textColor: "gray" };
}

/** Lists fields as JSON, so that the string "0.7" doesn't look like a number. */
function toNotes(fields: Fields): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name} ${JSON.stringify(value)}`)
    .join(" · ");
}

function toText(value: unknown): string {
  return typeof value === "string" ? value : inspect(value, { depth: null });
}

/** Draws a label and, beside it, its text, wrapped at spaces. */
function drawRow(row: Row, columns: number): string {
  const label = escapeControls(row.label);
  const width = Math.max(columns - label.length, 20);
  const indent = " ".repeat(label.length);

  const lines = escapeControls(row.text)
    .split("\n")
    .flatMap((line) => wrap(line, width));
  const [first = "", ...others] = lines;
  const indented = others.map((line) => `${indent}${line}`.trimEnd());
  const text = [first, ...indented].join("\n");
  return paint(label, row.labelColor) + paint(text, row.textColor);
}

/** Breaks a line at spaces. A word that is wider than `width` stays whole. */
function wrap(line: string, width: number): string[] {
  const lines: string[] = [];
  const [first = "", ...words] = line.split(" ");
  let current = first;
  for (const word of words) {
    if (current.length + 1 + word.length <= width) {
      current += ` ${word}`;
    } else if (word !== "") {
      lines.push(current.trimEnd());
      current = word;
    }
  }
  lines.push(current.trimEnd());
  return lines;
}

function paint(text: string, color: Color | undefined): string {
  return color === undefined ? text : styleText(color, text);
}

/**
 * Escapes control and bidirectional characters, which could change what a
 * terminal shows. Tabs and line breaks stay.
 */
export function escapeControls(text: string): string {
  const controls = /\p{Cc}|\p{Bidi_Control}/gu;
  return text.replaceAll("\r\n", "\n").replace(controls, (control) => {
    if (control === "\t" || control === "\n") return control;
    const code = control.charCodeAt(0).toString(16).padStart(4, "0");
    return `\\u${code}`;
  });
}
