import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { completion, copyProject, expectExit } from "./helpers.ts";
import { readProjectFile, runLesson, startServer } from "./helpers.ts";

const PART = ["Part 1 (single-turn)", "Part 2 (multi-turn)"];
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

describe.concurrent("the conversation", () => {
  test("is about Japan, with an unedited .env and in any working directory", async () => {
    const folder = copyProject();
    writeFileSync(join(folder, ".env"), readProjectFile(".env.example"));
    const blank = { OPENAI_API_KEY: " " };
    const result = await runLesson({ folder, cwd: tmpdir(), env: blank });
    expectExit(result, 0);
    const [provider, ...lines] = result.lines;
    expect(provider).toMatchObject({ level: 40, provider: "offline" });
    expect(provider?.msg).toMatch(/canned/);
    expect(provider?.msg).not.toContain(".env");
    expect(lines.map(({ level, part, msg }) => [level, part, msg])).toEqual([
      [30, PART[0], `${PART[0]}: sending [system, user]`],
      [30, PART[0], `${PART[0]}: received the reply`],
      [30, PART[1], `${PART[1]}: sending [system, user, assistant, user]`],
      [30, PART[1], `${PART[1]}: received the reply`],
    ]);
    const requests = result.requests.map(({ messages }) => toTexts(messages));
    const whole = [...PART_1, `assistant: ${REPLY}`, FOLLOW_UP];
    expect(requests).toEqual([PART_1, whole]);
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
    expectExit(result, 0);
    expect(result.lines[0]).toMatchObject({ level: 30, provider: baseURL });
    expect(result.requests).toEqual(calls.map((call) => call.body));
    expect(result.responses).toEqual([body, body]);

    const [first, second] = calls;
    expect(first).toMatchObject({
      method: "POST",
      url: "/v1/chat/completions",
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
    const result = await runLesson({ env });
    const msg = expect.stringContaining("MAX_TOKENS");
    const warnings = PART.map((part) => ({ part, finish_reason, msg }));
    expect(result.warnings).toMatchObject(warnings);
  });

  test("never sends a key from the shell to a base URL in .env", async () => {
    const { calls, baseURL } = await startServer({ body: completion("Yes.") });
    const folder = copyProject();
    const url = `OPENAI_BASE_URL='${baseURL}'`;
    const file = [url, "OPENAI_MODEL=file", "OPENAI_ORG_ID=org"].join("\n");
    writeFileSync(join(folder, ".env"), file);
    const env = { OPENAI_API_KEY: "sk-for-openai", OPENAI_MODEL: "env" };
    expectExit(await runLesson({ folder, cwd: tmpdir(), env }), 0);
    expect(calls[0]?.body.model).toBe("env");
    expect(calls[0]?.headers).not.toHaveProperty("authorization");
    // The SDK would send this if the script changed `process.env`.
    expect(calls[0]?.headers).not.toHaveProperty("openai-organization");
  });

  test("is offline with a misspelled name in .env, and says why", async () => {
    const folder = copyProject();
    writeFileSync(join(folder, ".env"), "OPENAI_APIKEY=sk-1234567890");
    const result = await runLesson({ folder });
    expectExit(result, 0);
    expect(result.lines[0]?.msg).toMatch(/\.env sets neither/);
  });
});
