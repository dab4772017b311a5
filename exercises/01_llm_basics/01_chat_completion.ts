// A conversation with a language model, through the Chat Completions API.
//
// Run this command in the folder that contains package.json:
//   npx tsx exercises/01_llm_basics/01_chat_completion.ts
//
// Then edit a constant below, or try the experiments in the README.md of this
// folder, and run the command again.

import OpenAI from "openai";
import { logger } from "../common/logger.ts";
import { loadProvider } from "../common/provider.ts";

// Tells the model who it is and how to behave.
const SYSTEM_PROMPT =
  "You are a knowledgeable and enthusiastic travel assistant. Help users plan trips with practical advice.";

// What the user asks first.
const QUESTION = "What's the best time of year to visit Japan?";

// What the user asks next.
const FOLLOW_UP = "Can you suggest a 3-day itinerary for Tokyo?";

// How random the replies are, from 0 to 2. Offline, it matters only for the
// question "Which city should I visit first?"
const TEMPERATURE = 0.7;

// The maximum number of tokens that the model writes. A token is a word, a part
// of a word, or a punctuation mark.
const MAX_TOKENS = 500;

// The client sends requests to the provider that you set up. Without one, the
// script runs offline: a simulator replies.
const { model, options, adapt } = loadProvider();
const client = new OpenAI(options);

// ----- Part 1: single-turn ---------------------------------------------------

// A conversation is a list of messages. Each message has a role: "system" for
// instructions, "user" for what the user says, or "assistant" for replies.
const messages: OpenAI.ChatCompletionMessageParam[] = [
  { role: "system", content: SYSTEM_PROMPT },
  { role: "user", content: QUESTION },
];
const reply = await complete("Part 1 (single-turn)", messages);

// ----- Part 2: multi-turn ----------------------------------------------------

// Appends the model's reply and the next question to the same list ...
messages.push({ role: "assistant", content: reply });
messages.push({ role: "user", content: FOLLOW_UP });

// ... and sends the list.
await complete("Part 2 (multi-turn)", messages);

// ----- The call --------------------------------------------------------------

// Sends the messages and returns the reply.
async function complete(
  part: string,
  list: OpenAI.ChatCompletionMessageParam[],
): Promise<string> {
  // `adapt` copies the request. For OpenAI and Azure OpenAI, it also changes a
  // parameter or two. The log shows what is sent.
  const request = adapt({
    model,
    messages: list,
    temperature: TEMPERATURE,
    max_tokens: MAX_TOKENS,
  });
  const roles = list.map(({ role }) => role).join(", ");
  logger.info({ part, request }, `sending [${roles}]`);

  const response = await client.chat.completions.create(request);
  logger.info({ part, response }, "received the response");

  // `choices` is a list because a request can ask for several replies.
  const choice = response.choices?.[0];

  // `finish_reason` says why the model stopped.
  if (choice?.finish_reason === "length") {
    logger.warn(
      { part },
      "the reply was cut off: it reached MAX_TOKENS or the model's own limit",
    );
  }
  const text = choice?.message?.content;
  if (!text) throw new Error("The response has no text. See it in the log.");
  return text;
}
