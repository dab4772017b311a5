import type OpenAI from "openai";
import { levels } from "pino";
import { prettyFactory, type MessageFormatFunc } from "pino-pretty";

type Message = OpenAI.ChatCompletionMessageParam;
type Color = keyof Parameters<MessageFormatFunc>[3]["colors"];

type Row = [label: string, text: unknown, color?: Color];

interface Line {
  level: number;
  time: number;
  msg?: unknown;
  request?: Partial<OpenAI.ChatCompletionCreateParams>;
  response?: Partial<OpenAI.ChatCompletion>;
  parameters?: object;
  err?: object;
  hint?: unknown;
}

const COLORS = new Map<string, Color>([
  ["WARN", "yellow"],
  ["FATAL", "red"],
  ["system", "magenta"],
  ["user", "cyan"],
  ["assistant", "green"],
]);
// pino-pretty shows all other fields: the SDK's `details`, and any you add.
const SHOWN_FIELDS =
  "level,time,pid,hostname,msg,part,provider,model,request,response," +
  "parameters,rejected,finish_reason,err,hint";
const INDENT = "      ";
const NBSP = "\u00a0";

/** Creates a function that formats parsed log lines for this many columns. */
export function createFormatter(columns: number): (line: object) => string {
  let previous: Message[] = [];

  const prettify = prettyFactory({
    customColors: "message:reset",
    ignore: SHOWN_FIELDS,
    messageFormat(log, _messageKey, _levelLabel, { colors }) {
      const line = log as unknown as Line;
      const rows = toRows(line, previous);
      previous = line.request?.messages ?? previous;
      const texts = rows.map(([label, text, color = "gray"]) => {
        const paint = label === INDENT ? colors.gray : colors.reset;
        const width = Math.max(columns - label.length, 20);
        const lines = wrap(toText(text), width).map(paint);
        const indent = " ".repeat(label.length);
        return `${colors[color](label)}${lines.join(`\n${indent}`)}`;
      });
      return texts.join("\n");
    },
  });
  return (line) => `${prettify(line)}\n`;
}

function toRows(line: Line, previous: Message[]): Row[] {
  const time = new Date(line.time).toTimeString().slice(0, 8);
  const level = levels.labels[line.level]?.toUpperCase() ?? "";
  const heading = `${time} ${level.padEnd(5)} `;
  const rows: Row[] = [[heading, line.msg ?? "", COLORS.get(level)]];

  const { model, messages, ...parameters } = line.request ?? {};
  const sent = [previous].flat().map((message) => JSON.stringify(message));
  // An edit can pass a message instead of a list, or push undefined.
  for (const [index, message] of [messages ?? []].flat().entries()) {
    const match = sent.indexOf(JSON.stringify(message));
    if (match >= 0) sent.splice(match, 1);
    const mark = match < 0 ? "+" : " ";
    const role = String(message?.role);
    const label = `  ${mark}${String(index + 1).padStart(2)} ${role.padEnd(11)}`;
    rows.push([label, message?.content, COLORS.get(role)]);
  }

  const fields = { ...parameters, ...line.parameters, ...line.err };
  // As JSON, the string "0.7" does not look like a number.
  const notes = Object.entries(fields).map(
    ([name, value]) => `${name}${NBSP}${JSON.stringify(value)}`,
  );
  if (line.response) {
    const { choices, usage } = line.response;
    const { message, finish_reason } = choices?.[0] ?? {};
    const content = message?.content ?? message?.refusal ?? null;
    rows.push(["      assistant  ", content, "green"]);
    notes.push(`finish_reason ${finish_reason}`);
    if (usage) {
      notes.push(
        `${usage.prompt_tokens} prompt + ${usage.completion_tokens} completion = ${usage.total_tokens} tokens`,
      );
    }
  }
  if (notes.length > 0) rows.push([INDENT, notes.join(" · ")]);
  if (line.hint) rows.push(["      hint       ", line.hint, "yellow"]);
  return rows;
}

function toText(value: unknown): string {
  return typeof value === "string" ? value : String(JSON.stringify(value));
}

/** Wraps lines at spaces, and splits words that are longer than a line. */
function wrap(text: string, width: number): string[] {
  const pattern = new RegExp(`.{1,${width}}(?: +|$)|.{1,${width}}`, "gsu");
  const lines = text.replaceAll("\t", "    ").split("\n");
  const parts = lines.flatMap((line) => line.match(pattern) ?? [""]);
  return parts.map((part) => part.trimEnd().replaceAll(NBSP, " "));
}
