import { spawn } from "node:child_process";
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
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { afterAll, expect, vi } from "vitest";
import type { Line as ViewLine } from "../exercises/common/view.ts";

const ROOT = join(import.meta.dirname, "..");
export const SCRIPT = "exercises/01_llm_basics/01_chat_completion.ts";
export const KEY = "sk-test-1234567890abcdef";

// Each imported copy of the project listens for errors.
process.setMaxListeners(0);
process.stdout.setMaxListeners(0);

const cleanups: (() => void)[] = [];
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

export function readProjectFile(path: string): string {
  return readFileSync(join(ROOT, path), "utf8").replaceAll("\r\n", "\n");
}

/** A passage of the script, and what replaces it. */
export type Edit = [before: string, after: string];

/** Copies the project to a temporary folder, and edits the script there. */
export function copyProject(...edits: Edit[]): string {
  let script = readProjectFile(SCRIPT);
  for (const [before, after] of edits) {
    const parts = script.split(before);
    if (parts.length !== 2) throw new Error(`Not once in it: ${before}`);
    script = parts.join(after);
  }

  const folder = mkdtempSync(join(tmpdir(), "llm-basics-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  for (const path of ["package.json", "exercises/common"]) {
    cpSync(join(ROOT, path), join(folder, path), { recursive: true });
  }
  const modules = "node_modules";
  symlinkSync(join(ROOT, modules), join(folder, modules), "junction");
  // A reader's own copies of the script stay where they are.
  mkdirSync(dirname(join(folder, SCRIPT)));
  writeFileSync(join(folder, SCRIPT), script);
  return folder;
}

type Line = ViewLine & { hint?: string };

export type Run = ReturnType<typeof toRun>;

function toRun(stdout: string, stderr = "", status: number | null = 0) {
  const lines: Line[] = [];
  for (const line of stdout.split("\n")) {
    // A prompt that a script prints may come first.
    const start = line.indexOf('{"level":');
    if (start !== -1) lines.push(JSON.parse(line.slice(start)));
  }
  const requests = lines.flatMap(({ request }) => request ?? []);
  const responses = lines.flatMap(({ response }) => response ?? []);
  return { stdout, stderr, status, lines, requests, responses };
}

/** Imports the edited script into this process. Faster than `runScript`. */
export async function importScript(...edits: Edit[]): Promise<Run> {
  const folder = copyProject(...edits);
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    await import(join(folder, SCRIPT));
    return toRun(write.mock.calls.map(([text]) => text).join(""));
  } finally {
    write.mockRestore();
  }
}

export const COMMAND = `node --import tsx ${SCRIPT}`;

interface RunOptions {
  folder?: string;
  env?: Record<string, string>;
  /** What is typed. */
  input?: string;
  command?: string;
}

/** Runs a command in a copy of the project, by default the unedited script. */
export async function runScript(options: RunOptions = {}): Promise<Run> {
  const { folder = copyProject(), env, input, command = COMMAND } = options;
  const { PATH, HOME, SystemRoot, TEMP } = process.env;
  const child = spawn(command, {
    shell: true,
    cwd: folder,
    env: { PATH, HOME, SystemRoot, TEMP, ...env },
  });
  child.stdin.end(input);
  const [stdout, stderr, [status]] = await Promise.all([
    readText(child.stdout),
    readText(child.stderr),
    once(child, "close"),
  ]);
  return toRun(stdout, stderr, status);
}

/**
 * Expects that a run failed with one fatal line, its last, and with the same
 * words on stderr. Returns that line.
 */
export function expectFatal({ status, stderr, lines }: Run): Line {
  const [fatal, ...others] = lines.filter(({ level }) => level === 60);
  if (!fatal) throw new Error(`No fatal line. stderr: ${stderr}`);
  expect(others).toEqual([]);
  expect(lines.at(-1)).toBe(fatal);
  const words = fatal.hint ? [fatal.msg, fatal.hint] : [fatal.msg];
  expect(stderr).toBe(`${words.join("\n")}\n`);
  expect(status).toBe(1);
  return fatal;
}

interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body: object;
}

/** Starts a server that sends the answers in order, and repeats the last one. */
export async function startServer(...answers: Answer[]) {
  const calls: { headers: IncomingHttpHeaders; text: string }[] = [];
  const server = createServer(async (request, response) => {
    const text = await readText(request);
    const answer = answers[calls.length] ?? answers.at(-1);
    calls.push({ headers: request.headers, text });
    const type = { "content-type": "application/json" };
    response.writeHead(answer?.status ?? 200, { ...type, ...answer?.headers });
    response.end(JSON.stringify(answer?.body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => server.close().closeAllConnections());

  const { port } = server.address() as AddressInfo;
  const env = {
    OPENAI_API_KEY: KEY,
    OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`,
    OPENAI_MODEL: "test-model",
  };
  return { calls, env };
}

/** A chat completion. `choice` overrides the properties of its only choice. */
export function completion(content: string, choice: object = {}) {
  const message = { role: "assistant", content };
  return {
    choices: [{ index: 0, message, finish_reason: "stop", ...choice }],
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
  };
}
