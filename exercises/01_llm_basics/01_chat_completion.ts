// How does a model hold a conversation? It does not. The Chat Completions API is
// stateless: it keeps nothing between two calls. The `messages` list is the whole
// memory, it lives in this script, and each call sends all of it.
//
// Run:  npx tsx exercises/01_llm_basics/01_chat_completion.ts
// Then edit a line of the first section and run it again.

import type OpenAI from "openai";
import { contentOf } from "../common/answer.ts";
import { fail } from "../common/failure.ts";
import { logger } from "../common/logger.ts";
import { connect } from "../common/provider.ts";

// ─── Edit these ─────────────────────────────────────────────────────────────

// Who the assistant is and how it should behave. It opens the list.
const SYSTEM_PROMPT =
  "You are a knowledgeable and enthusiastic travel assistant. Help users plan trips with practical advice.";

// What the user asks in Part 1.
const QUESTION = "What's the best time of year to visit Japan?";

// What the user asks in Part 2, after the reply to QUESTION.
const FOLLOW_UP = "Can you suggest a 3-day itinerary for Tokyo?";

// From 0 to 2: how much chance there is in the choice of words. At 0 the reply
// is nearly the same each time; above 1 it gets more and more surprising.
const TEMPERATURE = 0.7;

// From 1: the most tokens a reply may have. A token is a piece of text, often a
// word or a part of one. A reply that reaches the limit is cut off there.
const MAX_TOKENS = 500;

// ─── The call ───────────────────────────────────────────────────────────────

// Whatever goes wrong below ends in one plain line in the log.
process.on("uncaughtException", fail);

const { client, model, parameters } = await connect();

// Sends the list that it is given, all of it, and returns the text of the reply.
async function complete(
  part: "single-turn" | "multi-turn",
  messages: OpenAI.ChatCompletionMessageParam[],
): Promise<string> {
  // Providers have different names for the temperature and the limit:
  // `parameters` uses those that this one takes.
  const request = { model, messages, ...parameters(TEMPERATURE, MAX_TOKENS) };
  logger.info(
    { part, request },
    `Sending ${messages.length} messages (${part})`,
  );

  const start = performance.now();
  const response = await client.chat.completions.create(request);
  const duration_ms = Math.round(performance.now() - start);
  logger.info({ part, response, duration_ms }, `Received a reply (${part})`);

  // The reply is in response.choices[0].message.content. With none, we stop here.
  const content = contentOf(response);

  // Why the model stopped: "stop" if it had finished, "length" at the limit.
  const finish_reason = response.choices[0]?.finish_reason;
  if (finish_reason === "length") {
    logger.warn(
      { part, finish_reason },
      "The reply was cut off: it reached MAX_TOKENS",
    );
  }
  return content;
}

// ─── Part 1: single-turn ────────────────────────────────────────────────────

// The conversation so far. The role of a message says who speaks: "system" sets
// the scene, "user" is the person who asks, "assistant" is the model.
const messages: OpenAI.ChatCompletionMessageParam[] = [
  { role: "system", content: SYSTEM_PROMPT },
  { role: "user", content: QUESTION },
];

const reply = await complete("single-turn", messages);

// ─── Part 2: multi-turn ─────────────────────────────────────────────────────

// The model has already forgotten Part 1. It "remembers" only what we send, so
// we add its own reply and the next question to the same list …
messages.push({ role: "assistant", content: reply });
messages.push({ role: "user", content: FOLLOW_UP });

// … and send all of it again: system, user, assistant, user.
await complete("multi-turn", messages);
