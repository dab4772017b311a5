import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { OpenAI } from "openai";
import { afterAll, expect, vi } from "vitest";
import type { Line as ViewLine } from "../exercises/common/view.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
export const LESSON = "exercises/01_llm_basics/01_chat_completion.ts";

const cleanups: (() => void)[] = [];
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

// ----- The project and its copies --------------------------------------------

export function readProjectFile(path: string): string {
  return readFileSync(join(ROOT, path), "utf8").replaceAll("\r\n", "\n");
}

/** A passage of the lesson, and what replaces it. */
export type Edit = [before: string, after: string];

/** Returns the edited lesson. Throws if it doesn't contain a passage once. */
export function editLesson(edits: Edit[]): string {
  let lesson = readProjectFile(LESSON);
  for (const [before, after] of edits) {
    const parts = lesson.split(before);
    if (parts.length !== 2) {
      throw new Error(
        `${LESSON} should contain this once. Did you edit it? ${before}`,
      );
    }
    lesson = parts.join(after);
  }
  return lesson;
}

/**
 * Copies the project to a temporary folder, without `.env` and development
 * dependencies, and edits the lesson of the copy. Returns the folder.
 */
export function copyProject(...edits: Edit[]): string {
  const folder = mkdtempSync(join(tmpdir(), "llm-basics-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  for (const entry of ["package.json", "tsconfig.json", "exercises"]) {
    cpSync(join(ROOT, entry), join(folder, entry), { recursive: true });
  }
  mkdirSync(join(folder, "node_modules"));
  for (const name of ["dotenv", "openai", "pino"]) {
    const path = join("node_modules", name);
    symlinkSync(join(ROOT, path), join(folder, path), "junction");
  }
  writeFileSync(join(folder, LESSON), editLesson(edits));
  return folder;
}

/**
 * Imports a module of a copy. All that a test uses must come from the same copy,
 * or `instanceof` fails.
 */
export function importCopy(folder: string, module: string) {
  return import(join(folder, "exercises/common", module));
}

/** Sets variables in the shell until the end of the test. */
export function setShell(variables: Record<string, string>): void {
  for (const [name, value] of Object.entries(variables)) {
    vi.stubEnv(name, value);
  }
}

// ----- A run of the lesson ---------------------------------------------------

/** A line of the log, with the fields that the tests read. */
interface Line extends ViewLine {
  msg: string;
  request?: OpenAI.ChatCompletionCreateParamsNonStreaming;
  response?: OpenAI.ChatCompletion;
  hint?: string;
  details?: object;
}

interface RunOptions {
  /** A copy of the project. By default, all runs share an unedited one. */
  folder?: string;
  /** The script to run, if it isn't the lesson. */
  script?: string;
  /** All variables of the shell but those that the system needs. */
  env?: Record<string, string>;
  /** What is typed. */
  input?: string;
  /** The width of a terminal. By default, stdout is a pipe. */
  columns?: number;
  /** A file descriptor for stdout. */
  stdout?: number;
  /** Called when something has arrived on stdout. */
  onOutput?: (child: ChildProcess) => void;
}

export interface Run {
  stdout: string;
  stderr: string;
  status: number | null;
  /** The lines of the log, unless stdout is a terminal. */
  lines: Line[];
  requests: NonNullable<Line["request"]>[];
  responses: NonNullable<Line["response"]>[];
}

let uneditedCopy: string | undefined;

/** Runs the lesson as a process. */
export async function runLesson(options: RunOptions = {}): Promise<Run> {
  uneditedCopy ??= copyProject();
  const { folder = uneditedCopy, script = LESSON } = options;
  const loader = import.meta.resolve("tsx/esm");
  let command = [process.execPath, "--import", loader, join(folder, script)];
  if (options.columns !== undefined) {
    command = inTerminal(command, options.columns);
  }
  const [program = "", ...args] = command;
  // Windows needs SystemRoot and TEMP.
  const { PATH, HOME, SystemRoot, TEMP } = process.env;
  const child = spawn(program, args, {
    cwd: folder,
    env: { PATH, HOME, SystemRoot, TEMP, ...options.env },
    stdio: ["pipe", options.stdout ?? "pipe", "pipe"],
  });
  cleanups.push(() => child.kill("SIGKILL"));

  child.stdin?.end(options.input);
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    options.onOutput?.(child);
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [status] = await once(child, "close");

  const lines = parseLog(stdout);
  const requests = lines.flatMap(({ request }) => request ?? []);
  const responses = lines.flatMap(({ response }) => response ?? []);
  return { stdout, stderr, status, lines, requests, responses };
}

/** Returns a command that runs another one in a terminal of this width. */
function inTerminal(command: string[], columns: number): string[] {
  const quoted = command.map((word) => `'${word}'`).join(" ");
  const script = `stty cols ${columns}; exec ${quoted}`;
  return ["script", "-qefc", script, "/dev/null"];
}

/** Parses the lines of the log. A prompt that a script prints may precede one. */
function parseLog(stdout: string): Line[] {
  const lines: Line[] = [];
  for (const line of stdout.split("\n")) {
    const start = line.indexOf('{"level":');
    if (start !== -1) lines.push(JSON.parse(line.slice(start)));
  }
  return lines;
}

/** Expects a success, and nothing on stdout but lines of the log. */
export function expectSuccess({ status, stdout, stderr, lines }: Run): void {
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  expect(stdout.trimEnd().split("\n")).toHaveLength(lines.length);
}

/**
 * Expects a failure whose only fatal line is the last one, and its message and
 * hint on stderr. Returns that line.
 */
export function expectFatal({ status, stdout, stderr, lines }: Run): Line {
  const fatal = lines.at(-1);
  if (!fatal) throw new Error(`The log is empty. stderr: ${stderr}`);
  expect(lines.filter(({ level }) => level === 60)).toEqual([fatal]);
  const words = fatal.hint ? [fatal.msg, fatal.hint] : [fatal.msg];
  expect(stderr).toBe(`${words.join("\n")}\n`);
  expect(status).toBe(1);
  expect(stdout.trimEnd().split("\n")).toHaveLength(lines.length);
  return fatal;
}

/** Whether this machine has util-linux's `script`, which opens a terminal. */
export const hasTerminal = String(
  spawnSync("script", ["--version"]).stdout,
).includes("util-linux");

// ----- Servers --------------------------------------------------------------

/** A request as the server received it. */
interface Call {
  method: IncomingMessage["method"];
  url: IncomingMessage["url"];
  headers: IncomingMessage["headers"];
  text: string;
}

interface Reply {
  status?: number;
  headers?: Record<string, string>;
  /** Sent as JSON unless it is a string. */
  body: unknown;
}

/**
 * Starts a server on 127.0.0.1. It sends the replies in this order, and the
 * last one again and again. Without any, it never answers.
 */
export async function startServer(...replies: Reply[]) {
  const calls: Call[] = [];
  const server = createServer(async (request, response) => {
    const { method, url, headers } = request;
    const text = await readText(request);
    const reply = replies[calls.length] ?? replies.at(-1);
    calls.push({ method, url, headers, text });
    if (!reply) return;
    const { body } = reply;
    response.writeHead(reply.status ?? 200, {
      "content-type": "application/json",
      ...reply.headers,
    });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => server.close().closeAllConnections());

  const { port } = server.address() as AddressInfo;
  const baseURL = `http://127.0.0.1:${port}/v1`;
  const env = {
    OPENAI_API_KEY: "sk-test-1234567890",
    OPENAI_BASE_URL: baseURL,
    OPENAI_MODEL: "test-model",
  };
  return { calls, baseURL, env };
}

/** A chat completion. `choice` overrides the properties of its only choice. */
export function completion(content: unknown, choice: object = {}) {
  const message = { role: "assistant", content };
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1,
    model: "test-model",
    choices: [{ index: 0, message, finish_reason: "stop", ...choice }],
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
  };
}

/** An error as the API sends it. */
export function apiError(message: string, fields: object = {}) {
  const empty = { type: "invalid_request_error", param: null, code: null };
  return { error: { message, ...empty, ...fields } };
}
