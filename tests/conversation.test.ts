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
const requestsIn = ({ lines }: Result) =>
  lines.flatMap(({ request }) => request ?? []);
const responsesIn = ({ lines }: Result) =>
  lines.flatMap(({ response }) => response ?? []);

function expectSuccess({ stderr, status, stdout, lines }: Result) {
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  // Everything on stdout is a line of the log.
  expect(stdout.trimEnd().split("\n")).toHaveLength(lines.length);
}

describe.concurrent(
  "without a provider, the conversation is about Japan",
  () => {
    function expectConversation(result: Result) {
      expectSuccess(result);
      const [provider, ...lines] = result.lines;
      expect(provider).toMatchObject({ level: 40, provider: "offline" });
      expect(lines.map(({ level, msg }) => `${level} ${msg}`)).toEqual([
        "30 Part 1 (single-turn): sending 2 messages",
        "30 Part 1 (single-turn): received the reply",
        "30 Part 2 (multi-turn): sending 4 messages",
        "30 Part 2 (multi-turn): received the reply",
      ]);
      const requests = requestsIn(result).map(({ messages }) =>
        toTexts(messages),
      );
      const part2 = [...PART_1, `assistant: ${REPLY}`, FOLLOW_UP];
      expect(requests).toEqual([PART_1, part2]);
      expect(responsesIn(result)).toMatchObject([
        { choices: [{ message: { content: REPLY } }] },
        { choices: [{ message: { content: ITINERARY } }] },
      ]);
    }

    test("in another working directory, with an empty key", async () => {
      const env = { OPENAI_API_KEY: " " };
      expectConversation(await runLesson({ cwd: tmpdir(), env }));
    });

    test("with a copy of .env.example as .env", async () => {
      const folder = copyProject();
      writeFileSync(join(folder, ".env"), readProjectFile(".env.example"));
      expectConversation(await runLesson({ folder }));
    });
  },
);

describe.concurrent("with a provider", () => {
  test("each call sends the whole list, and the log shows what is sent", async () => {
    const text = 'One\nTwo\r\n"three" \\ \\n 四 🗾 \u2028 five\t.';
    const body = { ...completion(text), extra: { nested: [1, null] } };
    const { calls, env, baseURL } = await startServer(() => ({ body }));
    const result = await runLesson({ env });

    expectSuccess(result);
    const provider = { level: 30, provider: baseURL, model: "test-model" };
    expect(result.lines[0]).toMatchObject(provider);
    expect(requestsIn(result)).toEqual(calls.map((call) => call.body));
    expect(responsesIn(result)).toEqual([body, body]);

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
    const { env } = await startServer(() => ({ body }));
    const { lines } = await runLesson({ env });
    const warnings = lines.filter(({ level }) => level === 40);
    expect(warnings).toMatchObject([
      { part: "Part 1 (single-turn)", finish_reason },
      { part: "Part 2 (multi-turn)", finish_reason },
    ]);
    expect(warnings[0]?.msg).toContain("MAX_TOKENS");
  });

  test("environment variables override .env", async () => {
    const body = completion("Yes.");
    const { calls, baseURL } = await startServer(() => ({ body }));
    const folder = copyProject();
    const file = ["OPENAI_API_KEY='sk-file'", `OPENAI_BASE_URL=${baseURL}`];
    writeFileSync(join(folder, ".env"), file.join("\n"));
    const env = { OPENAI_MODEL: "env-model", OPENAI_API_KEY: "" };
    expectSuccess(await runLesson({ folder, cwd: tmpdir(), env }));
    expect(calls[0]?.body.model).toBe("env-model");
    expect(calls[0]?.headers.authorization).toBe("Bearer sk-file");
  });

  test("sends no Authorization header without a key", async () => {
    const body = completion("Yes.");
    const { calls, env } = await startServer(() => ({ body }));
    expectSuccess(await runLesson({ env: { ...env, OPENAI_API_KEY: "" } }));
    expect(calls[0]?.headers).not.toHaveProperty("authorization");
  });
});

const hasGit = spawnSync("git", ["--version"]).status === 0;

test.runIf(hasGit)("npm test says that the lesson is edited", () => {
  const cwd = copyProject();
  const git = (...args: string[]) => {
    const author = ["-c", "user.name=x", "-c", "user.email=x@example.com"];
    spawnSync("git", [...author, ...args], { cwd });
  };
  const readNotice = () => {
    const script = join(ROOT, "tests/notice.ts");
    const args = ["--import", import.meta.resolve("tsx/esm"), script];
    return spawnSync(process.execPath, args, { cwd, encoding: "utf8" }).stdout;
  };
  expect(readNotice()).toBe("");
  git("init");
  git("add", "exercises");
  git("commit", "-m", "x");
  expect(readNotice()).toBe("");
  appendFileSync(join(cwd, LESSON), "\n");
  expect(readNotice()).toContain(`git checkout ${LESSON}`);
});
