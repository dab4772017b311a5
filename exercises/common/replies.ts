import type OpenAI from "openai";

type Message = OpenAI.ChatCompletionMessageParam;

const ORIGINAL_PROMPT =
  "You are a knowledgeable and enthusiastic travel assistant. Help users plan trips with practical advice.";
const CANNED = Object.entries({
  "what s the best time of year to visit japan":
    "Spring (March-May) is ideal for cherry blossoms. Autumn (September-November) offers beautiful foliage and mild weather. Both seasons have comfortable temperatures and fewer typhoons than summer.",
  "can you suggest a 3 day itinerary for tokyo":
    "Day 1: Explore Shibuya crossing and Harajuku street fashion. Day 2: Visit Senso-ji temple in Asakusa, then Akihabara for electronics. Day 3: Day trip to Kamakura for the Great Buddha and coastal views.",
});
const CITIES = ["Tokyo", "Kyoto", "Osaka", "Sapporo"];

/** Plays the model: returns a reply to the last message. */
export function replyTo(messages: Message[], temperature: number): string {
  const reply = answer(messages, temperature);
  const prompts = messages
    .filter(({ role }) => role === "system" || role === "developer")
    .filter(({ content }) => content !== ORIGINAL_PROMPT)
    .map(({ content }) => `"${content}"`);
  if (prompts.length === 0) return reply;
  return `Offline, I can't follow my instructions, but this call contains them: ${prompts.join(", ")} ${reply}`;
}

function answer(messages: Message[], temperature: number): string {
  const earlier = messages.slice(0, -1);
  const first = earlier.find(({ role }) => role === "user");
  const last = earlier.findLast(({ role }) => role === "assistant");
  // Case, spacing, and punctuation don't matter.
  const text = String(messages.at(-1)?.content).toLowerCase();
  const question = text.match(/[\p{L}\p{N}]+/gu)?.join(" ") ?? "";

  const canned = CANNED.find(([key]) => key === question)?.[1];
  if (canned) return canned;
  if (question === "which city should i visit first") {
    return `I would start with ${drawCity(temperature)}.`;
  }
  if (question.includes("first question")) {
    if (first) return `Your first question was: "${first.content}"`;
    return "I can't tell: this call contains no earlier message from you.";
  }
  if (question === "why do you say that") {
    if (last) return `I said: "${last.content}" Offline, I can't say why.`;
    return "I can't tell: this call contains no earlier reply from me.";
  }
  const unknown = `I have no canned reply to that. Messages in this call: ${messages.length}.`;
  return first ? `${unknown} Your first message: "${first.content}"` : unknown;
}

/** Samples a city as a model samples a token: a softmax with a temperature. */
function drawCity(temperature: number): string | undefined {
  // At 0, dividing by almost nothing leaves only the first city.
  const divisor = temperature || Number.EPSILON;
  const weights = CITIES.map((_, rank) => Math.exp(-rank / divisor));
  let point = Math.random() * weights.reduce((sum, weight) => sum + weight);
  return CITIES[weights.findIndex((weight) => (point -= weight) < 0)];
}
