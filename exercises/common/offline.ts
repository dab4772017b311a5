import { replyTo, type Message } from "./replies.ts";

/** A request that passed the checks. */
interface OfflineRequest {
  messages: Message[];
  temperature?: number;
  max_tokens?: number;
  max_completion_tokens?: number;
  n?: number;
}

/** The numbers that a request can contain, and the range of each. */
const NUMBERS = new Map([
  ["temperature", { min: 0, max: 2 }],
  ["max_tokens", { min: 1, max: 128_000 }],
  ["max_completion_tokens", { min: 1, max: 128_000 }],
  ["n", { min: 1, max: 128 }],
]);
const ROLES = ["system", "developer", "user", "assistant"];

/** A `fetch` that plays the API. */
export const offlineFetch: typeof fetch = async (url, init) => {
  const isChat = String(url).endsWith("/chat/completions");
  if (!isChat || typeof init?.body !== "string") {
    return reject("Offline mode supports only chat completions.");
  }
  const { model, messages, ...numbers } = JSON.parse(init.body);
  const problem = checkNumbers(numbers) ?? checkMessages(messages);
  if (problem) return reject(problem);
  return Response.json(createCompletion({ messages, ...numbers }));
};

function reject(message: string): Response {
  return Response.json({ error: { message } }, { status: 400 });
}

function checkNumbers(numbers: object): string | undefined {
  for (const [name, value] of Object.entries(numbers)) {
    const range = NUMBERS.get(name);
    if (!range) {
      return `'${name}' isn't supported offline. If the spelling is right, use a real model for this edit.`;
    }
    const { min, max } = range;
    if (typeof value !== "number" || value < min || value > max) {
      return `'${name}' must be a number from ${min} to ${max}, but is ${JSON.stringify(value)}.`;
    }
  }
  return undefined;
}

function checkMessages(messages: unknown): string | undefined {
  if (!Array.isArray(messages)) return "'messages' must be a list of messages.";
  const index = messages.findIndex((message) => !isMessage(message));
  if (index === -1) return undefined;
  const json = JSON.stringify(messages[index]);
  // In JSON, a promise is an empty object.
  const question = json.includes("{}") ? " Is an `await` missing?" : "";
  return `'messages[${index}]' must be an object with a role (${ROLES.join(", ")}), a string as its content, and nothing else, but got ${json}.${question}`;
}

function isMessage(message: unknown): boolean {
  if (typeof message !== "object" || message === null) return false;
  const { role, content, ...others }: { role?: unknown; content?: unknown } =
    message;
  const hasRole = ROLES.some((name) => name === role);
  const hasText = typeof content === "string";
  return hasRole && hasText && Object.keys(others).length === 0;
}

/** Returns a completion of `n` choices, each cut off at the limit. */
function createCompletion(request: OfflineRequest) {
  const { messages, temperature = 1, n = 1 } = request;
  const limit = request.max_completion_tokens ?? request.max_tokens;

  const choices = [];
  let completionTokens = 0;
  for (let index = 0; index < n; index += 1) {
    const tokens = tokenize(replyTo(messages, temperature));
    const kept = tokens.slice(0, limit);
    completionTokens += kept.length;
    choices.push({
      message: { role: "assistant", content: kept.join("") },
      finish_reason: kept.length < tokens.length ? "length" : "stop",
    });
  }

  const prompt = messages.map(({ content }) => content).join("\n");
  const promptTokens = tokenize(prompt).length;
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
  return { choices, usage };
}

/** Splits text into words and punctuation marks, with the space before each. */
function tokenize(text: string): string[] {
  return text.match(/\s*(?:[\p{L}\p{M}\p{N}]+|\S)/gu) ?? [];
}
