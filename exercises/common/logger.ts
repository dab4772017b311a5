import { isatty } from "node:tty";
import pino from "pino";
import { describeError } from "./errors.ts";
import { createFormatter, escapeControls } from "./pretty.ts";
import { settings } from "./settings.ts";

const { apiKey = "", logLevel } = settings;

const format = createFormatter();
const terminal = {
  // On Windows, this shows Unicode, which pino's own writes don't.
  write: (line: string) =>
    process.stdout.write(
      format(JSON.parse(line), process.stdout.columns || 80),
    ),
  flush: (callback: () => void) => process.stdout.write("", callback),
};
// Synchronous, so that no line is lost when the process exits.
const pipe = pino.destination({ sync: true });
pipe.on("error", (error: NodeJS.ErrnoException) => {
  // `head -1`, for example, closes a pipe early.
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

// Treat a key under 8 characters as a dummy, such as `none`.
const hideKey = (text: string) =>
  apiKey.length < 8 ? text : text.replaceAll(apiKey, "[OPENAI_API_KEY]");
const streamWrite = (line: string) => escapeControls(hideKey(line));

/** Logs text to a terminal and JSON lines elsewhere, without the key. */
export const logger = pino(
  { level: logLevel, hooks: { streamWrite } },
  isatty(1) ? terminal : pipe,
);

/** Logs an error in one fatal line, then exits with status 1. */
export function exitWithError(error: unknown): void {
  if (error instanceof Error) logger.debug(error.stack);
  const { message, line, err, hint } = describeError(error);
  const text = toOneLine(message);
  logger.fatal({ err, hint }, line ? `${text} (${line})` : text);
  logger.flush(() => process.exit(1));
}

/** Puts a message on one line of at most 300 characters, without the key. */
export function toOneLine(message: string): string {
  const line = hideKey(message).replace(/\s+/g, " ").trim();
  return line.replace(/^(.{300}).+/u, "$1…");
}
