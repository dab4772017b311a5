import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type OpenAI from "openai";
import { afterAll } from "vitest";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
export const LESSON = "exercises/01_llm_basics/01_chat_completion.ts";

const cleanups: (() => void)[] = [];
afterAll(() => cleanups.forEach((cleanup) => cleanup()));

/** A copy of the project, without the `.env` that this machine may have. */
export function copyProject(): string {
  const folder = fs.mkdtempSync(join(tmpdir(), "llm-basics-"));
  cleanups.push(() => fs.rmSync(folder, { recursive: true, force: true }));
  for (const entry of ["package.json", "exercises"]) {
    fs.cpSync(join(ROOT, entry), join(folder, entry), { recursive: true });
  }
  const modules = "node_modules";
  fs.symlinkSync(join(ROOT, modules), join(folder, modules), "junction");
  return folder;
}

export type Body = OpenAI.ChatCompletionCreateParamsNonStreaming;

/** A line of the log, with the fields that the tests look at. */
export interface Line {
  level: number;
  msg: string;
  provider?: string;
  model?: string;
  part?: string;
  request?: Body;
  response?: OpenAI.ChatCompletion;
  duration_ms?: number;
  finish_reason?: string;
  refused?: string;
  parameters?: object;
  details?: object;
  err?: Record<string, unknown>;
  hint?: string;
}

export interface Result {
  stdout: string;
  stderr: string;
  status: number | null;
  signal: string | null;
  lines: Line[];
  /** The time from the last line to the end of the process, in milliseconds. */
  lingered: number;
}

interface RunOptions {
  env?: Record<string, string>;
  folder?: string;
  cwd?: string;
  /** The columns of the terminal that stdout leads to, 0 for an unknown number; a pipe without it. */
  columns?: number;
  /** Called with each piece of stdout. */
  onOutput?: (child: ReturnType<typeof spawn>, piece: string) => void;
}

// Shared by the runs that change nothing in it: tsx keeps what it compiled.
let untouched: string | undefined;

/** Runs the real script as a process, in an environment of its own. */
export async function run(options: RunOptions = {}): Promise<Result> {
  const folder = options.folder ?? (untouched ??= copyProject());
  const loader = ["--import", import.meta.resolve("tsx/esm")];
  const preload = ["--import", new URL("preload.ts", import.meta.url).href];
  // A process this short is faster with no optimizing compiler and less
  // garbage collection.
  const haste = ["--no-opt", "--max-semi-space-size=64"];
  const script = [...haste, ...loader, ...preload, join(folder, LESSON)];
  const [command, args] =
    options.columns === undefined
      ? [process.execPath, script]
      : inTerminal([process.execPath, ...script], options.columns);
  const child = spawn(command, args, {
    cwd: options.cwd ?? folder,
    env: { ...bareEnvironment(), ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  let lastOutput = 0;
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    stdout += piece;
    lastOutput = performance.now();
    options.onOutput?.(child, piece);
  });
  child.stderr.setEncoding("utf8").on("data", (piece) => (stderr += piece));
  const [status, signal] = await once(child, "close");
  const lingered = performance.now() - lastOutput;
  const lines = stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line);
  return { stdout, stderr, status, signal, lines, lingered };
}

/** Whether this machine has the `script` of util-linux, which lends a terminal. */
export const hasTerminal = /util-linux/.test(
  spawnSync("script", ["--version"], { encoding: "utf8" }).stdout ?? "",
);

function inTerminal(
  command: string[],
  columns: number,
): [command: string, args: string[]] {
  const quoted = command.map((word) => `'${word}'`).join(" ");
  const line = `stty cols ${columns}; exec ${quoted}`;
  return ["script", ["-qefc", line, "/dev/null"]];
}

/** PATH and HOME, and what Windows cannot do without. */
export function bareEnvironment(): Record<string, string> {
  const names = ["PATH", "HOME", "SystemRoot", "TEMP"];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

export interface Call {
  method: string;
  path: string;
  headers: http.IncomingHttpHeaders;
  body: Body;
}
export const LATER = Symbol("answered by the handler, or never");
type Handler = (
  call: Call,
  index: number,
  response: http.ServerResponse,
) => unknown;

/**
 * Starts a server on 127.0.0.1 that notes each call. What the handler returns
 * is sent, as JSON where it is no string; LATER leaves it to the handler.
 */
export async function serve(handler: Handler) {
  const calls: Call[] = [];
  const server = http.createServer(async (request, response) => {
    let text = "";
    for await (const piece of request.setEncoding("utf8")) text += piece;
    const { method = "", url: path = "", headers } = request;
    const body = (text === "" ? {} : JSON.parse(text)) as Body;
    calls.push({ method, path, headers, body });
    const answer = handler(calls.at(-1)!, calls.length - 1, response);
    if (answer === LATER) return;
    if (typeof answer === "string") response.end(answer);
    else {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(answer));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const baseURL = `http://127.0.0.1:${port}/v1`;
  const env = {
    OPENAI_API_KEY: "sk-test-1234567890",
    OPENAI_BASE_URL: baseURL,
    OPENAI_MODEL: "test-model",
  };
  return { calls, port, baseURL, env };
}

/** A completion as a server sends it. */
export function completion(content: unknown, choice: object = {}) {
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1,
    model: "test-model-2026",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content },
        finish_reason: "stop",
        ...choice,
      },
    ],
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
  };
}

export const roles = (body: Body | undefined) =>
  body?.messages.map(({ role }) => role).join();

export const requests = (lines: Line[]) =>
  lines.flatMap(({ request }) => request ?? []);

export const responses = (lines: Line[]) =>
  lines.flatMap(({ response }) => response ?? []);
