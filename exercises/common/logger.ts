// Importing this module also decides how the process ends: an uncaught error
// becomes the last line of the log, and a closed pipe isn't an error.

import pino from "pino";
import { describeError } from "./errors.ts";
import { createView } from "./view.ts";

const { stdout, stderr } = process;
const view = createView();

/** Logs text to a terminal and JSON lines elsewhere. Hides the API key. */
export const logger = pino({ base: null, hooks: { streamWrite } }, stdout);

function streamWrite(json: string): string {
  const line = hideKey(json);
  return stdout.isTTY ? view(JSON.parse(line), stdout.columns || 80) : line;
}

function hideKey(text: string): string {
  const key = process.env.OPENAI_API_KEY?.trim() ?? "";
  // A shorter key is a dummy and may be an ordinary word, such as "ollama".
  if (key.length < 20) return text;
  return text.replaceAll(key, "[OPENAI_API_KEY]");
}

process.once("uncaughtException", (thrown: unknown) => {
  const { message, hint, details } = describeError(thrown);
  // The key is hidden before the cut, because half a key would not be found.
  const words = hideKey(message).replace(/\s+/g, " ");
  const text = words.length > 300 ? `${words.slice(0, 299)}…` : words;
  const isSeen = stdout.isTTY && logger.isLevelEnabled("fatal");
  logger.debug(thrown);
  logger.fatal({ hint, details }, text);

  // Other calls may still be running, but nothing follows the fatal line.
  logger.level = "silent";
  process.on("uncaughtException", () => {});

  if (!isSeen) stderr.write(hint ? `${text}\n${hint}\n` : `${text}\n`);
  // Exit when everything is written.
  stderr.write("", () => stdout.write("", () => process.exit(1)));
});

stdout.on("error", (error: NodeJS.ErrnoException) => {
  // `head -1`, for example, closes the pipe early.
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
