const REPLIES = {
  "What's the best time of year to visit Japan?":
    "Spring (March-May) is ideal for cherry blossoms. Autumn (September-November) offers beautiful foliage and mild weather. Both seasons have comfortable temperatures and fewer typhoons than summer.",
  "Can you suggest a 3-day itinerary for Tokyo?":
    "Day 1: Explore Shibuya crossing and Harajuku street fashion. Day 2: Visit Senso-ji temple in Asakusa, then Akihabara for electronics. Day 3: Day trip to Kamakura for the Great Buddha and coastal views.",
};
/** Cities to choose from, and how a model would score them as next tokens. */
const CITIES = { Tokyo: 0, Kyoto: -1, Osaka: -2, Sapporo: -3 };
const ROLES = ["system", "developer", "user", "assistant", "tool", "function"];

type Fields = Record<string, unknown>;
type Message = { role: string; content: string };

/** Keeps only the words: case, spacing and punctuation do not matter. */
const normalize = (text = "") =>
  (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).join(" ");
const tokenize = (text: string) => [
  ...text.matchAll(/[\p{L}\p{M}\p{N}_]+|[^\p{L}\p{M}\p{N}_\s]/gu),
];

/**
 * A `fetch` that returns canned replies without a network, and a 400 for an
 * invalid request, as the API does. Its tokens are words and punctuation marks.
 */
export const offlineFetch: typeof fetch = async (url, init) => {
  if (!String(url).endsWith("/chat/completions")) {
    const message = "Only chat completions work offline.";
    const error = { message, code: "offline" };
    return Response.json({ error }, { status: 404 });
  }
  const request: Fields = JSON.parse(String(init?.body));
  const error = findInvalid(request);
  if (error) return Response.json({ error }, { status: 400 });
  const messages = request.messages as Message[];
  const { temperature, max_tokens, max_completion_tokens } = request;
  const reply = replyTo(messages, Number(temperature ?? 1));
  const limit = Number(max_tokens ?? max_completion_tokens ?? Infinity);
  const end = tokenize(reply)[limit]?.index;
  const content = reply.slice(0, end).trimEnd();
  const message = { role: "assistant", content };
  const finish_reason = end === undefined ? "stop" : "length";
  const prompt = messages.map(({ content }) => content).join("\n");
  const prompt_tokens = tokenize(prompt).length;
  const completion_tokens = tokenize(content).length;
  const total_tokens = prompt_tokens + completion_tokens;
  return Response.json({
    id: "chatcmpl-offline",
    object: "chat.completion",
    created: Math.floor(Date.now() / 1000),
    model: request.model,
    choices: [{ index: 0, message, finish_reason }],
    usage: { prompt_tokens, completion_tokens, total_tokens },
  });
};

function replyTo(messages: Message[], temperature: number): string {
  const question = normalize(messages.at(-1)?.content);
  for (const [known, reply] of Object.entries(REPLIES)) {
    if (question === normalize(known)) return reply;
  }
  if (question === "which city should i visit first") {
    return `I would start with ${drawCity(temperature)}.`;
  }
  if (question.includes("first question")) {
    const first = messages.slice(0, -1).find(({ role }) => role === "user");
    if (first) return `Your first question was: "${first.content}"`;
    return "I can't tell: this call contains no earlier message from you.";
  }
  const list = messages.map(
    ({ role, content }, index) => `${index + 1}. ${role}: ${content}`,
  );
  return `I have no canned reply to that. This call contains:\n${list.join("\n")}\nFor real replies, set up a model: see README.md.`;
}

/** Samples a city as a model samples a token: softmax with temperature. */
function drawCity(temperature: number): string | undefined {
  // At 0, dividing by almost nothing leaves only the highest score.
  const divisor = temperature || Number.EPSILON;
  const weights = Object.values(CITIES).map((n) => Math.exp(n / divisor));
  let point = Math.random() * weights.reduce((sum, weight) => sum + weight);
  const index = weights.findIndex((weight) => (point -= weight) < 0);
  return Object.keys(CITIES).at(index);
}

/** Returns an error for the first value that is invalid or unsupported. */
function findInvalid(request: Fields) {
  let error: object | undefined;
  const check = (ok: boolean, param: string, want: string, got: unknown) => {
    if (ok || error) return;
    let value = JSON.stringify(got) ?? "nothing";
    if (typeof got === "string") value = `the string ${value}`;
    // JSON turns a promise into an empty object.
    if (value === "{}") value = "an empty object (is an `await` missing?)";
    const message = `Invalid '${param}': expected ${want}, got ${value}.`;
    const type = "invalid_request_error";
    error = { message, type, param, code: "invalid_value" };
  };

  const { messages, stream } = request;
  const list: unknown[] = Array.isArray(messages) ? messages : [];
  check(list.length > 0, "messages", "a list of messages", messages);
  for (const [index, message] of list.entries()) {
    const name = `messages[${index}]`;
    const { role, content }: Fields = Object(message);
    const isObject = message instanceof Object && !Array.isArray(message);
    const isRole = ROLES.includes(String(role));
    check(isObject, name, "an object with a role and content", message);
    check(isRole, `${name}.role`, `one of ${ROLES.join(", ")}`, role);
    check(typeof content === "string", `${name}.content`, "text", content);
  }
  const value = request.temperature ?? 1;
  const isInRange = typeof value === "number" && value >= 0 && value <= 2;
  check(isInRange, "temperature", "a number from 0 to 2", value);
  for (const name of ["max_tokens", "max_completion_tokens"]) {
    const limit = request[name] ?? 1;
    const isLimit = Number.isInteger(limit) && Number(limit) > 0;
    check(isLimit, name, "a positive integer", limit);
  }
  check(!stream, "stream", "false in offline mode", stream);
  return error;
}
