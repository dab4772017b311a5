/** The stand-in's name, where a provider has the model's. */
export const OFFLINE_MODEL = "offline-stand-in";

const ANSWERS = new Map([
  [
    "What's the best time of year to visit Japan?",
    "Spring (March-May) is ideal for cherry blossoms. Autumn (September-November) offers beautiful foliage and mild weather. Both seasons have comfortable temperatures and fewer typhoons than summer.",
  ],
  [
    "Can you suggest a 3-day itinerary for Tokyo?",
    "Day 1: Explore Shibuya crossing and Harajuku street fashion. Day 2: Visit Senso-ji temple in Asakusa, then Akihabara for electronics. Day 3: Day trip to Kamakura for the Great Buddha and coastal views.",
  ],
]);

const NO_ANSWER =
  "I am a stand-in, not a model, so I cannot answer that. All I have is what this call sent me:";

const ROLES = ["system", "developer", "user", "assistant", "tool", "function"];

/**
 * Stands in for a provider: a `fetch` that answers chat completions with no
 * network and no model, and refuses messages, temperatures and limits as the API
 * does. Any question but the two above is answered with the list that arrived.
 * Its tokens are words and punctuation marks.
 */
export async function offlineFetch(
  _url: unknown,
  init?: { body?: unknown },
): Promise<Response> {
  const request = JSON.parse(String(init?.body)) as Record<string, unknown>;
  const error = findError(request);
  if (error) return Response.json({ error }, { status: 400 });

  const { max_completion_tokens, max_tokens } = request;
  const messages = request["messages"] as Record<string, unknown>[];
  const texts = messages.map(({ content }) => readText(content) ?? "");
  const list = texts.map(
    (text, i) => `${i + 1}. ${messages[i]?.role}: ${text}`,
  );
  const reply =
    ANSWERS.get(texts.at(-1) ?? "") ?? [NO_ANSWER, ...list].join("\n");

  const tokens = tokenize(reply);
  const limit = Number(max_completion_tokens ?? max_tokens ?? Infinity);
  const last = tokens.length > limit ? tokens[limit - 1] : undefined;
  const prompt_tokens = texts.flatMap(tokenize).length;
  const completion_tokens = Math.min(tokens.length, limit);
  const total_tokens = prompt_tokens + completion_tokens;
  const content = last ? reply.slice(0, last.index + last[0].length) : reply;
  return Response.json({
    id: "chatcmpl-offline",
    object: "chat.completion",
    created: Math.floor(Date.now() / 1000),
    model: OFFLINE_MODEL,
    choices: [
      {
        index: 0,
        message: { role: "assistant", content },
        finish_reason: last ? "length" : "stop",
      },
    ],
    usage: { prompt_tokens, completion_tokens, total_tokens },
  });
}

/** The API's `error` for the first thing in a request that it would refuse. */
function findError(request: Record<string, unknown>) {
  const error = (param: string, rule: string) => ({
    message: `Invalid '${param}': it must be ${rule}.`,
    type: "invalid_request_error",
    param,
    code: "invalid_value",
  });

  const { messages, temperature } = request;
  if (!Array.isArray(messages) || messages.length === 0)
    return error("messages", "a list of one message or more");
  for (const [index, message] of messages.entries()) {
    const { role, content } = Object(message) as Record<string, unknown>;
    if (!ROLES.some((known) => known === role))
      return error(`messages[${index}].role`, `one of ${ROLES.join(", ")}`);
    if (readText(content) === undefined)
      return error(`messages[${index}].content`, "text");
  }
  const inRange =
    typeof temperature === "number" && temperature >= 0 && temperature <= 2;
  if (temperature != null && !inRange)
    return error("temperature", "a number from 0 to 2");
  for (const name of ["max_tokens", "max_completion_tokens"]) {
    const limit = request[name];
    if (limit != null && !(Number.isInteger(limit) && Number(limit) > 0))
      return error(name, "a positive whole number");
  }
  return undefined;
}

/** The text of a message's content, a string or a list of text parts. */
function readText(content: unknown): string | undefined {
  const texts = [content].flat().map((part: unknown) => {
    const { text } = Object(part) as { text?: unknown };
    return isText(part) ? part : text;
  });
  return texts.length > 0 && texts.every(isText) ? texts.join("") : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function tokenize(text: string): RegExpExecArray[] {
  return [...text.matchAll(/[\p{L}\p{M}\p{N}_]+|[^\p{L}\p{M}\p{N}_\s]/gu)];
}
