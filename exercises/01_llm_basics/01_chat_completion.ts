// Chat Completions: how a program holds a conversation with a language model.
// You learn what the `messages` list is and why the model seems to remember.
//
// Run:     npx tsx exercises/01_llm_basics/01_chat_completion.ts
// Change:  edit a constant below, or try an experiment from the README.md in
//          this folder. Then run the script again.

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

// How random the replies are. OpenAI's range is 0 to 2. Offline, it matters
// only in the experiment "Change the temperature".
const TEMPERATURE = 0.7;

// The maximum number of tokens in a reply (1 or more). A token is a short piece
// of text, often a word. A longer reply is cut off.
const MAX_TOKENS = 500;

// The client sends requests to the provider that you set up. Without one, the
// script runs offline, with canned replies.
const { model, options, adapt } = loadProvider();
const client = new OpenAI(options);

// ----- Part 1: single-turn ---------------------------------------------------

// A conversation is a list of messages. Each message has a role:
// "system" for instructions, "user" for questions, and "assistant" for replies.
const messages: OpenAI.ChatCompletionMessageParam[] = [
  { role: "system", content: SYSTEM_PROMPT },
  { role: "user", content: QUESTION },
];
const reply = await complete("Part 1 (single-turn)", messages);

// ----- Part 2: multi-turn ----------------------------------------------------

// The API remembers nothing from Part 1. To continue the conversation, append
// the model's reply and the next question to the same list ...
messages.push({ role: "assistant", content: reply });
messages.push({ role: "user", content: FOLLOW_UP });

// ... and send all of it: system, user, assistant, user.
await complete("Part 2 (multi-turn)", messages);

// ----- The call --------------------------------------------------------------

// Sends the messages and returns the text of the model's reply.
async function complete(
  part: string,
  list: OpenAI.ChatCompletionMessageParam[],
): Promise<string> {
  // For OpenAI and Azure OpenAI, `adapt` renames `max_tokens`. The log shows
  // what is sent.
  const request = adapt({
    model,
    messages: list,
    temperature: TEMPERATURE,
    max_tokens: MAX_TOKENS,
  });
  const roles = list.map(({ role }) => role).join(", ");
  logger.info({ part, request }, `sending [${roles}]`);

  // Everything the API knows about the conversation is in this request.
  const response = await client.chat.completions.create(request);
  logger.info({ part, response }, "received the response");

  // `choices` is a list because a request can ask for several replies.
  const choice = response.choices?.[0];

  // Why the model stopped: "stop" if it finished, "length" if it hit a limit.
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
