import { spawnSync } from "node:child_process";
import { appendFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type OpenAI from "openai";
import { describe, expect, test } from "vitest";
import {
  completion,
  copyProject,
  LESSON,
  readProjectFile,
  ROOT,
  runLesson,
  startServer,
  type Result,
} from "./helpers.ts";

const PART_1 = [
  "system: You are a knowledgeable and enthusiastic travel assistant. Help users plan trips with practical advice.",
  "user: What's the best time of year to visit Japan?",
];
const REPLY =
  "Spring (March-May) is ideal for cherry blossoms. Autumn (September-November) offers beautiful foliage and mild weather. Both seasons have comfortable temperatures and fewer typhoons than summer.";
const FOLLOW_UP = "user: Can you suggest a 3-day itinerary for Tokyo?";
const ITINERARY =
  "Day 1: Explore Shibuya crossing and Harajuku street fashion. Day 2: Visit Senso-ji temple in Asakusa, then Akihabara for electronics. Day 3: Day trip to Kamakura for the Great Buddha and coastal views.";

const toTexts = (messages: OpenAI.ChatCompletionMessageParam[] = []) =>
  messages.map(({ role, content }) => `${role}: ${content}`);

function expectSuccess({ stderr, status, stdout, lines }: Result) {
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  // Everything on stdout is a line of the log.
  expect(stdout.trimEnd().split("\n")).toHaveLength(lines.length);
}

describe.concurrent("the conversation", () => {
  test("is about Japan, with no settings and in any working directory", async () => {
    const folder = copyProject();
    writeFileSync(join(folder, ".env"), readProjectFile(".env.example"));
    const env = { OPENAI_API_KEY: " " };
    const result = await runLesson({ folder, cwd: tmpdir(), env });
    expectSuccess(result);
    const [provider, ...lines] = result.lines;
    expect(provider).toMatchObject({ level: 40, provider: "offline" });
    expect(lines.map(({ level, part, msg }) => [level, part, msg])).toEqual([
      [30, "Part 1 (single-turn)", "Part 1 (single-turn): sending 2 messages"],
      [30, "Part 1 (single-turn)", "Part 1 (single-turn): received the reply"],
      [30, "Part 2 (multi-turn)", "Part 2 (multi-turn): sending 4 messages"],
      [30, "Part 2 (multi-turn)", "Part 2 (multi-turn): received the reply"],
    ]);
    const requests = result.requests.map(({ messages }) => toTexts(messages));
    const part2 = [...PART_1, `assistant: ${REPLY}`, FOLLOW_UP];
    expect(requests).toEqual([PART_1, part2]);
    expect(result.responses).toMatchObject([
      { choices: [{ message: { content: REPLY } }] },
      { choices: [{ message: { content: ITINERARY } }] },
    ]);
  });

  test("sends the whole list in each call, and logs what it sends", async () => {
    const text = 'One\nTwo\r\n"three" \\ \\n 四 🗾 \u2028 five\t.';
    const body = { ...completion(text), extra: { nested: [1, null] } };
    // A JSON body is enough: servers and proxies do send other types.
    const headers = { "content-type": "text/plain" };
    const { calls, env, baseURL } = await startServer({ headers, body });
    const result = await runLesson({ env });

    expectSuccess(result);
    const provider = { level: 30, provider: baseURL, model: "test-model" };
    expect(result.lines[0]).toMatchObject(provider);
    expect(result.requests).toEqual(calls.map((call) => call.body));
    expect(result.responses).toEqual([body, body]);

    const [first, second] = calls;
    expect(first).toMatchObject({
      method: "POST",
      path: "/v1/chat/completions",
      headers: { authorization: `Bearer ${env.OPENAI_API_KEY}` },
      body: { model: "test-model", temperature: 0.7, max_tokens: 500 },
    });
    expect(toTexts(first?.body.messages)).toEqual(PART_1);
    const part2 = [...PART_1, `assistant: ${text}`, FOLLOW_UP];
    expect(toTexts(second?.body.messages)).toEqual(part2);
  });

  test("warns when MAX_TOKENS cuts off a reply", async () => {
    const finish_reason = "length";
    const body = completion("Spring is", { finish_reason });
    const { env } = await startServer({ body });
    const { lines } = await runLesson({ env });
    const msg = expect.stringContaining("MAX_TOKENS");
    expect(lines.filter(({ level }) => level === 40)).toMatchObject([
      { part: "Part 1 (single-turn)", finish_reason, msg },
      { part: "Part 2 (multi-turn)", finish_reason, msg },
    ]);
  });

  test("reads .env and environment variables, and needs no key", async () => {
    const { calls, baseURL } = await startServer({ body: completion("Yes.") });
    const folder = copyProject();
    const url = `OPENAI_BASE_URL='${baseURL}'`;
    const file = [url, "OPENAI_MODEL=file", "OPENAI_ORG_ID=org"].join("\n");
    writeFileSync(join(folder, ".env"), file);
    const env = { OPENAI_MODEL: "env" };
    expectSuccess(await runLesson({ folder, cwd: tmpdir(), env }));
    expect(calls[0]?.body.model).toBe("env");
    expect(calls[0]?.headers).not.toHaveProperty("authorization");
    // The SDK would send this if the script changed `process.env`.
    expect(calls[0]?.headers).not.toHaveProperty("openai-organization");
  });
});

const hasGit = spawnSync("git", ["--version"]).status === 0;

test.runIf(hasGit)("npm test warns that the lesson has been edited", () => {
  const cwd = copyProject();
  const run = (command: string, ...args: string[]) =>
    spawnSync(command, args, { cwd, encoding: "utf8" }).stdout;
  const loader = import.meta.resolve("tsx/esm");
  const notice = join(ROOT, "tests/notice.ts");
  const readNotice = () => run(process.execPath, "--import", loader, notice);

  expect(readNotice()).toBe("");
  run("git", "init");
  run("git", "add", "exercises");
  expect(readNotice()).toBe("");
  appendFileSync(join(cwd, LESSON), "\n");
  expect(readNotice()).toContain(`git checkout ${LESSON}`);
});
