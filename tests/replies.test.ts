import { expect, test } from "vitest";
import { replyTo, type Message } from "../exercises/common/replies.ts";

const system = (content: string) => ({ role: "system", content });
const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });

const persona = system(
  "You are a knowledgeable and enthusiastic travel assistant. Help users plan trips with practical advice.",
);
const japan = user("What's the best time of year to visit Japan?");
const tokyo = user("Can you suggest a 3-day itinerary for Tokyo?");

test.each<[messages: Message[], reply: RegExp]>([
  [[persona, japan], /^Spring \(March-May\) is ideal/],
  // The reply to the first question may have been cut off.
  [[persona, japan, assistant("Spring"), tokyo], /^Day 1: Explore Shibuya/],
])("%j is the beginning of the recording", (messages, reply) => {
  expect(replyTo(messages, 1)).toMatch(reply);
});

const FIRST = "What was my first question?";
const WHY = "Why do you say that?";
const NAME = "What's my name?";

test.each<[messages: Message[], found: string]>([
  [[user(FIRST)], "I find no earlier message from you."],
  [
    [assistant("A."), user("B."), user("C."), user(FIRST)],
    'your first message is "B."',
  ],
  [[user("I'm Ada."), user(WHY)], "I find no earlier reply."],
  [
    [assistant("A."), assistant("B."), user("C."), user(WHY)],
    'the last reply is "B."',
  ],
  [[assistant("I'm Ada."), user(NAME)], `I find no "I'm ..." from you.`],
  [[user("I'm Ada."), user("Hi"), user(NAME)], `you say "I'm Ada."`],
  [[user("i’m Ada."), user("what is MY name")], `you say "i’m Ada."`],
  [[user("I am Ada."), user(" What’s my name?!")], `you say "I am Ada."`],
  [
    [user("I'm A."), user("My name is B."), user(NAME)],
    `you say "My name is B."`,
  ],
  [
    [user("I'm A."), user("My name's B."), user(NAME)],
    `you say "My name's B."`,
  ],
])("to %j, the simulator quotes the request: %s", (messages, found) => {
  expect(replyTo(messages, 1)).toBe(`In this request, ${found}`);
});

const OTHER =
  "answer that. A real model would read this request, and nothing else.";
const PIRATE = 'follow "You are a pirate."';

test.each<[messages: Message[], reply: string]>([
  // The history is missing, or a part of it.
  [[tokyo], OTHER],
  [[persona, japan, tokyo], OTHER],
  [[persona, japan, user("Spring"), tokyo], OTHER],
  [[persona, tokyo], OTHER],
  [[user("Hi"), user(`He asked: "${NAME}"`)], OTHER],
  [[], OTHER],
  [[system("You are a pirate."), japan], PIRATE],
])("to %j, the simulator has no answer", (messages, reply) => {
  const start = "I'm the offline simulator, not a model. I can't";
  expect(replyTo(messages, 1)).toBe(`${start} ${reply}`);
});

// The share of the likeliest city, give or take five standard deviations.
test.each([
  [0, 10_000, 10_000],
  [0.7, 7_416, 7_842],
  [2, 4_302, 4_800],
])("a city is drawn by a softmax at %d", (temperature, min, max) => {
  const messages = [user("Which city should I visit first?")];
  const reply = () => replyTo(messages, temperature);
  const replies = Array.from({ length: 10_000 }, reply);
  const count = replies.filter((reply) => reply.includes("Tokyo")).length;
  expect(count).toBeGreaterThanOrEqual(min);
  expect(count).toBeLessThanOrEqual(max);
});
