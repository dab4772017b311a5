import { replyTo, type Message } from "./replies.ts";

/** A request that passed the checks. */
interface ChatRequest {
  messages: Message[];
  temperature?: number;
  max_tokens?: number;
  max_completion_tokens?: number;
  n?: number;
}

const COUNT = {
  expected: "a positive integer",
  isValid: (value: unknown) => Number.isInteger(value) && Number(value) > 0,
};

/** The parameters that are supported, what each must be, and a check. */
const PARAMETERS = [
  {
    name: "model",
    expected: '"offline"',
    isValid: (value: unknown) => value === "offline",
  },
  { name: "messages", expected: "a list of messages", isValid: Array.isArray },
  {
    name: "temperature",
    expected: "a number from 0 to 2",
    isValid: (value: unknown) =>
      typeof value === "number" && value >= 0 && value <= 2,
  },
  { name: "max_tokens", ...COUNT },
  { name: "max_completion_tokens", ...COUNT },
  { name: "n", ...COUNT },
];
const ROLES = ["system", "developer", "user", "assistant"];

/** A `fetch` that plays the API. */
export const offlineFetch: typeof fetch = async (url, init) => {
  const isChat = String(url).endsWith("/chat/completions");
  if (!isChat || typeof init?.body !== "string") {
    return reject("Offline mode supports only chat completions.");
  }
  const request: object = JSON.parse(init.body);
  const problem = findProblem(request);
  if (problem) return reject(problem);
  return Response.json(complete(request as ChatRequest));
};

function reject(message: string): Response {
  return Response.json({ error: { message } }, { status: 400 });
}

function findProblem(request: object): string | undefined {
  // These two are checked even if they are missing.
  const given = { model: undefined, messages: undefined, ...request };
  for (const [name, value] of Object.entries(given)) {
    const parameter = PARAMETERS.find((each) => each.name === name);
    if (!parameter) {
      return `'${name}' isn't supported offline. Check the spelling, or use a real model for this edit.`;
    }
    if (!parameter.isValid(value)) {
      return describeProblem(name, parameter.expected, value);
    }
  }
  return findMessageProblem(given.messages);
}

function findMessageProblem(messages: unknown): string | undefined {
  if (!Array.isArray(messages)) return undefined;
  const index = messages.findIndex((message) => !isMessage(message));
  if (index === -1) return undefined;
  const expected = `an object with a role (${ROLES.join(", ")}), a string as its content, and nothing else`;
  return describeProblem(`messages[${index}]`, expected, messages[index]);
}

function isMessage(message: unknown): boolean {
  if (typeof message !== "object" || message === null) return false;
  const { role, content, ...others }: { role?: unknown; content?: unknown } =
    message;
  const hasRole = ROLES.some((name) => name === role);
  const hasText = typeof content === "string";
  return hasRole && hasText && Object.keys(others).length === 0;
}

function describeProblem(name: string, expected: string, value: unknown) {
  // JSON has no `undefined`.
  const json = String(JSON.stringify(value));
  // In JSON, a promise is an empty object.
  const mayBePromise = json === "{}" || json.includes('"content":{}');
  const question = mayBePromise ? " Is an `await` missing?" : "";
  return `'${name}' must be ${expected}, but got ${json}.${question}`;
}

/** Returns a completion of `n` choices, each cut off at the limit. */
function complete(request: ChatRequest) {
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
