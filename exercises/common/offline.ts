import { isObject } from "./errors.ts";
import { replyTo, type Message } from "./replies.ts";

/** The base URL of offline mode. No server has it. */
export const OFFLINE_URL = "http://offline";

/** The only model of offline mode. */
export const OFFLINE_MODEL = "offline";

/** The roles of offline mode. The API has more, such as `tool`. */
const ROLES: unknown[] = ["system", "developer", "user", "assistant"];

/** A request in which `findProblem` finds no problem. */
interface ChatRequest {
  messages: Message[];
  temperature?: number;
  max_tokens?: number;
  max_completion_tokens?: number;
  n?: number;
}

/** Why a request is rejected, in the properties of the API's errors. */
interface Problem {
  message: string;
  param: string;
  code: "invalid_value" | "offline";
}

/**
 * A `fetch` that simulates the API. It rejects what OpenAI's API rejects, and
 * whatever has no effect offline.
 */
export const offlineFetch: typeof fetch = async (url, init) => {
  const endpoint = `${init?.method} ${url}`;
  if (endpoint !== `POST ${OFFLINE_URL}/chat/completions`) {
    return reject(unsupported("url", `'${endpoint}'`));
  }
  const request: unknown = JSON.parse(String(init?.body));
  const problem = findProblem(request);
  if (problem) return reject(problem);
  return Response.json(createCompletion(request as ChatRequest));
};

function reject(problem: Problem): Response {
  const error = { ...problem, type: "invalid_request_error" };
  return Response.json({ error }, { status: 400 });
}

function unsupported(param: string, what = `'${param}'`): Problem {
  const message = `${what} isn't supported offline.`;
  return { message, param, code: "offline" };
}

function invalid(param: string, expected: string, value: unknown): Problem {
  const message = `'${param}' must be ${expected}, but got ${describeValue(value)}.`;
  return { message, param, code: "invalid_value" };
}

function describeValue(value: unknown): string {
  if (value === undefined) return "nothing";
  const json = JSON.stringify(value);
  // JSON turns a promise into an empty object.
  if (json === "{}") return "an empty object (is an `await` missing?)";
  return typeof value === "string" ? `the string ${json}` : json;
}

function findProblem(request: unknown): Problem | undefined {
  if (!isObject(request)) return invalid("body", "an object", request);
  // The first two are required: what isn't there is undefined.
  const { model, messages, ...others } = request;
  for (const [name, value] of Object.entries({ model, messages, ...others })) {
    const problem = findParameterProblem(name, value);
    if (problem) return problem;
  }
  if ("max_tokens" in others && "max_completion_tokens" in others) {
    const message =
      "'max_tokens' and 'max_completion_tokens' can't be used together.";
    return { message, param: "max_tokens", code: "invalid_value" };
  }
  return undefined;
}

/** The limits are those of OpenAI's API. */
function findParameterProblem(
  name: string,
  value: unknown,
): Problem | undefined {
  switch (name) {
    case "model":
      if (value === OFFLINE_MODEL) return undefined;
      if (typeof value === "string") {
        return unsupported(name, `The model '${value}'`);
      }
      return invalid(name, "the name of a model", value);
    case "messages":
      return findMessagesProblem(value);
    case "temperature":
      if (isNumber(value, 0, 2)) return undefined;
      return invalid(name, "a number from 0 to 2", value);
    case "max_tokens":
    case "max_completion_tokens":
      if (isInteger(value, Infinity)) return undefined;
      return invalid(name, "a positive integer", value);
    case "n":
      if (isInteger(value, 128)) return undefined;
      return invalid(name, "an integer from 1 to 128", value);
    default:
      return unsupported(name);
  }
}

function isNumber(value: unknown, min: number, max: number): boolean {
  return typeof value === "number" && value >= min && value <= max;
}

function isInteger(value: unknown, max: number): boolean {
  return Number.isInteger(value) && isNumber(value, 1, max);
}

function findMessagesProblem(messages: unknown): Problem | undefined {
  if (!Array.isArray(messages) || messages.length === 0) {
    return invalid("messages", "a list of at least one message", messages);
  }
  for (const [index, message] of messages.entries()) {
    const path = `messages[${index}]`;
    if (!isObject(message)) {
      return invalid(path, "an object with a role and content", message);
    }
    const { role, content, ...others } = message;
    if (role === "tool") return unsupported(`${path}.role`, "The role 'tool'");
    if (!ROLES.includes(role)) {
      return invalid(`${path}.role`, `one of ${ROLES.join(", ")}`, role);
    }
    if (Array.isArray(content)) {
      return unsupported(`${path}.content`, "Content as a list of parts");
    }
    if (typeof content !== "string") {
      return invalid(`${path}.content`, "text", content);
    }
    const [name] = Object.keys(others);
    if (name !== undefined) return unsupported(`${path}.${name}`);
  }
  return undefined;
}

/** Returns a chat completion with `n` choices, each cut off at the limit. */
function createCompletion(request: ChatRequest) {
  const { messages, temperature = 1, n = 1 } = request;
  const { max_tokens = Infinity, max_completion_tokens = Infinity } = request;
  const limit = Math.min(max_tokens, max_completion_tokens);

  const choices = [];
  let completion_tokens = 0;
  for (let index = 0; index < n; index++) {
    const reply = replyTo(messages, temperature);
    const tokens = tokenize(reply);
    const next = tokens[limit];
    const content = next ? reply.slice(0, next.index).trimEnd() : reply;
    choices.push({
      index,
      message: { role: "assistant", content },
      finish_reason: next ? "length" : "stop",
    });
    completion_tokens += Math.min(tokens.length, limit);
  }
  const prompt = messages.map(({ content }) => content).join("\n");
  const prompt_tokens = tokenize(prompt).length;
  const total_tokens = prompt_tokens + completion_tokens;
  return {
    id: "chatcmpl-offline",
    object: "chat.completion",
    created: Math.floor(Date.now() / 1000),
    model: OFFLINE_MODEL,
    choices,
    usage: { prompt_tokens, completion_tokens, total_tokens },
  };
}

/** Makes each word and each punctuation mark a token. */
function tokenize(text: string): RegExpExecArray[] {
  return [...text.matchAll(/[\p{L}\p{N}_]+|\S/gu)];
}
