import type OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { offlineFetch } from "../exercises/common/offline.ts";

const user = (content: unknown) => ({ role: "user", content });

async function ask(request: object) {
  const body = JSON.stringify({ messages: [user("Hi there!")], ...request });
  const response = await offlineFetch("", { body });
  return { status: response.status, body: await response.json() };
}
const completionFor = async (request: object) =>
  (await ask(request)).body as OpenAI.ChatCompletion;

test("any other question is answered with the list received", async () => {
  const messages = [
    { role: "system", content: "Be brief." },
    user("One?"),
    { role: "assistant", content: "Two." },
    user([
      { type: "text", text: "What was my " },
      { type: "text", text: "first question?" },
    ]),
  ];
  const { choices } = await completionFor({ messages });
  expect(choices[0]?.message.content).toMatch(/stand-in, not a model/);
  expect(choices[0]?.message.content).toMatch(
    /\n1\. system: Be brief\.\n2\. user: One\?\n3\. assistant: Two\.\n4\. user: What was my first question\?$/,
  );
});

test("words and punctuation marks are its tokens", async () => {
  const { usage, choices } = await completionFor({
    messages: [
      user("Où? It's 3-day."),
      user("What's the best time of year to visit Japan?"),
    ],
  });
  expect(usage).toEqual({
    prompt_tokens: 9 + 12,
    completion_tokens: 36,
    total_tokens: 57,
  });
  expect(choices[0]?.finish_reason).toBe("stop");
});

describe.each(["max_tokens", "max_completion_tokens"])("%s", (name) => {
  const messages = [user("What's the best time of year to visit Japan?")];

  test("cuts the reply", async () => {
    const { usage, choices, model } = await completionFor({
      messages,
      [name]: 5,
    });
    expect(model).toBe("offline-stand-in");
    expect(choices).toMatchObject([
      { finish_reason: "length", message: { content: "Spring (March-May" } },
    ]);
    expect(usage?.completion_tokens).toBe(5);
  });

  test("leaves a reply that just fits", async () => {
    const { usage, choices } = await completionFor({ messages, [name]: 36 });
    expect(choices[0]?.finish_reason).toBe("stop");
    expect(usage?.completion_tokens).toBe(36);
  });
});

test.each<[object, string]>([
  [{ messages: undefined }, "messages"],
  [{ messages: [] }, "messages"],
  [{ messages: "Hi" }, "messages"],
  [{ messages: [null] }, "messages[0].role"],
  [
    { messages: [user("Hi"), { role: "robot", content: "Hi" }] },
    "messages[1].role",
  ],
  [{ messages: [user(null)] }, "messages[0].content"],
  [{ messages: [user([])] }, "messages[0].content"],
  [{ messages: [user(7)] }, "messages[0].content"],
  [{ messages: [user([{ type: "image_url" }])] }, "messages[0].content"],
  [{ temperature: -0.1 }, "temperature"],
  [{ temperature: 2.1 }, "temperature"],
  [{ temperature: "1" }, "temperature"],
  [{ max_tokens: 0 }, "max_tokens"],
  [{ max_tokens: 1.5 }, "max_tokens"],
  [{ max_completion_tokens: -1 }, "max_completion_tokens"],
  [{ max_completion_tokens: "5" }, "max_completion_tokens"],
])("%o is refused as the API refuses it", async (request, param) => {
  const { status, body } = await ask(request);
  expect(status).toBe(400);
  expect(body).toEqual({
    error: {
      message: expect.stringContaining(param),
      type: "invalid_request_error",
      param,
      code: "invalid_value",
    },
  });
});

test.each([
  { temperature: 0 },
  { temperature: 2 },
  { temperature: null, max_tokens: null },
  { messages: [{ role: "developer", content: "" }] },
])("%o is taken", async (request) => {
  expect((await ask(request)).status).toBe(200);
});
