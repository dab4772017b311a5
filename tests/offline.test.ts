import { describe, expect, test } from "vitest";
import { offlineFetch } from "../exercises/common/offline.ts";

const JAPAN = "What's the best time of year to visit Japan?";
const system = { role: "system", content: "Be brief." };
const user = (content: unknown) => ({ role: "user", content });

async function complete(request: object) {
  const body = JSON.stringify({ model: "offline", ...request });
  const response = await offlineFetch("http://offline", { body });
  return response.json();
}

async function replyTo(...messages: object[]): Promise<string> {
  const { choices } = await complete({ messages });
  return choices[0].message.content;
}

test.each([
  [JAPAN, /^Spring/],
  ["what’s the BEST time of year\n to visit Japan", /^Spring/],
  ["Can you suggest a 3 day itinerary for Tokyo??", /^Day 1/],
])("knows %j, however it is typed", async (question, reply) => {
  expect(await replyTo(user(question))).toMatch(reply);
});

describe("when asked about the first question", () => {
  const question = user("Hm, what was my FIRST question again?");

  test("quotes the first message from the user", async () => {
    const reply = await replyTo(system, user("One?"), user("Two?"), question);
    expect(reply).toContain('"One?"');
  });

  test("says that this call does not contain it", async () => {
    expect(await replyTo(question)).toContain("no earlier message");
    expect(await replyTo(system, question)).toContain("no earlier message");
  });
});

test("lists the messages of the call for any other question", async () => {
  const reply = await replyTo(system, user("One?"));
  const list = "\n1. system: Be brief.\n2. user: One?\n";
  expect(reply).toContain(list);
  expect(reply).toMatch(/README\.md/);
});

test("counts words and punctuation marks as tokens", async () => {
  const messages = [user("Où? It's 3-day."), user(JAPAN)];
  const { usage } = await complete({ messages });
  expect(usage).toEqual({
    prompt_tokens: 21,
    completion_tokens: 36,
    total_tokens: 57,
  });
});

test.each<[limit: object, finish_reason: string, content: RegExp]>([
  [{ max_tokens: 5 }, "length", /^Spring \(March-May$/],
  [{ max_completion_tokens: 5 }, "length", /^Spring \(March-May$/],
  [{ max_tokens: 36 }, "stop", /summer\.$/],
])("cuts off the reply at %j", async (limit, finish_reason, content) => {
  const body = await complete({ messages: [user(JAPAN)], ...limit });
  expect(body.choices[0].finish_reason).toBe(finish_reason);
  expect(body.choices[0].message.content).toMatch(content);
  expect(Object.values(limit)).toContain(body.usage.completion_tokens);
});

const robot = { role: "robot", content: "Hi" };
const AWAIT = "an empty object (is an `await` missing?)";

test.each<[request: object, param: string, got: string]>([
  [{ messages: undefined }, "messages", "nothing"],
  [{ messages: [] }, "messages", "[]"],
  [{ messages: "Hi" }, "messages", 'the string "Hi"'],
  [{ messages: [null] }, "messages[0].role", "nothing"],
  [{ messages: [system, robot] }, "messages[1].role", 'the string "robot"'],
  [{ messages: [user(null)] }, "messages[0].content", "null"],
  [{ messages: [user(7)] }, "messages[0].content", "7"],
  [{ messages: [user(Promise.resolve())] }, "messages[0].content", AWAIT],
  [{ temperature: -0.1 }, "temperature", "-0.1"],
  [{ temperature: 2.1 }, "temperature", "2.1"],
  [{ temperature: "0.7" }, "temperature", 'the string "0.7"'],
  [{ max_tokens: 0 }, "max_tokens", "0"],
  [{ max_tokens: 1.5 }, "max_tokens", "1.5"],
  [{ max_completion_tokens: "5" }, "max_completion_tokens", 'the string "5"'],
])("rejects %j, and says what it got", async (request, param, got) => {
  const { error } = await complete({ messages: [user("Hi")], ...request });
  const type = "invalid_request_error";
  expect(error).toMatchObject({ type, param, code: "invalid_value" });
  expect(error.message).toMatch(/^Invalid '.*': expected .*, got .*\.$/);
  expect(error.message).toContain(`'${param}'`);
  expect(error.message).toContain(`, got ${got}.`);
});

test.each([
  { temperature: 0, max_tokens: 1 },
  { temperature: 2 },
  { messages: [{ role: "developer", content: "" }] },
])("accepts %j", async (request) => {
  const body = await complete({ messages: [user("Hi")], ...request });
  expect(body).toHaveProperty("choices");
});
