// Importing this module also decides how the process ends: an uncaught error
// becomes the last line of the log, and a closed pipe isn't an error.

import pino from "pino";
import { describeError } from "./errors.ts";
import { createView } from "./view.ts";

const { stdout, stderr } = process;
const view = createView();
let hasFailed = false;

function hideKey(text: string): string {
  const key = process.env.OPENAI_API_KEY?.trim() ?? "";
  // A shorter key is a dummy and may be an ordinary word, such as "ollama".
  if (key.length < 20) return text;
  return text.replaceAll(key, "[OPENAI_API_KEY]");
}

/** Puts text on one line of at most 300 characters, without the key. */
export function toOneLine(text: string): string {
  const line = hideKey(text).replace(/\s+/g, " ").trim();
  return line.length > 300 ? `${line.slice(0, 299)}…` : line;
}

/** Logs text to a terminal and JSON lines elsewhere. */
export const logger = pino(
  {
    base: null,
    hooks: { streamWrite },
    serializers: { err: serialize, error: serialize },
  },
  stdout,
);

function streamWrite(line: string): string {
  const redacted = hideKey(line);
  if (!stdout.isTTY) return redacted;
  return view(JSON.parse(redacted), stdout.columns || 80);
}

function serialize(value: unknown): unknown {
  return value instanceof Error ? describe(value).err : value;
}

/** Describes an error, with its stack only at the debug level. */
function describe(thrown: unknown) {
  const description = describeError(thrown);
  if (!logger.isLevelEnabled("debug")) delete description.err.stack;
  return description;
}

process.on("uncaughtException", (thrown: unknown) => {
  if (hasFailed) return;
  hasFailed = true;
  const { message, hint, err } = describe(thrown);
  const msg = toOneLine(message);
  logger.fatal({ err, hint }, msg);
  // A terminal has just shown it, unless LOG_LEVEL hides the line.
  if (!stdout.isTTY || !logger.isLevelEnabled("fatal")) {
    const lines = hint ? [msg, hint] : [msg];
    stderr.write(`${lines.join("\n")}\n`);
  }
  // Other calls may still be running, but nothing follows the fatal line.
  logger.level = "silent";
  // Exit when the lines before are written.
  stdout.write("", () => process.exit(1));
});

stdout.on("error", (error: NodeJS.ErrnoException) => {
  // `head -1`, for example, closes the pipe early.
  if (error.code === "EPIPE") process.exit(0);
  // A disk may be full, for example.
  stderr.write(`${error.message}\n`);
  process.exit(1);
});
