import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type OpenAI from "openai";
import { afterAll } from "vitest";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
export const LESSON = "exercises/01_llm_basics/01_chat_completion.ts";

export const readProjectFile = (path: string) =>
  fs.readFileSync(join(ROOT, path), "utf8").replaceAll("\r\n", "\n");

const cleanups: (() => void)[] = [];
afterAll(() => cleanups.forEach((cleanup) => cleanup()));

/** Text in the lesson, and its replacement. */
export type Edit = [before: string, after: string];

/** Copies the project, without `.env`, and edits the lesson of the copy. */
export function copyProject(...edits: Edit[]): string {
  const folder = fs.mkdtempSync(join(tmpdir(), "llm-basics-"));
  cleanups.push(() => fs.rmSync(folder, { recursive: true, force: true }));
  for (const entry of ["package.json", "exercises"]) {
    fs.cpSync(join(ROOT, entry), join(folder, entry), { recursive: true });
  }
  const modules = "node_modules";
  fs.symlinkSync(join(ROOT, modules), join(folder, modules), "junction");

  let lesson = readProjectFile(LESSON);
  for (const [before, after] of edits) {
    if (!lesson.includes(before)) throw new Error(`No ${before} in the lesson`);
    lesson = lesson.replace(before, () => after);
  }
  fs.writeFileSync(join(folder, LESSON), lesson);
  return folder;
}

type Request = OpenAI.ChatCompletionCreateParamsNonStreaming;

/** A line of the log, with the fields that the tests read. */
export interface Line {
  level: number;
  msg: string;
  part?: string;
  request?: Request;
  response?: OpenAI.ChatCompletion;
  hint?: string;
}

interface RunOptions {
  env?: Record<string, string>;
  folder?: string;
  cwd?: string;
  /** Runs in a terminal of this width. If omitted, stdout is a pipe. */
  columns?: number | undefined;
  onStdout?: (child: ChildProcess) => void;
}

// Runs without edits share a copy, so that tsx compiles it once.
let unedited: string | undefined;

/** Runs the lesson as a process, with no settings but those of `env`. */
export async function runLesson(options: RunOptions = {}) {
  const folder = options.folder ?? (unedited ??= copyProject());
  const loader = import.meta.resolve("tsx/esm");
  let command = [process.execPath, "--import", loader, join(folder, LESSON)];
  if (options.columns !== undefined) {
    const quoted = command.map((word) => `'${word}'`).join(" ");
    const inTerminal = `stty cols ${options.columns}; exec ${quoted}`;
    command = ["script", "-qefc", inTerminal, "/dev/null"];
  }
  // Windows needs the last two.
  const { PATH, HOME, SystemRoot, TEMP } = process.env;
  const child = spawn(command[0]!, command.slice(1), {
    cwd: options.cwd ?? folder,
    env: { PATH, HOME, SystemRoot, TEMP, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    // A terminal ends its lines with CRLF.
    stdout += text.replaceAll("\r\n", "\n");
    options.onStdout?.(child);
  });
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  const [status, signal] = await once(child, "close");
  const json = stdout.split("\n").filter((line) => line.startsWith("{"));
  const lines = json.map((line) => JSON.parse(line) as Line);
  const requests = lines.flatMap(({ request }) => request ?? []);
  const responses = lines.flatMap(({ response }) => response ?? []);
  return { stdout, stderr, status, signal, lines, requests, responses };
}

export type Result = Awaited<ReturnType<typeof runLesson>>;

/** Whether this machine has util-linux's `script`, which opens a terminal. */
export const hasTerminal = /util-linux/.test(
  spawnSync("script", ["--version"], { encoding: "utf8" }).stdout ?? "",
);

interface Call {
  method: string;
  path: string;
  headers: http.IncomingHttpHeaders;
  body: Request;
  time: number;
}
interface Reply {
  status?: number;
  headers?: Record<string, string>;
  /** Sent as JSON unless it is a string. */
  body: unknown;
}

/**
 * Starts a server on 127.0.0.1 that records its calls. It sends the replies in
 * this order, and the last one again and again. Without any, it never answers.
 */
export async function startServer(...replies: Reply[]) {
  const calls: Call[] = [];
  const server = http.createServer(async (request, response) => {
    const text = await readText(request);
    const { method = "", url: path = "", headers } = request;
    const body = JSON.parse(text || "{}") as Request;
    const reply = replies[calls.length] ?? replies.at(-1);
    calls.push({ method, path, headers, body, time: performance.now() });
    if (!reply) return;
    const type = { "content-type": "application/json" };
    response.writeHead(reply.status ?? 200, { ...type, ...reply.headers });
    const isText = typeof reply.body === "string";
    response.end(isText ? reply.body : JSON.stringify(reply.body));
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
  const choices = [{ index: 0, message, finish_reason: "stop", ...choice }];
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
  return { id: "c-1", object: "chat.completion", created: 1, choices, usage };
}

/** An error as the API sends it. */
export const apiError = (message: string, fields: object = {}) => ({
  error: { message, type: "api_error", param: null, code: null, ...fields },
});
