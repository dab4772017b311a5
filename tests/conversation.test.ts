import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { OpenAI } from "openai";
import { describe, expect, test } from "vitest";
import {
  completion,
  copyProject,
  expectSuccess,
  readProjectFile,
  runLesson,
  startServer,
  type Run,
} from "./helpers.ts";

const PART_1 = "Part 1 (single-turn)";
const PART_2 = "Part 2 (multi-turn)";
const SYSTEM =
  "You are a knowledgeable and enthusiastic travel assistant. Help users plan trips with practical advice.";
const QUESTION = "What's the best time of year to visit Japan?";
const REPLY =
  "Spring (March-May) is ideal for cherry blossoms. Autumn (September-November) offers beautiful foliage and mild weather. Both seasons have comfortable temperatures and fewer typhoons than summer.";
const FOLLOW_UP = "Can you suggest a 3-day itinerary for Tokyo?";
const ITINERARY =
  "Day 1: Explore Shibuya crossing and Harajuku street fashion. Day 2: Visit Senso-ji temple in Asakusa, then Akihabara for electronics. Day 3: Day trip to Kamakura for the Great Buddha and coastal views.";

/** The messages of both requests, if the model replies with this text. */
function conversation(reply: string): OpenAI.ChatCompletionMessageParam[][] {
  const first: OpenAI.ChatCompletionMessageParam[] = [
    { role: "system", content: SYSTEM },
    { role: "user", content: QUESTION },
  ];
  const followUp: OpenAI.ChatCompletionMessageParam[] = [
    { role: "assistant", content: reply },
    { role: "user", content: FOLLOW_UP },
  ];
  return [first, [...first, ...followUp]];
}

/** Expects that the requests in the log are the bodies that were sent. */
function expectLogIsWire({ requests }: Run, calls: { text: string }[]): void {
  const logged = requests.map((request) => JSON.stringify(request));
  const sent = calls.map(({ text }) => text);
  // Without an `await`, the requests arrive in any order.
  expect(logged.sort()).toEqual(sent.sort());
  expect(sent).toHaveLength(2);
}

describe.concurrent("the conversation", () => {
  test("runs offline, with an empty form as .env", async () => {
    const folder = copyProject();
    writeFileSync(join(folder, ".env"), readProjectFile(".env.example"));
    const run = await runLesson({ folder, env: { OPENAI_API_KEY: " " } });
    expectSuccess(run);

    const [provider, ...lines] = run.lines;
    expect(provider?.level).toBe(30);
    expect(provider?.msg).toMatch(/^Offline/);
    expect(lines).toMatchObject([
      { level: 30, part: PART_1, msg: "sending [system, user]" },
      { level: 30, part: PART_1, msg: "received the reply" },
      {
        level: 30,
        part: PART_2,
        msg: "sending [system, user, assistant, user]",
      },
      { level: 30, part: PART_2, msg: "received the reply" },
    ]);
    const sent = run.requests.map(({ messages }) => messages);
    expect(sent).toEqual(conversation(REPLY));
    const received = run.responses.map(({ choices }) => choices[0]?.message);
    expect(received).toMatchObject([
      { role: "assistant", content: REPLY },
      { role: "assistant", content: ITINERARY },
    ]);
  });

  test("sends the whole list in each call, and logs what it sends", async () => {
    const reply = 'One\nTwo\r\n"three" \\ \\n 四 🗾 \u2028 five\t.';
    const body = { ...completion(reply), extra: { nested: [1, null] } };
    const { calls, env, baseURL } = await startServer({ body });
    const run = await runLesson({ env });
    expectSuccess(run);
    expect(run.lines[0]).toMatchObject({
      level: 30,
      baseURL,
      model: "test-model",
    });
    expectLogIsWire(run, calls);
    expect(run.requests).toEqual(
      conversation(reply).map((messages) => ({
        model: "test-model",
        messages,
        temperature: 0.7,
        max_tokens: 500,
      })),
    );
    expect(run.responses).toEqual([body, body]);
    expect(calls[0]).toMatchObject({
      method: "POST",
      url: "/v1/chat/completions",
      headers: { authorization: `Bearer ${env.OPENAI_API_KEY}` },
    });
  });

  test("sends OpenAI what its default model needs, and logs it", async () => {
    const { calls, baseURL } = await startServer({ body: completion("Yes.") });
    const { origin } = new URL(baseURL);
    // The script calls OpenAI, and this server answers in its place.
    const redirect = `
      const originalFetch = fetch;
      globalThis.fetch = (url, init) =>
        originalFetch(url.replace("https://api.openai.com", "${origin}"), init);
      const { model,`;
    const folder = copyProject(["const { model,", redirect]);
    const run = await runLesson({ folder, env: { OPENAI_API_KEY: "sk-1" } });
    expectSuccess(run);
    expectLogIsWire(run, calls);
    const { messages, ...parameters } = run.requests[0] ?? {};
    expect(parameters).toEqual({
      model: "gpt-6-luna",
      temperature: 0.7,
      max_completion_tokens: 500,
      reasoning_effort: "none",
    });
  });

  test("logs what it sends if an `await` is missing, too", async () => {
    const { calls, env } = await startServer({ body: completion("Yes.") });
    const folder = copyProject(["reply = await", "reply ="]);
    expectLogIsWire(await runLesson({ folder, env }), calls);
  });

  test("warns when MAX_TOKENS cuts off a reply", async () => {
    const body = completion("Spring is", { finish_reason: "length" });
    const { env } = await startServer({ body });
    const run = await runLesson({ env });
    expectSuccess(run);
    expect(run.lines.filter(({ level }) => level === 40)).toMatchObject([
      { part: PART_1 },
      { part: PART_2 },
    ]);
  });

  test("sends nothing from the shell to a server that .env sets", async () => {
    const { calls, baseURL } = await startServer({ body: completion("Yes.") });
    const folder = copyProject();
    const settings = `OPENAI_BASE_URL=${baseURL}\nOPENAI_MODEL=file`;
    writeFileSync(join(folder, ".env"), settings);
    const env = {
      OPENAI_API_KEY: "sk-for-openai",
      OPENAI_MODEL: "shell",
      OPENAI_CUSTOM_HEADERS: "Authorization: Bearer sk-custom",
      OPENAI_ORG_ID: "org",
      OPENAI_PROJECT_ID: "project",
    };
    const run = await runLesson({ folder, env });
    expectSuccess(run);
    expect(run.requests[0]?.model).toBe("file");
    const headers = JSON.stringify(calls[0]?.headers);
    expect(headers).not.toMatch(/sk-|organization|project/);
  });
});
