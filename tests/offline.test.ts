import { expect, test } from "vitest";
import { offlineFetch } from "../exercises/common/offline.ts";

const JAPAN = "What's the best time of year to visit Japan?";
const system = { role: "system", content: "Be brief." };
const user = (content: unknown) => ({ role: "user", content });

const URL = "http://offline/chat/completions";

async function complete(request: object) {
  const body = JSON.stringify({ model: "offline", ...request });
  return (await offlineFetch(URL, { body })).json();
}

const first = user("Hm, what was my FIRST question again?");

test.each<[messages: object[], reply: RegExp]>([
  [[user(JAPAN)], /^Spring/],
  [[user("what’s the BEST time of year\n to visit Japan")], /^Spring/],
  [[user("Can you suggest a 3 day itinerary for Tokyo??")], /^Day 1/],
  [[system, user("One?"), user("Two?"), first], /"One\?"/],
  [[system, first], /no earlier message/],
  [[system, user("One?")], /\n1\. system: Be brief\.\n2\. user: One\?\n/],
])("replies to what the list contains: %j", async (messages, reply) => {
  const { choices } = await complete({ messages });
  expect(choices[0].message.content).toMatch(reply);
});

// The share of the first city, within at least five standard deviations.
test.each([
  [0, 1000, 1000],
  [0.7, 683, 843],
  [2, 375, 535],
])("draws a city by a softmax at %d", async (temperature, min, max) => {
  const messages = [user("Which city should I visit first?")];
  let count = 0;
  for (let i = 0; i < 1000; i++) {
    const { choices } = await complete({ messages, temperature });
    if (choices[0].message.content.includes("Tokyo")) count++;
  }
  expect(count).toBeGreaterThanOrEqual(min);
  expect(count).toBeLessThanOrEqual(max);
});

test("says that other endpoints do not work offline", async () => {
  const response = await offlineFetch("http://offline/embeddings");
  expect(await response.text()).toMatch(/chat completions/);
});

test("counts words and punctuation marks as tokens", async () => {
  const messages = [user("Où? It's 3-day."), user(JAPAN)];
  const { usage } = await complete({ messages });
  const counts = { prompt_tokens: 21, completion_tokens: 36 };
  expect(usage).toEqual({ ...counts, total_tokens: 57 });
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
  [{ messages: [null] }, "messages[0]", "null"],
  [{ messages: [system, "Hi"] }, "messages[1]", 'the string "Hi"'],
  [{ messages: [{ content: "Hi" }] }, "messages[0].role", "nothing"],
  [{ messages: [system, robot] }, "messages[1].role", 'the string "robot"'],
  [{ messages: [user(Promise.resolve())] }, "messages[0].content", AWAIT],
  [{ temperature: 2.1 }, "temperature", "2.1"],
  [{ temperature: "0.7" }, "temperature", 'the string "0.7"'],
  [{ max_tokens: 0 }, "max_tokens", "0"],
  [{ max_completion_tokens: "5" }, "max_completion_tokens", 'the string "5"'],
  [{ stream: true }, "stream", "true"],
])("rejects %j, and says what it got", async (request, param, got) => {
  const { error } = await complete({ messages: [user("Hi")], ...request });
  const type = "invalid_request_error";
  expect(error).toMatchObject({ type, param, code: "invalid_value" });
  expect(error.message).toMatch(/^Invalid '.*': expected ./);
  expect(error.message).toContain(`'${param}'`);
  expect(error.message).toContain(`, got ${got}.`);
});

test("accepts what is just valid", async () => {
  const messages = [{ role: "developer", content: "" }];
  const body = await complete({ messages, temperature: 2, max_tokens: 1 });
  expect(body).toHaveProperty("choices");
});
