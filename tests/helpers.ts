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
import { afterAll, expect } from "vitest";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
export const LESSON = "exercises/01_llm_basics/01_chat_completion.ts";

export const readProjectFile = (path: string) =>
  fs.readFileSync(join(ROOT, path), "utf8").replaceAll("\r\n", "\n");

const cleanups: (() => void)[] = [];
afterAll(() => cleanups.forEach((cleanup) => cleanup()));

/** Text in the lesson, and its replacement. */
export type Edit = [before: string, after: string];

/** Inserts code where the client exists and nothing has been sent. */
export const insert = (code: string): Edit => {
  const client = "const client = new OpenAI(options);\n";
  return [client, `${client}${code}\n`];
};

export function editLesson(...edits: Edit[]): string {
  let lesson = readProjectFile(LESSON);
  for (const [before, after] of edits) {
    if (!lesson.includes(before)) {
      throw new Error(
        `${LESSON} doesn't contain this text (to undo your edits, run \`git restore exercises\`): ${before}`,
      );
    }
    lesson = lesson.replace(before, () => after);
  }
  return lesson;
}

/**
 * Copies the project as `npm ci --omit=dev` installs it, without `.env`, and
 * edits the lesson of the copy.
 */
export function copyProject(...edits: Edit[]): string {
  const folder = fs.mkdtempSync(join(tmpdir(), "llm-basics-"));
  cleanups.push(() => fs.rmSync(folder, { recursive: true, force: true }));
  for (const entry of ["package.json", "tsconfig.json", "exercises"]) {
    fs.cpSync(join(ROOT, entry), join(folder, entry), { recursive: true });
  }
  fs.mkdirSync(join(folder, "node_modules"));
  const { dependencies } = JSON.parse(readProjectFile("package.json"));
  for (const name in dependencies) {
    const path = join("node_modules", name);
    fs.symlinkSync(join(ROOT, path), join(folder, path), "junction");
  }
  fs.writeFileSync(join(folder, LESSON), editLesson(...edits));
  return folder;
}

type Request = OpenAI.ChatCompletionCreateParamsNonStreaming;

/** A line of the log, with the fields that the tests read. */
interface Line extends Record<"part" | "err" | "hint", unknown> {
  level: number;
  msg: string;
  request?: Request;
  response?: OpenAI.ChatCompletion;
}

interface RunOptions {
  env?: Record<string, string>;
  folder?: string;
  cwd?: string;
  /** The width of a terminal. Without it, stdout is a pipe. */
  columns?: number | undefined;
  stdout?: number;
  input?: string;
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
    stdio: ["pipe", options.stdout ?? "pipe", "pipe"],
  });
  cleanups.push(() => child.kill("SIGKILL"));
  child.stdin?.end(options.input);
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    // A terminal ends its lines with CRLF.
    stdout += text.replaceAll("\r\n", "\n");
    options.onStdout?.(child);
  });
  child.stderr?.setEncoding("utf8").on("data", (text) => (stderr += text));
  const [status, signal] = await once(child, "close");
  const json = stdout.split("\n").filter((line) => line.startsWith("{"));
  const lines = json.map((line) => JSON.parse(line) as Line);
  const requests = lines.flatMap(({ request }) => request ?? []);
  const responses = lines.flatMap(({ response }) => response ?? []);
  const warnings = lines.filter(({ level }) => level === 40);
  const output = { stdout, stderr, status, signal };
  return { ...output, lines, warnings, requests, responses };
}

export type Result = Awaited<ReturnType<typeof runLesson>>;

/** Expects a success, and nothing on stdout but lines of the log. */
export function expectSuccess({ status, stdout, stderr, lines }: Result) {
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  expect(stdout.match(/[^\n]+/g)).toHaveLength(lines.length);
}

/**
 * Expects one fatal line, the last, without a stack, and its message and hint
 * on stderr. Returns it.
 */
export function expectFatal({ status, stdout, stderr, lines }: Result): Line {
  const fatal = lines.filter(({ level }) => level === 60);
  expect(fatal).toEqual(lines.slice(-1));
  const { msg, hint } = fatal[0]!;
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: `${msg}\n${hint}\n`,
  });
  expect(stdout.match(/[^\n]+/g)).toHaveLength(lines.length);
  expect(stdout).not.toMatch(/"stack"|node_modules/);
  return fatal[0]!;
}

/** Whether this machine has util-linux's `script`, which opens a terminal. */
const { stdout: version } = spawnSync("script", ["--version"]);
export const hasTerminal = String(version).includes("util-linux");

type Call = Pick<http.IncomingMessage, "method" | "url" | "headers"> & {
  /** The body as it was received, and parsed. */
  text: string;
  body: Request;
};
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
    const body: Request = JSON.parse(text || "{}");
    const reply = replies[calls.length] ?? replies.at(-1);
    const { method, url, headers } = request;
    calls.push({ method, url, headers, text, body });
    if (!reply) return;
    const type = { "content-type": "application/json" };
    response.writeHead(reply.status ?? 200, { ...type, ...reply.headers });
    const { body: sent } = reply;
    response.end(typeof sent === "string" ? sent : JSON.stringify(sent));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const baseURL = `http://127.0.0.1:${port}/v1`;
  const key = { OPENAI_API_KEY: "sk-test-1234567890" };
  const env = { ...key, OPENAI_BASE_URL: baseURL, OPENAI_MODEL: "test-model" };
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
