import { inspect, styleText } from "node:util";
import { levels } from "pino";

type Fields = Record<string, unknown>;

const INDENT = " ".repeat(6);
const COLORS: [label: RegExp, color: Parameters<typeof styleText>[0]][] = [
  [/ (FATAL|ERROR) /, "red"],
  [/ (WARN|hint) /, "yellow"],
  [/ (system|developer) /, "magenta"],
  [/ user /, "cyan"],
  [/ assistant /, "green"],
];

/**
 * Creates a function that formats a parsed line of the log for a terminal of
 * `columns` cells. `+` marks messages that the previous request didn't contain.
 */
export function createFormatter(): (line: Fields, columns: number) => string {
  let previous: string[] = [];
  return ({ level, time, pid, hostname, msg, part, ...fields }, columns) => {
    const clock = new Date(Number(time)).toTimeString().slice(0, 8);
    const label = `${levels.labels[Number(level)]}`.toUpperCase().padEnd(5);
    const heading = [part, msg].filter(Boolean).map(toText).join(": ");
    const rows = [[`${clock} ${label} `, heading]];
    for (const [name, value] of Object.entries(fields)) {
      const { messages, ...others }: Fields = Object(value);
      if (name === "request" && Array.isArray(messages)) {
        const unmatched = previous;
        previous = messages.map((message) => JSON.stringify(message));
        for (const [index, json] of previous.entries()) {
          const match = unmatched.indexOf(json);
          if (match >= 0) unmatched.splice(match, 1);
          const mark = `${match < 0 ? "+" : " "}${`${index + 1}`.padStart(2)}`;
          rows.push(toRow(`  ${mark} `, messages[index]));
        }
        rows.push([INDENT, toNotes(others)]);
      } else if (name === "response" && Array.isArray(others.choices)) {
        const { choices, usage } = others;
        rows.push(...choices.map((each) => toRow(INDENT, each.message)));
        rows.push([INDENT, toSummary(choices, Object(usage))]);
      } else if (name === "err" && others.type) {
        const { stack, ...notes } = others;
        if (notes.message === msg) delete notes.message;
        rows.push([INDENT, toNotes(notes)]);
        if (stack) rows.push([`${INDENT}stack      `, toText(stack)]);
      } else {
        rows.push([`${INDENT}${name.padEnd(10)} `, toText(value)]);
      }
    }
    const lines = rows.map(([label, text]) => formatRow(label, text, columns));
    return `${lines.join("\n")}\n\n`.replace(/ +$/gm, "");
  };
}

const toText = (value: unknown) =>
  typeof value === "string" ? value : inspect(value, { depth: null });

/** Lists fields as JSON, so that the string "0.7" doesn't look like a number. */
const toNotes = (fields: Fields) =>
  Object.entries(fields)
    .map(([name, value]) => `${name} ${JSON.stringify(value)}`)
    .join(" · ");

function toRow(prefix: string, message: unknown) {
  const { role = "?", content }: Fields = Object(message);
  return [`${prefix}${`${role}`.padEnd(10)} `, toText(content ?? message)];
}

function toSummary(choices: Fields[], usage: Fields): string {
  const reasons = new Set(choices.map((choice) => choice.finish_reason));
  const { reasoning_tokens } = Object(usage.completion_tokens_details);
  const reasoning = reasoning_tokens ? ` (${reasoning_tokens} reasoning)` : "";
  const { prompt_tokens: prompt, completion_tokens, total_tokens } = usage;
  const tokens = `${prompt} prompt + ${completion_tokens} completion${reasoning} = ${total_tokens} tokens`;
  const reason = `finish_reason ${[...reasons].join(", ")}`;
  return total_tokens ? `${reason} · ${tokens}` : reason;
}

/** Draws a label, with text that wraps at spaces beside it. */
function formatRow(label = "", text = "", columns: number): string {
  const name = escapeControls(label);
  const width = Math.max(columns - name.length, 20);
  const long = `(?=.{${width + 1}})(.{0,${width - 1}}\\S) +`;
  const lines = escapeControls(text).replace(new RegExp(long, "g"), "$1\n");
  const body = lines.replaceAll("\n", `\n${" ".repeat(name.length)}`);
  if (name === INDENT) return styleText("gray", name + body);
  const color = COLORS.find(([pattern]) => pattern.test(name))?.[1];
  return (color ? styleText(color, name) : name) + body;
}

/** Escapes control and bidirectional characters, except \t and \n. */
export function escapeControls(text: string): string {
  return text.replace(
    /[^\P{Cc}\t\n]|\p{Bidi_Control}/gu,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
