import { expect, test } from "vitest";
import { OFFLINE_URL, offlineFetch } from "../exercises/common/offline.ts";
import { countTokyos, postOffline } from "./helpers.ts";

const JAPAN = "What's the best time of year to visit Japan?";
const PROMPT =
  "You are a knowledgeable and enthusiastic travel assistant. Help users plan trips with practical advice.";
const original = { role: "system", content: PROMPT };
const pirate = { role: "system", content: "You are a pirate." };
const brief = { role: "developer", content: "Be brief." };
const user = (content: unknown) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });

/** Returns the status and the properties of the response to a request. */
async function post(request: object) {
  const response = await postOffline(request);
  return { status: response.status, ...(await response.json()) };
}

async function getReply(messages: object[]): Promise<string> {
  const { choices } = await post({ messages });
  return choices[0].message.content;
}

test.each<[question: string, start: string]>([
  [JAPAN, "Spring (March-May)"],
  ["what’s the BEST time of year\n to visit Japan", "Spring (March-May)"],
  ["Can you suggest a 3 day itinerary for Tokyo??", "Day 1:"],
  ["What should I pack?", "Pack comfortable walking shoes"],
])("%j gets its canned reply", async (question, start) => {
  const reply = await getReply([original, user(question)]);
  expect(reply.slice(0, start.length)).toBe(start);
});

const first = user("Hm, what was my FIRST question again?");
const why = user("Why do you say that?");
const NO_MESSAGE =
  "I can't tell: this call contains no earlier message from you.";
const NOT_SAID = "I can't tell: this call doesn't contain what I said last.";
const UNKNOWN =
  "I have no canned reply to that. README.md lists the questions that I know. Messages in this call:";
const NO_QUESTION =
  "I see no question to answer: the list ends with a message that isn't from the user.";

test.each<[what: string, messages: object[], reply: string]>([
  [
    "the first question, quoted",
    [original, user("One?"), assistant("A."), user("Two?"), first],
    'Your first question was: "One?"',
  ],
  ["no first question", [original, first], NO_MESSAGE],
  [
    "its last reply, quoted",
    [user("One?"), assistant("A."), user("Two?"), assistant("B."), why],
    'I said: "B." Offline, I can\'t say why.',
  ],
  [
    "a reply that was not appended",
    [user("One?"), assistant("A."), user("Two?"), why],
    NOT_SAID,
  ],
  ["no reply", [why], NOT_SAID],
  ["an unknown question", [user("constructor")], `${UNKNOWN} 1.`],
  [
    "an unknown question with a message before it",
    [user("One?"), assistant("A."), user("Two?")],
    `${UNKNOWN} 3. Your first message: "One?"`,
  ],
  ["only instructions", [original], NO_QUESTION],
  ["swapped roles", [original, assistant(JAPAN)], NO_QUESTION],
  [
    "the reply in the user's place, and the question in the assistant's",
    [original, user(JAPAN), user("Spring."), assistant("A plan?")],
    NO_QUESTION,
  ],
])(
  "the model replies to what the list contains: %s",
  async (_, messages, reply) => {
    expect(await getReply(messages)).toBe(reply);
  },
);

test("instructions other than the original are quoted, each on a line", async () => {
  const quote = (text: string) =>
    `Offline, I can't follow instructions, but this call contains one: "${text}"`;
  const reply = await getReply([original, pirate, brief, first]);
  expect(reply.split("\n")).toEqual([
    quote("You are a pirate."),
    quote("Be brief."),
    NO_MESSAGE,
  ]);
});

// The share of the likeliest city, give or take five standard deviations.
test.each([
  [0, 1000, 1000],
  [0.7, 695, 831],
  [2, 376, 534],
])("a city is drawn by a softmax at %d", async (temperature, min, max) => {
  const count = await countTokyos(temperature);
  expect(count).toBeGreaterThanOrEqual(min);
  expect(count).toBeLessThanOrEqual(max);
});

test("words and punctuation marks of all messages and choices are counted", async () => {
  const messages = [user("Où? It's 3-day"), user(JAPAN)];
  const { choices, usage } = await post({ messages, n: 128 });
  expect(choices).toHaveLength(128);
  expect(usage).toEqual({
    prompt_tokens: 8 + 12,
    completion_tokens: 128 * 36,
    total_tokens: 8 + 12 + 128 * 36,
  });
});

test.each(["max_tokens", "max_completion_tokens"])(
  "a reply is cut off at %s",
  async (limit) => {
    const request = { messages: [user(JAPAN)], [limit]: 1 };
    const { choices, usage } = await post(request);
    expect(choices[0]).toMatchObject({
      message: { content: "Spring" },
      finish_reason: "length",
    });
    expect(usage.completion_tokens).toBe(1);
  },
);

