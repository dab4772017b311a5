import { isatty } from "node:tty";
import pino from "pino";
import { LOG_LEVELS, settings } from "./env.ts";

// Synchronous, so that no line is lost when the process ends.
const stdout = pino.destination({ fd: 1, sync: true });
stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
  // `… | head -1` has closed the pipe: nobody reads on.
  if (code === "EPIPE") process.exit();
  console.error(message);
  process.exit(1);
});

const view = isatty(1) ? await import("./view.ts") : undefined;

/** The log: text in a terminal, JSON lines elsewhere, the key in neither. */
export const logger = pino(
  {
    level: LOG_LEVELS.includes(settings.logLevel) ? settings.logLevel : "info",
    hooks: {
      streamWrite(line) {
        if (view) return view.draw(mapStrings(line, makeVisible));
        const json = JSON.stringify(mapStrings(line, hideKey));
        return `${escapeControls(json)}\n`;
      },
    },
  },
  stdout,
);

/** Puts its name where a text holds the key, also as JSON or a URL spells it. */
export function hideKey(text: string): string {
  const { apiKey } = settings;
  if (apiKey === undefined) return text;
  const inJSON = JSON.stringify(apiKey).slice(1, -1);
  const spellings = new Set([apiKey, inJSON, encodeURIComponent(apiKey)]);
  return [...spellings].reduce(
    (hidden, spelling) => hidden.replaceAll(spelling, "[OPENAI_API_KEY]"),
    text,
  );
}

function makeVisible(text: string): string {
  return escapeControls(hideKey(text).replaceAll("\r\n", "\n"));
}

/**
 * Spells as `\u001b` and the like what could take over a terminal: C0 but for
 * tab and newline, DEL, C1 and the bidirectional marks. JSON reads them back.
 */
function escapeControls(text: string): string {
  return text.replace(
    /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * Parses a line of JSON and changes each string in it, and each name of a member
 * but plain words: a key as short as `a` would be a part of the log's own names.
 */
function mapStrings(line: string, change: (text: string) => string): unknown {
  const rename = (name: string) =>
    /^[a-z_]+$/.test(name) ? name : change(name);
  return JSON.parse(line, (_name, value: unknown) => {
    if (typeof value === "string") return change(value);
    if (Object(value) !== value || Array.isArray(value)) return value;
    const members = Object.entries(value as object);
    return Object.fromEntries(members.map(([name, it]) => [rename(name), it]));
  });
}
