import type OpenAI from "openai";
import { replyTo } from "./replies.ts";

/** The base URL of offline mode. No server has it. */
export const OFFLINE_URL = "http://offline";
const ENDPOINT = `POST ${OFFLINE_URL}/chat/completions`;

const ROLES: unknown[] = ["system", "developer", "user", "assistant"];
const isRole = (value: unknown) => ROLES.includes(value);
const isText = (value: unknown) => typeof value === "string";
const isMessage = (value: unknown) =>
  ["role", "content"].every((name) => Object(value)[name] !== undefined);
const isList = (value: unknown) => Array.isArray(value) && value.length > 0;
const isNumber = (min: number, max: number) => (value: unknown) =>
  typeof value === "number" && value >= min && value <= max;
const isInteger = (max: number) => (value: unknown) =>
  Number.isInteger(value) && isNumber(1, max)(value);

type Rule = [expected: string, isValid: (value: unknown) => boolean];
// The limits are those of OpenAI's API.
const RULES: Record<string, Rule> = {
  model: ["the name of a model", isText],
  messages: ["a list of at least one message", isList],
  "messages[]": ["an object with a role and content", isMessage],
  "messages[].role": [`one of ${ROLES.join(", ")}`, isRole],
  "messages[].content": ["text", isText],
  temperature: ["a number from 0 to 2", isNumber(0, 2)],
  max_tokens: ["a positive integer", isInteger(Infinity)],
  max_completion_tokens: ["a positive integer", isInteger(Infinity)],
  n: ["an integer from 1 to 128", isInteger(128)],
};
const UNSUPPORTED = ["isn't supported offline", "offline"] as const;

/** Plays the API as a `fetch` and rejects whatever has no effect offline. */
export const offlineFetch: typeof fetch = async (url, init) => {
  const endpoint = `${init?.method} ${url}`;
  if (endpoint !== ENDPOINT) return reject(endpoint, ...UNSUPPORTED);
  const request = JSON.parse(String(init?.body));
  for (const [param, value] of listValues(request)) {
    const [expected, isValid] = RULES[param.replace(/\d+/, "")] ?? [];
    const isParts = param.endsWith(".content") && Array.isArray(value);
    if (!isValid || isParts) return reject(param, ...UNSUPPORTED);
    const problem = `must be ${expected}, but got ${describe(value)}`;
    if (!isValid(value)) return reject(param, problem, "invalid_value");
  }
  return Response.json(complete(request));
};

/** Lists the parameters, then the messages and their properties, by path. */
function* listValues({ messages, ...others }: { messages: object[] }) {
  yield* Object.entries({ model: undefined, ...others, messages });
  for (const [index, message] of messages.entries()) {
    yield [`messages[${index}]`, message] as const;
    for (const [name, value] of Object.entries(message)) {
      yield [`messages[${index}].${name}`, value] as const;
    }
  }
}

function describe(value: unknown): string {
  const json = JSON.stringify(value) ?? "nothing";
  // JSON turns a promise into an empty object.
  if (json === "{}") return "an empty object (is an `await` missing?)";
  return typeof value === "string" ? `the string ${json}` : json;
}

function reject(param: string, problem: string, code: string): Response {
  const message = `'${param}' ${problem}.`;
  const error = { message, type: "invalid_request_error", param, code };
  return Response.json({ error }, { status: 400 });
}

function complete(request: OpenAI.ChatCompletionCreateParams) {
  const { model, messages, temperature, n } = request;
  const limits = [request.max_tokens, request.max_completion_tokens];
  const limit = Math.min(...limits.map((limit) => limit ?? Infinity));
  const choices = Array.from({ length: n ?? 1 }, (_, index) => {
    const reply = replyTo(messages, temperature ?? 1);
    const end = tokenize(reply)[limit]?.index;
    const content = reply.slice(0, end).trimEnd();
    const finish_reason = end === undefined ? "stop" : "length";
    return { index, message: { role: "assistant", content }, finish_reason };
  });
  const prompt = messages.map(({ content }) => content).join("\n");
  const completion = choices.map(({ message }) => message.content).join("\n");
  const prompt_tokens = tokenize(prompt).length;
  const completion_tokens = tokenize(completion).length;
  const total_tokens = prompt_tokens + completion_tokens;
  const usage = { prompt_tokens, completion_tokens, total_tokens };
  const created = Math.floor(Date.now() / 1000);
  const object = "chat.completion";
  return { id: "chatcmpl-offline", object, created, model, choices, usage };
}

/** Makes each word or punctuation mark a token. */
function tokenize(text: string) {
  return [...text.matchAll(/[\p{L}\p{M}\p{N}_]+|\S/gu)];
}
