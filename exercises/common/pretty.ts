import { inspect, styleText } from "node:util";
import { levels } from "pino";
import { isObject } from "./errors.ts";

type Fields = Record<string, unknown>;
type Color = "red" | "yellow" | "magenta" | "cyan" | "green" | "gray";

/** A label, and the text that is drawn beside it. */
interface Row {
  label: string;
  text: string;
  labelColor?: Color;
  textColor?: Color;
}

/** The colors of labels: of levels, roles, and fields. */
const COLORS = new Map<string, Color>([
  ["FATAL", "red"],
  ["ERROR", "red"],
  ["WARN", "yellow"],
  ["system", "magenta"],
  ["developer", "magenta"],
  ["user", "cyan"],
  ["assistant", "green"],
  ["hint", "yellow"],
]);
const INDENT = " ".repeat(6);

/**
 * Creates a function that formats a parsed line of the log for a terminal of
 * `columns` cells. A `+` marks the messages that the previous request didn't
 * contain.
 */
export function createFormatter(): (line: Fields, columns: number) => string {
  let previous: unknown[] = [];

  return (line, columns) => {
    const { level, time, part, msg, ...fields } = line;
    const rows = [toHeading(line)];
    for (const [name, value] of Object.entries(fields)) {
      const { messages, choices, usage } = isObject(value) ? value : {};
      if (name === "request" && isObject(value) && Array.isArray(messages)) {
        rows.push(...toRequestRows(value, messages, previous));
        previous = messages;
      } else if (name === "response" && Array.isArray(choices)) {
        rows.push(...toResponseRows(choices, usage));
      } else if (name === "err" && isObject(value)) {
        rows.push(...toErrorRows(value, msg));
      } else {
        rows.push(toRow(INDENT, name, value));
      }
    }
    return `${rows.map((row) => draw(row, columns)).join("\n")}\n\n`;
  };
}

function toHeading({ level, time, part, msg }: Fields): Row {
  const clock = new Date(Number(time)).toTimeString().slice(0, 8);
  const name = String(levels.labels[Number(level)]).toUpperCase();
  const texts = [part, msg].filter((each) => each !== undefined).map(toText);
  return {
    label: `${clock} ${name.padEnd(5)} `,
    text: texts.join(": "),
    labelColor: COLORS.get(name),
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
    // Each message matches once, so that a repeated question is new.
    if (position !== -1) known.splice(position, 1);
    const mark = position === -1 ? "+" : " ";
    const number = String(index + 1).padStart(2);
    rows.push(toMessageRow(`  ${mark}${number} `, message));
  }
  const { messages: _, ...parameters } = request;
  rows.push(toNoteRow(listFields(parameters)));
  return rows;
}

function toResponseRows(choices: unknown[], usage: unknown): Row[] {
  const rows: Row[] = [];
  const reasons = new Set<unknown>();
  for (const choice of choices) {
    const { message, finish_reason } = isObject(choice) ? choice : {};
    rows.push(toMessageRow(INDENT, message ?? choice));
    if (finish_reason) reasons.add(finish_reason);
  }
  const notes: string[] = [];
  if (reasons.size > 0) notes.push(`finish_reason ${[...reasons].join(", ")}`);
  if (isObject(usage)) notes.push(describeTokens(usage));
  rows.push(toNoteRow(notes.join(" · ")));
  return rows;
}

/** Adds up the tokens. If that isn't the total, lists what the server sent. */
function describeTokens(usage: Fields): string {
  const { prompt_tokens, completion_tokens, total_tokens } = usage;
  if (Number(prompt_tokens) + Number(completion_tokens) !== total_tokens) {
    return listFields(usage);
  }
  const details = usage.completion_tokens_details;
  const reasoning = isObject(details) ? details.reasoning_tokens : 0;
  const note = reasoning ? ` (${reasoning} reasoning)` : "";
  return `${prompt_tokens} prompt + ${completion_tokens} completion${note} = ${total_tokens} tokens`;
}

function toErrorRows(err: Fields, msg: unknown): Row[] {
  const { stack, ...notes } = err;
  // The heading usually says it already.
  if (String(msg).includes(String(err.message))) delete notes.message;
  const rows = [toNoteRow(listFields(notes))];
  if (stack !== undefined) rows.push(toRow(INDENT, "stack", stack));
  return rows;
}

function toMessageRow(start: string, message: unknown): Row {
  const { role = "?", content } = isObject(message) ? message : {};
  // Without a text, other properties say more: `reasoning`, for example.
  return toRow(start, String(role), content || message);
}

function toRow(start: string, name: string, value: unknown): Row {
  return {
    label: `${start}${name.padEnd(10)} `,
    text: toText(value),
    labelColor: COLORS.get(name),
  };
}

function toNoteRow(text: string): Row {
  return { label: INDENT, text, textColor: "gray" };
}

/** Lists fields as JSON, so that the string "0.7" doesn't look like a number. */
function listFields(fields: Fields): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name} ${JSON.stringify(value)}`)
    .join(" · ");
}

function toText(value: unknown): string {
  return typeof value === "string" ? value : inspect(value, { depth: null });
}

/** Draws a label and, beside it, its text, wrapped at spaces. */
function draw(row: Row, columns: number): string {
  const label = escapeControls(row.label);
  const indent = " ".repeat(label.length);
  const width = columns - label.length;
  const [first = "", ...others] = escapeControls(row.text)
    .split("\n")
    .flatMap((line) => wrap(line, width));
  const indented = others.map((line) => `${indent}${line}`.trimEnd());
  const text = [first, ...indented].join("\n");
  return paint(label, row.labelColor) + paint(text, row.textColor);
}

function paint(text: string, color: Color | undefined): string {
  return color ? styleText(color, text) : text;
}

/** Breaks a line at spaces. A word that is longer than `width` stays whole. */
function wrap(line: string, width: number): string[] {
  const lines: string[] = [];
  const [first = "", ...words] = line.split(" ");
  let current = first;
  for (const word of words) {
    if (current.length + 1 + word.length <= width) {
      current += ` ${word}`;
    } else if (word !== "") {
      // Spaces at a break are dropped.
      lines.push(current.trimEnd());
      current = word;
    }
  }
  lines.push(current.trimEnd());
  return lines;
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
