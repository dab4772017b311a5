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
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { afterAll, vi } from "vitest";
import type { Line } from "../exercises/common/view.ts";

const ROOT = join(import.meta.dirname, "..");
export const SCRIPT = "exercises/01_llm_basics/01_chat_completion.ts";
export const KEY = "sk-test-123456789012";

// Each imported copy of the project listens for errors.
process.setMaxListeners(0);
process.stdout.setMaxListeners(0);

// The folder of all copies of the project. They find their packages in it.
const COPIES = mkdtempSync(join(tmpdir(), "llm-basics-"));
cpSync(join(ROOT, "package.json"), join(COPIES, "package.json"));
const modules = join(COPIES, "node_modules");
symlinkSync(join(ROOT, "node_modules"), modules, "junction");
afterAll(() => rmSync(COPIES, { recursive: true, force: true }));

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

  const folder = mkdtempSync(join(COPIES, "copy-"));
  const common = "exercises/common";
  cpSync(join(ROOT, common), join(folder, common), { recursive: true });
  // A reader's own copies of the script stay where they are.
  mkdirSync(dirname(join(folder, SCRIPT)));
  writeFileSync(join(folder, SCRIPT), script);
  return folder;
}

/** Writes the `.env` of a copy of the project. */
export function writeEnv(folder: string, settings: object): void {
  const lines = Object.entries(settings).map((entry) => entry.join("="));
  writeFileSync(join(folder, ".env"), lines.join("\n"));
}

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
  await import(join(folder, SCRIPT));
  return toRun(write.mock.calls.map(([text]) => text).join(""));
}

export const COMMAND = `node --import tsx ${SCRIPT}`;

/** Runs a command in a copy of the project, by default the unedited script. */
export async function runScript({
  folder = copyProject(),
  command = COMMAND,
  env = {},
  input = "",
}): Promise<Run> {
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

/** Starts a server that gives every request the same answer. */
export async function startServer(status: number, body: object, headers = {}) {
  const requests: string[] = [];
  const server = createServer(async (request, response) => {
    requests.push(await readText(request));
    response.setHeader("content-type", "application/json");
    response.writeHead(status, headers).end(JSON.stringify(body));
  });
  server.listen(0, "127.0.0.1").unref();
  await once(server, "listening");

  const { port } = server.address() as AddressInfo;
  const env = {
    OPENAI_API_KEY: KEY,
    OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`,
    OPENAI_MODEL: "test-model",
  };
  return { requests, env };
}

/** A chat completion with one choice. */
export function completion(content: string, finish_reason = "stop") {
  const message = { role: "assistant", content };
  return { choices: [{ index: 0, message, finish_reason }] };
}
