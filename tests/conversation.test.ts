import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type OpenAI from "openai";
import { describe, expect, test } from "vitest";
import * as helpers from "./helpers.ts";

const { completion, copyProject, expectSuccess, runLesson, startServer } =
  helpers;

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
    const template = helpers.readProjectFile(".env.example");
    writeFileSync(join(folder, ".env"), template);
    const env = { OPENAI_API_KEY: " " };
    const result = await runLesson({ folder, cwd: tmpdir(), env });
    expectSuccess(result);
    const [provider, ...lines] = result.lines;
    expect(provider).toMatchObject({ level: 40, model: "offline" });
    expect(provider).not.toHaveProperty("baseURL");
    expect(provider?.msg).toMatch(/canned.*OPENAI_API_KEY.*OPENAI_BASE_URL/);
    expect(lines.map(({ level, part, msg }) => [level, part, msg])).toEqual([
      [30, PART[0], "sending [system, user]"],
      [30, PART[0], "received the reply"],
      [30, PART[1], "sending [system, user, assistant, user]"],
      [30, PART[1], "received the reply"],
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
    const { calls, env, baseURL } = await startServer({ body });
    const result = await runLesson({ env });
    expectSuccess(result);
    const provider = { level: 30, baseURL, model: "test-model" };
    expect(result.lines[0]).toMatchObject(provider);
    const sent = result.requests.map((request) => JSON.stringify(request));
    expect(sent).toEqual(calls.map((call) => call.text));
    expect(result.responses).toEqual([body, body]);

    const [first, second] = calls;
    expect(first).toMatchObject({
      method: "POST",
      url: "/v1/chat/completions",
      headers: { authorization: `Bearer ${env.OPENAI_API_KEY}` },
    });
    const { messages, ...parameters } = { ...first?.body };
    const expected = { model: "test-model", temperature: 0.7, max_tokens: 500 };
    expect(parameters).toEqual(expected);
    expect(toTexts(messages)).toEqual(PART_1);
    const part2 = [...PART_1, `assistant: ${text}`, FOLLOW_UP];
    expect(toTexts(second?.body.messages)).toEqual(part2);
  });

  test("gives OpenAI the parameters of its current models, and logs them", async () => {
    const { calls, baseURL } = await startServer({ body: completion("Yes.") });
    const folder = copyProject([
      "const { model,",
      `const { origin } = new URL("${baseURL}");
const send = fetch;
globalThis.fetch = (url, init) =>
  send(String(url).replace("https://api.openai.com", origin), init);
const { model,`,
    ]);
    const result = await runLesson({ folder, env: { OPENAI_API_KEY: "sk-1" } });
    expectSuccess(result);
    const { messages, ...parameters } = { ...calls[0]?.body };
    expect(parameters).toEqual({
      model: "gpt-6-luna",
      temperature: 0.7,
      max_completion_tokens: 500,
      reasoning_effort: "none",
    });
    const sent = result.requests.map((request) => JSON.stringify(request));
    expect(sent).toEqual(calls.map((call) => call.text));
  });

  test("logs what it sends if an `await` is missing, too", async () => {
    const { calls, env } = await startServer({ body: completion("Yes.") });
    const folder = copyProject(["reply = await", "reply ="]);
    const { requests } = await runLesson({ folder, env });
    const sent = requests.map((request) => JSON.stringify(request)).sort();
    expect(sent).toEqual(calls.map((call) => call.text).sort());
    expect(sent).toHaveLength(2);
  });

  test("warns when MAX_TOKENS cuts off a reply", async () => {
    const finish_reason = "length";
    const body = completion("Spring is", { finish_reason });
    const { env } = await startServer({ body });
    const result = await runLesson({ env });
    expectSuccess(result);
    const msg = expect.stringContaining("MAX_TOKENS");
    const warnings = PART.map((part) => ({ part, finish_reason, msg }));
    expect(result.warnings).toMatchObject(warnings);
  });

  test("sends nothing from the shell to a base URL in .env", async () => {
    const { calls, baseURL } = await startServer({ body: completion("Yes.") });
    const folder = copyProject();
    const url = `OPENAI_BASE_URL='${baseURL}'`;
    writeFileSync(join(folder, ".env"), `${url}\nOPENAI_MODEL=file`);
    const env = {
      OPENAI_API_KEY: "sk-for-openai",
      OPENAI_MODEL: "shell",
      OPENAI_CUSTOM_HEADERS: "Authorization: Bearer sk-custom",
      OPENAI_ORG_ID: "org",
      OPENAI_PROJECT_ID: "project",
    };
    expectSuccess(await runLesson({ folder, cwd: tmpdir(), env }));
    expect(calls[0]?.body.model).toBe("shell");
    const sent = JSON.stringify(calls[0]?.headers);
    expect(sent).not.toMatch(/authorization|sk-|openai-(organization|project)/);
  });
});
