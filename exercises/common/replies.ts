/** A message whose content is text, the only kind that exists offline. */
export interface Message {
  role: string;
  content: string;
}

// The conversation of the unedited script.
const RECORDING: Message[] = [
  {
    role: "system",
    content:
      "You are a knowledgeable and enthusiastic travel assistant. Help users plan trips with practical advice.",
  },
  { role: "user", content: "What's the best time of year to visit Japan?" },
  {
    role: "assistant",
    content:
      "Spring (March-May) is ideal for cherry blossoms. Autumn (September-November) offers beautiful foliage and mild weather. Both seasons have comfortable temperatures and fewer typhoons than summer.",
  },
  { role: "user", content: "Can you suggest a 3-day itinerary for Tokyo?" },
  {
    role: "assistant",
    content:
      "Day 1: Explore Shibuya crossing and Harajuku street fashion. Day 2: Visit Senso-ji temple in Asakusa, then Akihabara for electronics. Day 3: Day trip to Kamakura for the Great Buddha and coastal views.",
  },
];

// From the most to the least likely.
const CITIES = ["Tokyo", "Kyoto", "Osaka", "Sapporo"];

/**
 * Plays the model: continues the recording if the messages are its beginning,
 * and knows four questions. Quotes the messages, and understands none. The
 * temperature, from 0 to 2, matters only for the city to visit first.
 */
export function replyTo(messages: Message[], temperature: number): string {
  const next = RECORDING[messages.length];
  if (next?.role === "assistant" && messages.every(isRecorded)) {
    return next.content;
  }
  const question = toWords(messages.at(-1)?.content ?? "");
  const earlier = messages.slice(0, -1);
  const yours = earlier.filter(({ role }) => role === "user");

  if (question === "what was my first question") {
    const [first] = yours;
    if (!first) return "In this request, I find no earlier message from you.";
    return `In this request, your first message is "${first.content}"`;
  }
  if (question === "whats my name" || question === "what is my name") {
    const last = yours.findLast(hasName);
    if (!last) return `In this request, I find no "I'm ..." from you.`;
    return `In this request, you say "${last.content}"`;
  }
  if (question === "why do you say that") {
    const last = earlier.findLast(({ role }) => role === "assistant");
    if (!last) return "In this request, I find no earlier reply.";
    return `In this request, the last reply is "${last.content}"`;
  }
  if (question === "which city should i visit first") {
    return `I would start with ${drawCity(temperature)}.`;
  }

  const system = messages.find(({ role }) => role === "system");
  if (system && system.content !== RECORDING[0]?.content) {
    return `I'm the offline simulator, not a model. I can't follow "${system.content}"`;
  }
  return "I'm the offline simulator, not a model. I can't answer that. A real model would read this request, and nothing else.";
}

function isRecorded({ role, content }: Message, index: number): boolean {
  const recorded = RECORDING[index];
  if (role !== recorded?.role) return false;
  // A reply may have been cut off.
  return role === "assistant" || content === recorded.content;
}

/** Returns a text in lower case, without punctuation. */
function toWords(text: string): string {
  return text.toLowerCase().replace(/\p{P}/gu, "").trim();
}

function hasName({ content }: Message): boolean {
  return /\b(I['’]m|I am|name is|name['’]s)\b/i.test(content);
}

/** Draws a city as a model draws a token: by a softmax with a temperature. */
function drawCity(temperature: number): string | undefined {
  // Each city is `ratio` times as likely as the one before it.
  const ratio = Math.exp(-1 / temperature);
  let rank = 0;
  while (Math.random() < ratio) rank += 1;
  // After the last city comes the first, which keeps the ratios.
  return CITIES[rank % CITIES.length];
}
