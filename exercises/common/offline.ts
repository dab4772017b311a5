import { isObject } from "./errors.ts";
import { replyTo, type Message } from "./replies.ts";

/** The base URL of offline mode. No server has it. */
export const OFFLINE_URL = "http://offline";

/** The only model of offline mode. */
export const OFFLINE_MODEL = "offline";

/** The roles of offline mode. The API has more, such as `tool`. */
const ROLES: unknown[] = ["system", "developer", "user", "assistant"];

/** A request in which `findProblem` finds no problem. */
interface Request {
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
    return reject(unsupported(endpoint));
  }
  const request: unknown = JSON.parse(String(init?.body));
  const problem = findProblem(request);
  if (problem) return reject(problem);
  return Response.json(complete(request as Request));
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
  const message = `'${param}' must be ${expected}, but got ${describe(value)}.`;
  return { message, param, code: "invalid_value" };
}

function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  const json = JSON.stringify(value);
  // JSON turns a promise into an empty object.
  if (json === "{}") return "an empty object (is an `await` missing?)";
  return typeof value === "string" ? `the string ${json}` : json;
}

/** Returns the first problem. The limits are those of OpenAI's API. */
function findProblem(request: unknown): Problem | undefined {
  if (!isObject(request)) return invalid("body", "an object", request);
  const {
    model,
    messages,
    // A parameter that is left out has no problem.
    temperature = 1,
    max_tokens = 1,
    max_completion_tokens = 1,
    n = 1,
    ...others
  } = request;
  const [name] = Object.keys(others);
  if (name !== undefined) return unsupported(name);

  if (typeof model !== "string") {
    return invalid("model", "the name of a model", model);
  }
  if (model !== OFFLINE_MODEL) {
    return unsupported("model", `The model '${model}'`);
  }
  if (typeof temperature !== "number" || temperature < 0 || temperature > 2) {
    return invalid("temperature", "a number from 0 to 2", temperature);
  }
  if (!isPositiveInteger(max_tokens)) {
    return invalid("max_tokens", "a positive integer", max_tokens);
  }
  if (!isPositiveInteger(max_completion_tokens)) {
    const expected = "a positive integer";
    return invalid("max_completion_tokens", expected, max_completion_tokens);
  }
  if ("max_tokens" in request && "max_completion_tokens" in request) {
    const message =
      "'max_tokens' and 'max_completion_tokens' can't be used together.";
    return { message, param: "max_tokens", code: "invalid_value" };
  }
  if (!isPositiveInteger(n) || n > 128) {
    return invalid("n", "an integer from 1 to 128", n);
  }
  return findMessagesProblem(messages);
}

function isPositiveInteger(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0;
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
      return unsupported(`${path}.content`, "Content in parts");
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
function complete(request: Request) {
  const { messages, temperature = 1, n = 1 } = request;
  const limit = request.max_tokens ?? request.max_completion_tokens ?? Infinity;

  const choices = [];
  let completion_tokens = 0;
  for (let index = 0; index < n; index++) {
    const reply = replyTo(messages, temperature);
    const tokens = tokenize(reply);
    const end = tokens[limit]?.index;
    const content = reply.slice(0, end).trimEnd();
    const finish_reason = end === undefined ? "stop" : "length";
    choices.push({
      index,
      message: { role: "assistant", content },
      finish_reason,
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
  return [...text.matchAll(/[\p{L}\p{M}\p{N}_]+|\S/gu)];
}
