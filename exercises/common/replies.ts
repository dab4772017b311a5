/** A message whose content is text, the only kind that exists offline. */
export interface Message {
  role: string;
  content: string;
}

// The system message of the unedited script: the only one that isn't quoted.
const ORIGINAL_PROMPT =
  "You are a knowledgeable and enthusiastic travel assistant. Help users plan trips with practical advice.";

const SEASONS =
  "Spring (March-May) is ideal for cherry blossoms. Autumn (September-November) offers beautiful foliage and mild weather. Both seasons have comfortable temperatures and fewer typhoons than summer.";
const ITINERARY =
  "Day 1: Explore Shibuya crossing and Harajuku street fashion. Day 2: Visit Senso-ji temple in Asakusa, then Akihabara for electronics. Day 3: Day trip to Kamakura for the Great Buddha and coastal views.";
const PACKING =
  "Pack comfortable walking shoes, layers for cool evenings, and a small umbrella.";

// From the most to the least likely.
const CITIES = ["Tokyo", "Kyoto", "Osaka", "Sapporo"];

/**
 * Plays the model: returns a reply to the messages. The temperature, from 0 to
 * 2, affects only which city to visit first.
 */
export function replyTo(messages: Message[], temperature: number): string {
  const lines: string[] = [];
  for (const { role, content } of messages) {
    if (role === "system" && content !== ORIGINAL_PROMPT) {
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
    return "I see no question: the last message of this call isn't from the user.";
  }
  const question = last.content;
  const earlier = messages.slice(0, -1);
  const first = earlier.find(({ role }) => role === "user");

  if (/best time .* japan/i.test(question)) return SEASONS;
  if (/itinerary .* tokyo/i.test(question)) return ITINERARY;
  if (/what should i pack/i.test(question)) return PACKING;
  if (/which city should i visit/i.test(question)) {
    return `I would start with ${drawCity(temperature)}.`;
  }
  if (/first question/i.test(question)) {
    if (first) return `Your first question was: "${first.content}"`;
    return "I can't tell: this call contains no earlier message from you.";
  }
  if (/why do you say that/i.test(question)) {
    const previous = earlier.at(-1);
    if (previous?.role === "assistant") {
      return `I said: "${previous.content}" Offline, I can't say why.`;
    }
    return "I can't tell: this call doesn't contain what I said last.";
  }
  if (/what.* my name/i.test(question)) {
    const name = findName(earlier);
    if (name) return `Your name is ${name}.`;
    return `I can't tell: this call contains no earlier "My name is ..." or "I'm ..." with a capitalized name from you.`;
  }

  const sentences = [
    `I have no canned reply to that. I know these questions: "What's the best time of year to visit Japan?", "Can you suggest a 3-day itinerary for Tokyo?", "What should I pack?", "Which city should I visit first?", "What was my first question?", "Why do you say that?", and "What's my name?"`,
    `Messages in this call: ${messages.length}.`,
  ];
  if (first) sentences.push(`Your first message was: "${first.content}"`);
  return sentences.join(" ");
}

/** Returns the name that the user gave last. */
function findName(messages: Message[]): string | undefined {
  let name: string | undefined;
  for (const { role, content } of messages) {
    if (role !== "user") continue;
    // "I'm Ada", but not "I'm hungry".
    const match =
      /my name is ([\p{L}\p{M}]+)/iu.exec(content) ??
      /I'm (\p{Lu}[\p{L}\p{M}]*)/u.exec(content);
    if (match) name = match[1];
  }
  return name;
}

/** Draws a city as a model draws a token: by a softmax with a temperature. */
function drawCity(temperature: number): string | undefined {
  // How likely a city is, compared to the one before it. At 0, it is 0.
  const ratio = Math.exp(-1 / temperature);
  const weights = CITIES.map((_, rank) => ratio ** rank);
  const total = weights.reduce((sum, weight) => sum + weight);

  let point = Math.random() * total;
  for (const [rank, weight] of weights.entries()) {
    if (point < weight) return CITIES[rank];
    point -= weight;
  }
  // Only a rounding error gets here.
  return CITIES[0];
}
