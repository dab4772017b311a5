import { expect, test } from "vitest";
import { OFFLINE_URL, offlineFetch } from "../exercises/common/offline.ts";

const JAPAN = "What's the best time of year to visit Japan?";
const PROMPT =
  "You are a knowledgeable and enthusiastic travel assistant. Help users plan trips with practical advice.";
const system = (content = PROMPT) => ({ role: "system", content });
const user = (content: unknown) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });

async function complete(request: object) {
  const body = JSON.stringify({ model: "offline", ...request });
  const init = { method: "POST", body };
  const response = await offlineFetch(`${OFFLINE_URL}/chat/completions`, init);
  expect(response.ok).toBe(response.status === 200);
  return response.json();
}

const first = user("Hm, what was my FIRST question again?");
const why = user("Why do you say that?");
const pirate = system("You are a pirate.");
const developer = { role: "developer", content: "Be brief." };
const NO_REPLY = "I have no canned reply to that. Messages in this call:";

test.each<[messages: object[], reply: RegExp | string]>([
  [[user(JAPAN)], /^Spring/],
  [
    [system(), user("what’s the BEST time of year\n to visit Japan")],
    /^Spring/,
  ],
  [[user("Can you suggest a 3 day itinerary for Tokyo??")], /^Day 1/],
  [[user("One?"), user("Two?"), first], 'Your first question was: "One?"'],
  [[system(), first], /can't tell.*no earlier message/],
  [[assistant("A."), assistant("B."), why], /"B\."/],
  [[user("One?"), why], /can't tell.*no earlier reply/],
  [[user("Constructor")], `${NO_REPLY} 1.`],
  [
    [user("One?"), assistant("A."), user("Two?")],
    `${NO_REPLY} 3. Your first message: "One?"`,
  ],
  [[pirate, user(JAPAN)], /^Offline, .*: "You are a pirate\." Spring/],
  [[pirate, developer, user("One?")], /: "You are a pirate\.", "Be brief\." I/],
])("replies to what the list contains: %j", async (messages, reply) => {
  const { choices } = await complete({ messages });
  expect(choices[0].message.content).toEqual(
    reply instanceof RegExp ? expect.stringMatching(reply) : reply,
  );
});

// The share of the first city, within at least five standard deviations.
test.each([
  [0, 1000, 1000],
  [0.7, 683, 843],
  [2, 375, 535],
])("draws a city by a softmax at %d", async (temperature, min, max) => {
  const messages = [user("Which city should I visit first?")];
  let count = 0;
  for (let call = 0; call < 10; call++) {
    const { choices } = await complete({ messages, temperature, n: 100 });
    count += JSON.stringify(choices).split("Tokyo").length - 1;
  }
  expect(count).toBeGreaterThanOrEqual(min);
  expect(count).toBeLessThanOrEqual(max);
});

test("returns n choices, and counts the tokens of all of them", async () => {
  const messages = [user("Où? It's 3-day."), user(JAPAN)];
  const request = { messages, temperature: 2, n: 128 };
  const { choices, usage } = await complete(request);
  expect(choices).toHaveLength(128);
  const counts = { prompt_tokens: 21, completion_tokens: 128 * 36 };
  expect(usage).toEqual({ ...counts, total_tokens: 21 + 128 * 36 });
});

test.each<[limits: object, finish_reason: string, content: RegExp]>([
  [{ max_tokens: 5 }, "length", /^Spring \(March-May$/],
  [{ max_completion_tokens: 5, max_tokens: 9 }, "length", /\(March-May$/],
])("cuts off the reply at %j", async (limits, finish_reason, content) => {
  const body = await complete({ messages: [user(JAPAN)], ...limits });
  expect(body.choices[0].finish_reason).toBe(finish_reason);
  expect(body.choices[0].message.content).toMatch(content);
  expect(Object.values(limits)).toContain(body.usage.completion_tokens);
});

const robot = { role: "robot", content: "Hi" };
const AWAIT = "an empty object (is an `await` missing?)";

test.each<[request: object, param: string, got: string]>([
  [{ model: undefined }, "model", "nothing"],
  [{ messages: undefined }, "messages", "nothing"],
  [{ messages: "Hi" }, "messages", 'the string "Hi"'],
  [{ messages: [null] }, "messages[0]", "null"],
  [{ messages: [system(), "Hi"] }, "messages[1]", 'the string "Hi"'],
  [{ messages: [{ content: "Hi" }] }, "messages[0]", '{"content":"Hi"}'],
  [{ messages: [system(), robot] }, "messages[1].role", 'the string "robot"'],
  [{ messages: [user(Promise.resolve())] }, "messages[0].content", AWAIT],
  [{ temperature: "0.7" }, "temperature", 'the string "0.7"'],
  [{ max_tokens: 0 }, "max_tokens", "0"],
  [{ max_completion_tokens: "5" }, "max_completion_tokens", 'the string "5"'],
  [{ n: 129 }, "n", "129"],
])("rejects %j, and says what it got", async (request, param, got) => {
  const { error } = await complete({ messages: [user("Hi")], ...request });
  const type = "invalid_request_error";
  expect(error).toMatchObject({ type, param, code: "invalid_value" });
  expect(error.message).toMatch(/^'.*' must be ./);
  expect(error.message).toContain(`'${param}'`);
  expect(error.message).toContain(`, but got ${got}.`);
});

const parts = [{ type: "text", text: "Hi" }];
test.each<[request: object, param: string]>([
  [{ stream: true }, "stream"],
  [{ stop: "." }, "stop"],
  [{ temprature: 0.7 }, "temprature"],
  [{ role: "user" }, "role"],
  [{ messages: [user(parts)] }, "messages[0].content"],
  [{ messages: [{ ...user("Hi"), name: "me" }] }, "messages[0].name"],
])("says that it doesn't support %j", async (request, param) => {
  const { error } = await complete({ messages: [user("Hi")], ...request });
  expect(error).toMatchObject({ param, code: "offline" });
  expect(error.message).toBe(`'${param}' isn't supported offline.`);
});

test.each([
  ["POST", `${OFFLINE_URL}/embeddings`],
  ["GET", `${OFFLINE_URL}/chat/completions`],
  ["POST", "http://localhost:11434/v1/chat/completions"],
])(
  "says that it doesn't support other endpoints: %s %s",
  async (method, url) => {
    const response = await offlineFetch(url, { method });
    const { error } = await response.json();
    expect(response.ok).toBe(false);
    expect(error.message).toBe(`'${method} ${url}' isn't supported offline.`);
  },
);
