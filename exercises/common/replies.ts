/** A message whose content is text, the only kind that exists offline. */
export interface Message {
  role: string;
  content: string;
}

// The system message of the unedited script: the only one that isn't quoted.
const ORIGINAL_PROMPT =
  "You are a knowledgeable and enthusiastic travel assistant. Help users plan trips with practical advice.";

/** Replies to questions, which are in the form that `simplify` returns. */
const CANNED_REPLIES = new Map([
  [
    "what s the best time of year to visit japan",
    "Spring (March-May) is ideal for cherry blossoms. Autumn (September-November) offers beautiful foliage and mild weather. Both seasons have comfortable temperatures and fewer typhoons than summer.",
  ],
  [
    "can you suggest a 3 day itinerary for tokyo",
    "Day 1: Explore Shibuya crossing and Harajuku street fashion. Day 2: Visit Senso-ji temple in Asakusa, then Akihabara for electronics. Day 3: Day trip to Kamakura for the Great Buddha and coastal views.",
  ],
  [
    "what should i pack",
    "Pack comfortable walking shoes, layers for cool evenings, and a small umbrella.",
  ],
]);

const CITIES = ["Tokyo", "Kyoto", "Osaka", "Sapporo"] as const;

/**
 * Plays the model: returns a reply to the messages. The temperature, from 0 to
 * 2, affects only which city to visit first.
 */
export function replyTo(messages: Message[], temperature: number): string {
  const lines: string[] = [];
  for (const { role, content } of messages) {
    const isInstruction = role === "system" || role === "developer";
    if (isInstruction && content !== ORIGINAL_PROMPT) {
      lines.push(
        `Offline, I can't follow instructions, but this call contains one: "${content}"`,
      );
    }
  }
  lines.push(answer(messages, temperature));
  return lines.join("\n");
}

function answer(messages: Message[], temperature: number): string {
  const last = messages.at(-1);
  if (last?.role !== "user") {
    return "I see no question to answer: the list ends with a message that isn't from the user.";
  }
  const earlier = messages.slice(0, -1);
  const firstFromUser = earlier.find(({ role }) => role === "user");
  const previous = earlier.at(-1);

  const question = simplify(last.content);
  const canned = CANNED_REPLIES.get(question);
  if (canned) return canned;
  if (question === "which city should i visit first") {
    return `I would start with ${drawCity(temperature)}.`;
  }
  if (question.includes("first question")) {
    if (firstFromUser) {
      return `Your first question was: "${firstFromUser.content}"`;
    }
    return "I can't tell: this call contains no earlier message from you.";
  }
  if (question === "why do you say that") {
    if (previous?.role === "assistant") {
      return `I said: "${previous.content}" Offline, I can't say why.`;
    }
    return "I can't tell: this call doesn't contain what I said last.";
  }
  const noReply = `I have no canned reply to that. README.md lists the questions that I know. Messages in this call: ${messages.length}.`;
  if (!firstFromUser) return noReply;
  return `${noReply} Your first message: "${firstFromUser.content}"`;
}

/** Removes what doesn't matter in a question: case, spacing, and punctuation. */
function simplify(text: string): string {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.join(" ");
}

/** Draws a city as a model draws a token: by a softmax with a temperature. */
function drawCity(temperature: number): string {
  const [likeliest] = CITIES;
  // The softmax would divide by zero. Its limit is the likeliest city.
  if (temperature === 0) return likeliest;

  const options = CITIES.map((city, rank) => {
    return { city, weight: Math.exp(-rank / temperature) };
  });
  const total = options.reduce((sum, { weight }) => sum + weight, 0);
  let point = Math.random() * total;
  let drawn: string = likeliest;
  for (const { city, weight } of options) {
    drawn = city;
    point -= weight;
    if (point < 0) break;
  }
  return drawn;
}
