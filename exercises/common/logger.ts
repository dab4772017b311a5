import { isatty } from "node:tty";
import pino from "pino";
import { describeError } from "./errors.ts";
import { LOG_LEVELS, PLACEHOLDER, settings } from "./settings.ts";

const { apiKey = "", baseURL, logLevel } = settings;
// A key under 8 characters is a placeholder, such as `none` or `EMPTY`.
const isSecret = apiKey.length >= 8 && !PLACEHOLDER.test(apiKey);

// Synchronous, so that no line is lost when the process exits.
const stdout = pino.destination({ fd: 1, sync: true });
stdout.on("error", (error: NodeJS.ErrnoException) => {
  // `head -1`, for example, closes a pipe early.
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

const format = isatty(1)
  ? (await import("./pretty.ts")).createFormatter(process.stdout.columns || 80)
  : undefined;

/** Logs text to a terminal and JSON lines elsewhere, with the key redacted. */
export const logger = pino(
  {
    level: LOG_LEVELS.includes(logLevel) ? logLevel : "info",
    hooks: { streamWrite: formatLine },
  },
  stdout,
);

/** Logs an error in one fatal line, and exits with status 1. */
export function exitWithError(error: unknown): never {
  if (error instanceof Error) logger.debug(error.stack);
  const { message, err, hint } = describeError(error, baseURL);
  logger.fatal({ err, hint }, message);
  process.exit(1);
}

/** Formats a line of JSON for stdout, without the key. */
function formatLine(line: string): string {
  const json = isSecret ? line.replaceAll(apiKey, "[OPENAI_API_KEY]") : line;
  if (!format) return escapeControls(json);
  const escape = (_name: string, value: unknown) =>
    typeof value === "string" ? escapeControls(value) : value;
  return format(JSON.parse(json, escape));
}

/** Escapes control and bidirectional characters, except \t and \n. */
function escapeControls(text: string): string {
  return text.replace(
    /[^\P{Cc}\t\n]|\p{Bidi_Control}/gu,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
