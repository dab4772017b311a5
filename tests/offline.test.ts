import { expect, test } from "vitest";
import OpenAI from "openai";
import { offlineFetch } from "../exercises/common/offline.ts";

const client = new OpenAI({ apiKey: "none", fetch: offlineFetch });

/** Sends a request to offline mode, through the SDK. */
function askOffline(request: object): Promise<OpenAI.ChatCompletion> {
  const body = { model: "offline", ...request };
  return client.post("/chat/completions", { body });
}

const user = (content: unknown) => ({ role: "user", content });

test("`n` replies are drawn at the temperature, and all are counted", async () => {
  const messages = [user("Which city should I visit first?")];
  const request = { messages, temperature: 0, n: 20 };
  const { choices, usage } = await askOffline(request);
  const texts = choices.map(({ message }) => message.content);
  expect(texts).toEqual(Array(20).fill("I would start with Tokyo."));
  expect(usage).toMatchObject({ completion_tokens: 120, total_tokens: 127 });
});

test.each([
  ["max_completion_tokens", 3, "In this request", "length"],
  ["max_tokens", 10, "In this request, I find no earlier reply.", "stop"],
])("with %s %i, the reply is %s: %s", async (name, limit, content, reason) => {
  const messages = [user("Why do you say that?")];
  const { choices, usage } = await askOffline({ messages, [name]: limit });
  const message = { role: "assistant", content };
  expect(choices).toEqual([{ message, finish_reason: reason }]);
  expect(usage?.completion_tokens).toBe(limit);
});

test.each([
  ["temperature", "0.7", "0 to 2"],
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
  [null, ""],
  [{ role: "developer", content: "Hi" }, ""],
  [user(null), ""],
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
