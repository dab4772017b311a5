import { inspect, styleText } from "node:util";
import type { OpenAI } from "openai";
import { levels } from "pino";

/** A line of the log. A server may leave out anything of a response. */
export interface Line {
  level: number;
  time: number;
  part?: string;
  msg?: string;
  request?: Partial<OpenAI.ChatCompletionCreateParams>;
  response?: Partial<OpenAI.ChatCompletion>;
  err?: Partial<Error>;
}

type Message = OpenAI.ChatCompletionMessageParam;

/** The start and the name form a label. The value is drawn beside it. */
type Row = [start: string, name: string, value: unknown];

/** The colors of labels, by their names: levels, roles, and a field. */
const COLORS = new Map<string, Parameters<typeof styleText>[0]>([
  ["FATAL", "red"],
  ["ERROR", "red"],
  ["WARN", "yellow"],
  ["system", "magenta"],
  ["user", "cyan"],
  ["assistant", "green"],
  ["hint", "yellow"],
]);
const LABEL_WIDTH = 17;
const INDENT = " ".repeat(5);
// Control characters but tab and line break, and bidirectional overrides. They
// would change how a terminal shows other text.
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/g;

/**
 * Creates a function that draws a line of the log for a terminal of `columns`
 * cells. A `+` marks the messages that the previous request didn't contain.
 */
export function createView(): (line: Line, columns: number) => string {
  let previous: Message[] = [];

  return (line, columns) => {
    const { request, response, err, ...others } = line;
    const { level, time, part, msg = "", ...fields } = others;
    const clock = new Date(time).toTimeString().slice(0, 8);
    const label = String(levels.labels[level]).toUpperCase();
    const rows: Row[] = [[clock, label, part ? `${part}: ${msg}` : msg]];

    if (Array.isArray(request?.messages)) {
      const { messages, ...parameters } = request;
      rows.push(...toMessageRows(messages, previous));
      rows.push(["", "", listFields(parameters)]);
      previous = messages;
    } else if (request !== undefined) {
      rows.push([INDENT, "request", request]);
    }
    if (response && hasTexts(response)) {
      rows.push(...toChoiceRows(response));
    } else if (response !== undefined) {
      // What a server sends in place of a text is shown as it came.
      rows.push([INDENT, "response", response]);
    }
    if (err !== undefined) rows.push([INDENT, "err", err?.stack ?? err]);
    for (const [name, value] of Object.entries(fields)) {
      rows.push([INDENT, name, value]);
    }
    const drawn = rows.map((row) => draw(row, columns));
    return `${drawn.join("\n")}\n\n`;
  };
}

function toMessageRows(messages: Message[], previous: Message[]): Row[] {
  const known = previous.map((message) => JSON.stringify(message));
  return messages.map((message, index) => {
    const position = known.indexOf(JSON.stringify(message));
    const mark = position === -1 ? "+" : " ";
    // Each message matches once, so that a repeated question is new.
    if (position !== -1) known.splice(position, 1);
    const number = String(index + 1).padStart(2);
    return toMessageRow(`  ${mark}${number}`, message);
  });
}

function toMessageRow(start: string, message: Message | undefined): Row {
  // Without a text, other properties say more: `reasoning`, for example.
  return [start, message?.role ?? "?", message?.content || message];
}

/** Lists fields as JSON, so that "0.7" doesn't look like a number. */
function listFields(fields: object): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name} ${JSON.stringify(value)}`)
    .join(" · ");
}

function hasTexts({ choices }: Partial<OpenAI.ChatCompletion>): boolean {
  if (!Array.isArray(choices) || choices.length === 0) return false;
  return choices.every((choice) => choice?.message?.content);
}

function toChoiceRows(response: Partial<OpenAI.ChatCompletion>): Row[] {
  const { choices = [], model, usage } = response;
  const rows = choices.map(({ message }) => toMessageRow(INDENT, message));
  // A server may choose the model: openrouter/auto, for example.
  if (model) rows.push(["", "", listFields({ model })]);

  const reasons = new Set(choices.map(({ finish_reason }) => finish_reason));
  const notes = [`finish_reason ${[...reasons].join(", ")}`];
  if (usage) notes.push(describeTokens(usage));
  return [...rows, ["", "", notes.join(" · ")]];
}

function describeTokens(usage: OpenAI.CompletionUsage): string {
  const { prompt_tokens, completion_tokens, total_tokens } = usage;
  if (prompt_tokens + completion_tokens !== total_tokens) {
    return listFields({ usage });
  }
  return `${prompt_tokens} prompt + ${completion_tokens} completion = ${total_tokens} tokens`;
}

/** Draws a row. A value without a name is gray. */
function draw([start, name, value]: Row, columns: number): string {
  // A server may send any role.
  const label = clean(`${start} ${name} `).padEnd(LABEL_WIDTH);
  const width = Math.max(columns - label.length, 20);
  const options = { depth: null, breakLength: width };
  const text = typeof value === "string" ? value : inspect(value, options);
  const indent = " ".repeat(label.length);
  const body = wrap(clean(text), width).replaceAll("\n", `\n${indent}`);

  if (name === "") return label + styleText("gray", body);
  const color = COLORS.get(name);
  return (color ? styleText(color, label) : label) + body;
}

function clean(text: string): string {
  return text.replace(CONTROLS, "");
}

/** Breaks lines at spaces. A word that is longer than `width` stays whole. */
function wrap(text: string, width: number): string {
  // As much of a line as fits, up to a space or the end of the line.
  const part = new RegExp(`(.{1,${width}})(?: |\n|$)`, "g");
  return text.replace(part, "$1\n").trimEnd();
}
