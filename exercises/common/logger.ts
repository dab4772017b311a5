import { isatty } from "node:tty";
import pino from "pino";
import { describeError } from "./errors.ts";
import { createFormatter } from "./pretty.ts";
import { settings } from "./settings.ts";

const { apiKey = "", logLevel } = settings;

/** Logs text to a terminal and JSON lines elsewhere, without the key. */
export const logger = pino(
  {
    level: logLevel,
    hooks: { streamWrite: (line) => escapeControls(hideKey(line)) },
    // What the SDK logs at debug level contains the headers of responses.
    redact: { paths: ["details.headers"], remove: true },
  },
  isatty(1) ? openTerminal() : openPipe(),
);

/** Logs an error in one fatal line, then exits with status 1. */
export function exitWithError(error: unknown): void {
  if (error instanceof Error) logger.debug(error.stack);
  const { message, line, err, hint } = describeError(error);
  logger.fatal({ err, hint }, toOneLine(message) + (line && ` (${line})`));
  logger.flush(() => process.exit(1));
}

/** Cuts a message at 300 characters, without leaving a part of the key. */
export function toOneLine(message: string): string {
  const line = hideKey(message).replace(/\s+/g, " ").trim();
  const start = /^.{0,300}/u.exec(line)?.[0];
  return start === line ? line : `${start}…`;
}

function hideKey(text: string): string {
  // A shorter key is a dummy, such as `none`.
  if (apiKey.length < 8) return text;
  return text.replaceAll(apiKey, "[OPENAI_API_KEY]");
}

/** Escapes control and bidirectional characters, except \t and \n. */
function escapeControls(text: string): string {
  return text.replace(
    /[^\P{Cc}\t\n]|\p{Bidi_Control}/gu,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** On Windows, `process.stdout` shows Unicode; pino's own writes don't. */
function openTerminal() {
  const { stdout } = process;
  const format = createFormatter();
  const escape = (_name: string, value: unknown) =>
    typeof value === "string" ? escapeControls(value) : value;
  return {
    write: (line: string) =>
      stdout.write(format(JSON.parse(line, escape), stdout.columns || 80)),
    flush: (callback: () => void) => stdout.write("", callback),
  };
}

/** Opens a pipe or a file. No line is lost when the process exits. */
function openPipe() {
  const pipe = pino.destination({ sync: true });
  pipe.on("error", (error: NodeJS.ErrnoException) => {
    // `head -1`, for example, closes a pipe early.
    process.exit(error.code === "EPIPE" ? 0 : 1);
  });
  return pipe;
}
