import pino from "pino";
import { describeError } from "./errors.ts";
import { createFormatter, escapeControls } from "./pretty.ts";

const { stdout, stderr } = process;
const format = createFormatter();
let secret = "";
let isFailing = false;

/** Hides an API key in the log. One under 20 characters is a dummy key. */
export function hideKey(key = ""): void {
  if (key.length >= 20) secret = key;
}

const redact = (text: string) =>
  secret ? text.replaceAll(secret, "[OPENAI_API_KEY]") : text;

function streamWrite(line: string): string {
  const redacted = redact(line);
  if (!stdout.isTTY) return escapeControls(redacted);
  return format(JSON.parse(redacted), stdout.columns || 80);
}

// The stack is shown at the debug level.
const describe = (thrown: unknown) =>
  describeError(thrown, logger.isLevelEnabled("debug"));
const serialize = (error: unknown) =>
  error instanceof Error ? describe(error).err : error;

/** Logs text to a terminal and JSON lines elsewhere, without the key. */
export const logger = pino(
  { hooks: { streamWrite }, serializers: { err: serialize, error: serialize } },
  stdout,
);

/** Puts text on one line of at most 300 characters, without the key. */
export function toOneLine(text: string): string {
  const line = redact(text).replace(/\s+/g, " ").trim();
  return line.replace(/^(.{299}).{2,}/u, "$1…");
}

process.on("uncaughtException", (thrown) => {
  if (isFailing) return;
  isFailing = true;
  const { message, hint, err } = describe(thrown);
  const msg = toOneLine(message);
  logger.fatal({ err: { ...err, message: msg }, hint }, msg);
  if (!stdout.isTTY) stderr.write(escapeControls(`${msg}\n${hint}\n`));
  stdout.write("", () => process.exit(1));
});

// `head -1`, for example, closes the pipe early. A disk may be full.
stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
  if (code !== "EPIPE") stderr.write(`${message}\n`);
  process.exit(code === "EPIPE" ? 0 : 1);
});
