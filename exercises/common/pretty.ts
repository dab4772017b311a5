import { inspect, isDeepStrictEqual, styleText } from "node:util";
import { levels } from "pino";

type Fields = Record<string, unknown>;
type Row = [label: string, text: string];

/** The color of a label, by its last word. */
const COLORS = new Map<unknown, Parameters<typeof styleText>[0]>([
  ["FATAL", "red"],
  ["WARN", "yellow"],
  ["hint", "yellow"],
  ["system", "magenta"],
  ["user", "cyan"],
  ["assistant", "green"],
]);
const INDENT = " ".repeat(6);
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
/** Matches what takes two cells: emoji, and W and F in EastAsianWidth.txt. */
const WIDE =
  /[\p{Emoji_Presentation}\ufe0f\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{1b2ff}\u{20000}-\u{3fffd}]/u;
const toText = (value: unknown) =>
  typeof value === "string" ? value : inspect(value, { depth: null });
const measure = (grapheme: string) => (WIDE.test(grapheme) ? 2 : 1);

/**
 * Creates a function that formats a parsed line of the log for a terminal of
 * `columns` cells. It marks messages that the previous request didn't contain.
 */
export function createFormatter(): (line: Fields, columns: number) => string {
  let previous: unknown[] = [];
  return ({ level, time, pid, hostname, msg = "", ...fields }, columns) => {
    const clock = new Date(Number(time)).toTimeString().slice(0, 8);
    const label = levels.labels[Number(level)]?.toUpperCase() ?? `${level}`;
    const heading = toText(msg);
    const rows: Row[] = [[`${clock} ${label.padEnd(5)} `, heading]];
    for (const [name, value] of Object.entries(fields)) {
      const { messages, choices, model, ...others }: Fields = Object(value);
      const text = toText(value);
      const isRepeated = heading.toLowerCase().includes(text.toLowerCase());
      if (name === "request" && Array.isArray(messages)) {
        rows.push(...toMessageRows(messages, previous), ...toNotes(others));
        previous = messages;
      } else if (name === "response" && Array.isArray(choices)) {
        rows.push(...toReplyRows(choices.map(Object), Object(others.usage)));
      } else if (/^(parameters|err)$/.test(name) && value instanceof Object) {
        rows.push(...toNotes({ ...value }));
      } else if (!isRepeated || !/^(part|provider|model)$/.test(name)) {
        rows.push([`${INDENT}${name.padEnd(10)} `, text]);
      }
    }
    const lines = rows.map((row) => formatRow(row, columns)).join("\n");
    return `${lines}\n\n`.replace(/ +$/gm, "");
  };
}

function toMessageRows(messages: unknown[], previous: unknown[]): Row[] {
  const old = [...previous];
  return messages.map((message, index) => {
    const match = old.findIndex((each) => isDeepStrictEqual(each, message));
    if (match >= 0) old.splice(match, 1);
    const mark = match < 0 ? "+" : " ";
    return toMessageRow(`  ${mark}${`${index + 1}`.padStart(2)} `, message);
  });
}

function toReplyRows(choices: Fields[], usage: Fields): Row[] {
  const { prompt_tokens: prompt, completion_tokens, total_tokens } = usage;
  const tokens = `${prompt} prompt + ${completion_tokens} completion = ${total_tokens} tokens`;
  const note = `finish_reason ${choices[0]?.finish_reason}`;
  const text = total_tokens ? `${note} · ${tokens}` : note;
  const replies = choices.map(({ message }) => toMessageRow(INDENT, message));
  return [...replies, [INDENT, text]];
}

function toMessageRow(prefix: string, message: unknown): Row {
  const { role = "?", content }: Fields = Object(message);
  const text = toText((typeof content === "string" && content) || message);
  return [`${prefix}${`${role}`.padEnd(10)} `, text];
}

/** Lists fields as JSON, in which the string "0.7" is not a number. */
function toNotes(fields: Fields): Row[] {
  const notes = Object.entries(fields).map(
    ([name, value]) => `${name} ${JSON.stringify(value)}`,
  );
  return notes.length > 0 ? [[INDENT, notes.join(" · ")]] : [];
}

function formatRow([name, text]: Row, columns: number): string {
  const label = name.replace(/\p{C}/gu, "?");
  const width = Math.max(columns - label.length, 10);
  const lines = wrap(escapeControls(text), width);
  const body = lines.join(`\n${" ".repeat(label.length)}`);
  if (label === INDENT) return styleText("gray", label + body);
  const color = COLORS.get(label.trim().split(" ").at(-1));
  return (color ? styleText(color, label) : label) + body;
}

/** Splits text into lines of at most `width` cells, at spaces if possible. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.replaceAll("\t", "    ").split("\n")) {
    let line: string[] = [];
    let cells = 0;
    // In pieces: the time that a segmenter takes is quadratic in Node 20.
    const pieces = paragraph.match(/.{1,200}/gsu) ?? [];
    const segments = pieces.flatMap((piece) => [...graphemes.segment(piece)]);
    for (const { segment } of segments) {
      line.push(segment);
      cells += measure(segment);
      if (cells <= width) continue;
      // Japanese text can be split anywhere, and a long word must be.
      const space = measure(segment) === 1 ? line.lastIndexOf(" ") : -1;
      const rest = line.splice(space + 1 || -1);
      lines.push(line.join(""));
      line = rest;
      cells = rest.reduce((sum, each) => sum + measure(each), 0);
    }
    lines.push(line.join(""));
  }
  return lines;
}

/** Escapes control and bidirectional characters, except \t and \n. */
export function escapeControls(text: string): string {
  return text.replace(
    /[^\P{Cc}\t\n]|\p{Bidi_Control}/gu,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
