import { isatty } from "node:tty";
import pino from "pino";
import { LOG_LEVELS, settings } from "./env.ts";

// Synchronous, so that no line is lost when the process ends.
const stdout = pino.destination({ fd: 1, sync: true });
// Nobody reads on: `… | head -1` has closed the pipe.
stdout.on("error", () => process.exit());

const view = isatty(1) ? await import("./view.ts") : undefined;

/** The log: text in a terminal, JSON lines anywhere else. The key leaves it in neither. */
export const logger = pino(
  {
    level: LOG_LEVELS.includes(settings.logLevel) ? settings.logLevel : "info",
    hooks: {
      streamWrite(line) {
        if (!view)
          return `${escapeControls(JSON.stringify(mapStrings(line, hideKey)))}\n`;
        return view.draw(
          mapStrings(line, (text) =>
            escapeControls(hideKey(text).replaceAll("\r\n", "\n")),
          ),
        );
      },
    },
  },
  stdout,
);

const apiKey = settings.apiKey;

/** Puts a placeholder where `text` holds the key, as it is or as JSON writes it. */
export function hideKey(text: string): string {
  const forms =
    apiKey === undefined ? [] : [apiKey, JSON.stringify(apiKey).slice(1, -1)];
  return forms.reduce(
    (hidden, form) => hidden.replaceAll(form, "[OPENAI_API_KEY]"),
    text,
  );
}

/**
 * Writes as `\u001b` and the like what could take over a terminal: C0 (but for tab and newline),
 * DEL, C1 and the bidirectional marks. In JSON this is another spelling of the same text.
 */
function escapeControls(text: string): string {
  return text.replace(
    /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Parses a line of JSON and changes every string in it, the members' names too. */
function mapStrings(line: string, change: (text: string) => string): unknown {
  return JSON.parse(line, (_name, value: unknown) => {
    if (typeof value === "string") return change(value);
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [change(name), member]),
    );
  });
}
