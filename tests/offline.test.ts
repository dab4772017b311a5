import { expect, test } from "vitest";
import OpenAI from "openai";
import { offlineFetch } from "../exercises/common/offline.ts";

const client = new OpenAI({ apiKey: "none", fetch: offlineFetch });

/** Sends a request to offline mode, through the SDK. */
function askOffline(request: object): Promise<OpenAI.ChatCompletion> {
  const body = { model: "offline", ...request };
  return client.post("/chat/completions", { body });
}

const JAPAN = "What's the best time of year to visit Japan?";
const user = (content: unknown) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });

const nameQuestion = user("what is my name");

test.each<[messages: object[], reply: RegExp]>([
  [[user("What should I pack?")], /^Pack comfortable/],
  [
    [user("my name is ada."), user("I'm hungry"), nameQuestion],
    /^Your name is ada\.$/,
  ],
  [
    [user("My name is Bo"), user("Hi, I'm Ada."), nameQuestion],
    /^Your name is Ada\.$/,
  ],
  [
    [assistant("I'm Ada."), nameQuestion],
    /^I can't tell: .* "I'm \.\.\." with/,
  ],
  [[user("Hm?")], /no canned reply.* call: 1\.$/],
  [[user("One?"), user("Hm?")], /call: 2\. Your first message was: "One\?"$/],
  [[user("One?"), assistant("A.")], /^I see no question/],
  [[{ role: "developer", content: "Hm." }], /^Offline, .* "Hm\."\nI see/],
])("the reply to %j matches %s", async (messages, reply) => {
  const { choices } = await askOffline({ messages });
  expect(choices[0]?.message).toEqual({
    role: "assistant",
    content: expect.stringMatching(reply),
  });
});

test("the reply to anything else names questions that are known", async () => {
  const { choices } = await askOffline({ messages: [user("Hm?")] });
  const questions = choices[0]?.message.content?.match(/(?<=")[^"]+\?(?=")/g);
  expect(questions).toHaveLength(7);
  for (const content of questions ?? []) {
    const { choices } = await askOffline({ messages: [user(content)] });
    expect(choices[0]?.message.content).not.toContain("no canned reply");
  }
});

// The share of the likeliest city, give or take five standard deviations.
test.each([
  [0, 10_000, 10_000],
  [0.7, 7_416, 7_842],
  [2, 4_302, 4_800],
])("a city is drawn by a softmax at %d", async (temperature, min, max) => {
  const messages = [user("Which city should I visit first?")];
  const request = { messages, temperature, n: 10_000 };
  const { choices } = await askOffline(request);
  const count = JSON.stringify(choices).split("Tokyo").length - 1;
  expect(choices).toHaveLength(10_000);
  expect(count).toBeGreaterThanOrEqual(min);
  expect(count).toBeLessThanOrEqual(max);
});

test.each([
  ["max_completion_tokens", 1, /^Spring$/, "length"],
  ["max_tokens", 36, /than summer\.$/, "stop"],
])(
  "with %s %i, the reply is %s: %s",
  async (name, limit, text, finish_reason) => {
    const request = { messages: [user(JAPAN)], [name]: limit };
    const { choices, usage } = await askOffline(request);
    expect(choices[0]?.message.content).toMatch(text);
    expect(choices[0]?.finish_reason).toBe(finish_reason);
    expect(usage?.completion_tokens).toBe(limit);
  },
);

test.each<[name: string, value: unknown, expected: string]>([
  ["model", "gpt", '"offline"'],
  ["model", undefined, '"offline"'],
  ["messages", undefined, "a list of messages"],
  ["temperature", "0.7", "a number from 0 to 2"],
  ["temperature", -0.1, "a number from 0 to 2"],
  ["temperature", 2.1, "a number from 0 to 2"],
  ["max_tokens", 0, "a positive integer"],
  ["max_completion_tokens", "5", "a positive integer"],
  ["n", 1.5, "a positive integer"],
])("'%s' can't be %j: it must be %s", async (name, value, expected) => {
  const call = askOffline({ messages: [user("Hi")], [name]: value });
  const got = JSON.stringify(value);
  const message = `400 '${name}' must be ${expected}, but got ${got}.`;
  await expect(call).rejects.toThrow(message);
});

test.each([
  ["Hi", ""],
  [null, ""],
  [{ role: "usr", content: "{}" }, ""],
  [user(null), ""],
  [{ ...user("Hi"), name: "Ada" }, ""],
  [{}, " Is an `await` missing?"],
  [user({}), " Is an `await` missing?"],
])("%j can't be a message.%s", async (message, question) => {
  const expected =
    "an object with a role (system, developer, user, assistant), a string as its content, and nothing else";
  const got = JSON.stringify(message);
  const call = askOffline({ messages: [user("Hi"), message] });
  await expect(call).rejects.toMatchObject({
    message: `400 'messages[1]' must be ${expected}, but got ${got}.${question}`,
  });
});

test("an empty object in place of the list may be a promise", async () => {
  const message = "a list of messages, but got {}. Is an `await` missing?";
  await expect(askOffline({ messages: {} })).rejects.toThrow(message);
});

test("an unknown parameter is an error", async () => {
  const call = askOffline({ messages: [user("Hi")], temprature: 0.7 });
  await expect(call).rejects.toThrow(
    "400 'temprature' isn't supported offline. Check the spelling, or use a real model for this edit.",
  );
});

test("another endpoint is an error", async () => {
  const call = client.responses.create({ model: "offline", input: "Hi" });
  const message = "400 Offline mode supports only chat completions.";
  await expect(call).rejects.toThrow(message);
});
