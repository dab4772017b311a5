// How does a language model hold a conversation? It does not. The Chat Completions
// API, over which a program asks a model on a server, is stateless: it keeps
// nothing between two calls. The `messages` list is the whole memory, it lives in
// this script, and each call sends all of it.
//
// Run:  npx tsx exercises/01_llm_basics/01_chat_completion.ts
// Then edit a line of the first section, and run it again.

import type OpenAI from "openai";
// Plumbing, which you can leave alone: you need not know it to read on.
import { contentOf } from "../common/answer.ts";
import { fail } from "../common/failure.ts";
import { logger } from "../common/logger.ts";
import { connect } from "../common/provider.ts";

// Whatever goes wrong while this runs ends in one plain line in the log.
process.on("uncaughtException", fail);

// ─── Edit these ─────────────────────────────────────────────────────────────

// Who the assistant is, and how it should behave.
const SYSTEM_PROMPT =
  "You are a knowledgeable and enthusiastic travel assistant. Help users plan trips with practical advice.";

// What the user asks in Part 1.
const QUESTION = "What's the best time of year to visit Japan?";

// What the user asks in Part 2. Try "What was my first question?", too.
const FOLLOW_UP = "Can you suggest a 3-day itinerary for Tokyo?";

// How much chance there is in the choice of words, from 0 to 2. At 0 the reply
// is nearly the same each time; above 1 it gets more and more surprising.
const TEMPERATURE = 0.7;

// The most tokens that a reply may have, from 1. A token is a piece of text,
// often a word or a part of one. A reply that reaches the limit is cut off there.
const MAX_TOKENS = 500;

// ─── The call ───────────────────────────────────────────────────────────────

// Who answers: the model that the file .env names, or else an offline stand-in.
const { client, model, parameters } = await connect();

// Sends a list of messages, all of it, and returns the text of the reply.
// `part` is only for the log, where you see what is sent and what comes back.
async function complete(
  part: "single-turn" | "multi-turn",
  messages: OpenAI.ChatCompletionMessageParam[],
): Promise<string> {
  // Servers have different names for the limit: `parameters` picks the right one.
  // The rest of the request is then, say, { temperature: 0.7, max_tokens: 500 }.
  const request = { model, messages, ...parameters(TEMPERATURE, MAX_TOKENS) };
  logger.info(
    { part, request },
    `Sending ${messages.length} messages (${part})`,
  );

  // This is the call. Neither the server nor `client` keeps any of it.
  const start = performance.now();
  const response = await client.chat.completions.create(request);
  const duration_ms = Math.round(performance.now() - start);
  logger.info({ part, response, duration_ms }, `Received a reply (${part})`);

  // A response can hold several replies to choose from; we asked for one. Its
  // text is in choices[0].message.content, and the run ends here if there is none.
  const content = contentOf(response);

  // Why the model stopped: "stop" if it had finished, "length" at the limit.
  const finish_reason = response.choices[0]?.finish_reason;
  if (finish_reason === "length") {
    const words = "The reply was cut off: it reached MAX_TOKENS";
    logger.warn({ part, finish_reason }, words);
  }
  return content;
}

// ─── Part 1: single-turn, one question and one reply ────────────────────────

// The conversation so far. The role of a message says who speaks: "system" sets
// the scene, "user" is the person who asks, "assistant" is the model.
const messages: OpenAI.ChatCompletionMessageParam[] = [
  { role: "system", content: SYSTEM_PROMPT },
  { role: "user", content: QUESTION },
];

const reply = await complete("single-turn", messages);

// ─── Part 2: multi-turn, a conversation ─────────────────────────────────────

// The server has kept nothing of Part 1. The model "remembers" only what we send,
// so we add its own reply and the next question to the same list …
messages.push({ role: "assistant", content: reply });
messages.push({ role: "user", content: FOLLOW_UP });

// … and send all of it: system, user, assistant, user.
await complete("multi-turn", messages);
