import { existsSync, readFileSync } from "node:fs";
import { parse } from "dotenv";
import { levels } from "pino";
import { ExerciseError } from "./errors.ts";
import { logger } from "./logger.ts";

type Variables = Record<string, string | undefined>;

export type Settings = ReturnType<typeof loadSettings>;

/**
 * Reads the settings from the shell and from the `.env` beside `package.json`,
 * and sets the level of the log. A setting that isn't set is undefined. Throws
 * an `ExerciseError` if `.env` can't be used, or if a setting is invalid.
 */
export function loadSettings() {
  const shell: Variables = process.env;
  const envFile = readEnvFile();
  const file = envFile ?? {};

  // A key for one server must never reach another, so the key and the base URL
  // are read in the same place. Otherwise, the shell overrides .env.
  const place = findPlace(shell, file);
  const source = place === ".env" ? file : shell;
  const apiKey = read(source, "OPENAI_API_KEY");
  const baseURL = read(source, "OPENAI_BASE_URL");
  const model = read(shell, "OPENAI_MODEL") ?? read(file, "OPENAI_MODEL");
  const level = read(shell, "LOG_LEVEL") ?? read(file, "LOG_LEVEL") ?? "info";

  // The level is set first, so that it counts for errors in the other settings.
  checkLevel(level.toLowerCase());
  logger.level = level.toLowerCase();
  if (apiKey) checkKey(apiKey);
  if (baseURL) checkURL(baseURL);
  return { apiKey, baseURL, model, place, hasEnvFile: envFile !== undefined };
}

function readEnvFile(): Variables | undefined {
  const path = new URL("../../.env", import.meta.url);
  if (!existsSync(path)) return undefined;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new ExerciseError(
      `.env can't be read (${error}). Check that it is a file and that you have permission to read it.`,
    );
  }
  if (text.includes("\0")) {
    throw new ExerciseError(
      ".env isn't UTF-8. Save it as UTF-8 (Windows PowerShell 5.1 writes UTF-16).",
    );
  }
  return parse(text);
}

/** Finds where the key and the base URL are set. */
function findPlace(
  shell: Variables,
  file: Variables,
): "your shell" | ".env" | undefined {
  if (read(shell, "OPENAI_BASE_URL")) return "your shell";
  if (read(file, "OPENAI_BASE_URL")) return ".env";
  if (read(shell, "OPENAI_API_KEY")) return "your shell";
  if (read(file, "OPENAI_API_KEY")) return ".env";
  return undefined;
}

/** Returns a trimmed value. An empty one counts as unset. */
function read(variables: Variables, name: string): string | undefined {
  return variables[name]?.trim() || undefined;
}

function checkLevel(level: string): void {
  const names = [...Object.keys(levels.values), "silent"];
  if (!names.includes(level)) {
    const list = names.join(", ");
    throw new ExerciseError(`LOG_LEVEL is invalid. Use one of ${list}.`);
  }
}

function checkKey(key: string): void {
  // JSON escapes " and \, and the key in the log would not be found. A ' was
  // copied by mistake.
  if (/[^\x21-\x7e]|["'\\]/.test(key)) {
    throw new ExerciseError(
      "OPENAI_API_KEY is invalid. Copy it again. A key has no spaces, quotes, backslashes, or characters outside ASCII.",
    );
  }
}

function checkURL(url: string): void {
  const isHTTP = /^https?:\/\//i.test(url);
  if (!isHTTP || !URL.canParse(url) || /[\s<>@?#]/.test(url)) {
    throw new ExerciseError(
      "OPENAI_BASE_URL is invalid. Use a valid URL that starts with http:// or https:// and contains no spaces, <, >, @, ?, or #, such as http://localhost:11434/v1.",
    );
  }
}
