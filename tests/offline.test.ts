import { expect, test } from "vitest";
import OpenAI from "openai";
import { offlineFetch } from "../exercises/common/offline.ts";
import { replyTo } from "../exercises/common/replies.ts";

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
])("a city is drawn by a softmax at %d", (temperature, min, max) => {
  const messages = [
    { role: "user", content: "Which city should I visit first?" },
  ];
  const replies = Array.from({ length: 10_000 }, () =>
    replyTo(messages, temperature),
  );
  const count = replies.filter((reply) => reply.includes("Tokyo")).length;
  expect(count).toBeGreaterThanOrEqual(min);
  expect(count).toBeLessThanOrEqual(max);
});

test("a request contains the temperature and the number of replies", async () => {
  const messages = [user("Which city should I visit first?")];
  const request = { messages, temperature: 0, n: 20 };
  const { choices, usage } = await askOffline(request);
  const texts = choices.map(({ message }) => message.content);
  expect(texts).toEqual(Array(20).fill("I would start with Tokyo."));
  expect(usage).toEqual({
    prompt_tokens: 7,
    completion_tokens: 120,
    total_tokens: 127,
  });
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

test.each([
  ["temperature", "0.7", "0 to 2"],
  ["temperature", -0.1, "0 to 2"],
  ["temperature", 2.1, "0 to 2"],
  ["max_tokens", 0, "1 to 128000"],
  ["max_completion_tokens", 128_001, "1 to 128000"],
  ["n", 129, "1 to 128"],
])("'%s' can't be %j: it must be from %s", async (name, value, range) => {
  const call = askOffline({ messages: [user("Hi")], [name]: value });
  const got = JSON.stringify(value);
  const message = `400 '${name}' must be a number from ${range}, but is ${got}.`;
  await expect(call).rejects.toThrow(message);
});

test.each([
  ["Hi", ""],
  [null, ""],
  [{ role: "developer", content: "Hi" }, ""],
  [user(null), ""],
  [{}, " Is an `await` missing?"],
  [user({}), " Is an `await` missing?"],
])("%j can't be a message.%s", async (message, question) => {
  const call = askOffline({ messages: [user("Hi"), message] });
  const json = JSON.stringify(message);
  await expect(call).rejects.toMatchObject({
    message: `400 Message 2 must be an object with a role (system, user, assistant) and a string as its content, but is ${json}.${question}`,
  });
});

test("an unknown parameter is reported before a missing list", async () => {
  const call = askOffline({ mesages: [user("Hi")] });
  await expect(call).rejects.toThrow(
    "400 'mesages' isn't supported offline. If the spelling is right, use a real model for this edit.",
  );
  const message = "400 'messages' must be a list of messages.";
  await expect(askOffline({})).rejects.toThrow(message);
});

test("another endpoint is an error", async () => {
  const call = client.responses.create({ model: "offline", input: "Hi" });
  const message = "400 Offline mode supports only chat completions.";
  await expect(call).rejects.toThrow(message);
});