test("both limits together are rejected", async () => {
  const limits = { max_tokens: 5, max_completion_tokens: 5 };
  const { error } = await post({ messages: [user(JAPAN)], ...limits });
  expect(error).toMatchObject({ param: "max_tokens", code: "invalid_value" });
  expect(error.message).toContain("can't be used together");
});

test("a reply as long as the limit isn't cut off", async () => {
  const { choices } = await post({ messages: [user(JAPAN)], max_tokens: 36 });
  expect(choices[0].finish_reason).toBe("stop");
});

const AWAIT = "an empty object (is an `await` missing?)";
const robot = { role: "robot", content: "Hi" };

test.each<[request: object, param: string, got: string]>([
  [{ model: undefined }, "model", "nothing"],
  [{ messages: undefined }, "messages", "nothing"],
  [{ messages: [] }, "messages", "[]"],
  [{ messages: "Hi" }, "messages", 'the string "Hi"'],
  [{ messages: user("Hi") }, "messages", '{"role":"user","content":"Hi"}'],
  [{ messages: [null] }, "messages[0]", "null"],
  [{ messages: [original, "Hi"] }, "messages[1]", 'the string "Hi"'],
  [{ messages: [{ content: "Hi" }] }, "messages[0].role", "nothing"],
  [{ messages: [{ role: "user" }] }, "messages[0].content", "nothing"],
  [{ messages: [original, robot] }, "messages[1].role", 'the string "robot"'],
  [{ messages: [user(Promise.resolve())] }, "messages[0].content", AWAIT],
  [{ messages: [user(null)] }, "messages[0].content", "null"],
  [{ temperature: "0.7" }, "temperature", 'the string "0.7"'],
  [{ temperature: -0.1 }, "temperature", "-0.1"],
  [{ temperature: 2.1 }, "temperature", "2.1"],
  [{ max_tokens: 0 }, "max_tokens", "0"],
  [{ max_tokens: 1.5 }, "max_tokens", "1.5"],
  [{ max_completion_tokens: "5" }, "max_completion_tokens", 'the string "5"'],
  [{ n: 0 }, "n", "0"],
  [{ n: 129 }, "n", "129"],
])(
  "%j is rejected, and the error says what it got",
  async (request, param, got) => {
    const valid = { messages: [user("Hi")] };
    const { status, error } = await post({ ...valid, ...request });
    expect(status).toBe(400);
    expect(error).toMatchObject({
      type: "invalid_request_error",
      param,
      code: "invalid_value",
    });
    expect(error.message).toContain(`'${param}' must be `);
    expect(error.message).toContain(`, but got ${got}.`);
  },
);

const parts = [{ type: "text", text: "Hi" }];
const tool = { role: "tool", content: "4", tool_call_id: "call_1" };
const named = { ...user("Hi"), name: "me" };

test.each<[request: object, param: string, what: string]>([
  [{ model: "gpt-6-luna" }, "model", "The model 'gpt-6-luna'"],
  [{ stream: true }, "stream", "'stream'"],
  [{ stop: "." }, "stop", "'stop'"],
  [{ tools: [] }, "tools", "'tools'"],
  [{ temprature: 0.7 }, "temprature", "'temprature'"],
  [
    { messages: [user(parts)] },
    "messages[0].content",
    "Content as a list of parts",
  ],
  [{ messages: [tool] }, "messages[0].role", "The role 'tool'"],
  [{ messages: [named] }, "messages[0].name", "'messages[0].name'"],
])("%j isn't supported offline", async (request, param, what) => {
  const valid = { messages: [user("Hi")] };
  const { status, error } = await post({ ...valid, ...request });
  expect(status).toBe(400);
  expect(error).toMatchObject({ param, code: "offline" });
  expect(error.message).toBe(`${what} isn't supported offline.`);
});

test("a body that isn't an object is rejected", async () => {
  const url = `${OFFLINE_URL}/chat/completions`;
  const init = { method: "POST", body: '"Hi"' };
  const { error } = await (await offlineFetch(url, init)).json();
  const words = "'body' must be an object, but got the string \"Hi\".";
  expect(error.message).toBe(words);
});

test.each([
  ["POST", `${OFFLINE_URL}/embeddings`],
  ["GET", `${OFFLINE_URL}/chat/completions`],
  ["POST", "http://localhost:11434/v1/chat/completions"],
])("%s %s isn't supported offline", async (method, url) => {
  const response = await offlineFetch(url, { method });
  const { error } = await response.json();
  expect(response.status).toBe(400);
  expect(error.message).toBe(`'${method} ${url}' isn't supported offline.`);
});
