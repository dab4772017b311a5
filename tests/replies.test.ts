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

test("the recording goes on, even if its first reply was cut off", () => {
  const messages = [persona, japan, assistant("Spring"), tokyo];
  expect(replyTo(messages, 1)).toMatch(/^Day 1: Explore Shibuya/);
});

const FIRST = "What was my first question?";
const WHY = "Why do you say that?";
const NAME = "What's my name?";
const a = assistant("A.");
const b = assistant("B.");
const c = user("C.");

test.each<[messages: Message[], found: string]>([
  [[a, user("B."), c, user(FIRST)], 'your first message is "B."'],
  [[a, b, c, user(WHY)], 'the last reply is "B."'],
  [[assistant("I'm Ada."), user(NAME)], `I find no "I'm ..." from you.`],
  [[user("I'm A."), user("I'm B."), c, user(NAME)], `you say "I'm B."`],
  [[user("i’m Ada."), user("what is MY name")], `you say "i’m Ada."`],
  [[user("I am Ada."), user(" What’s my name?!")], `you say "I am Ada."`],
  [[user("My name is Ada."), user(NAME)], `you say "My name is Ada."`],
  [[user("My name's Ada."), user(NAME)], `you say "My name's Ada."`],
])("to %j, the simulator quotes the request: %s", (messages, found) => {
  expect(replyTo(messages, 1)).toBe(`In this request, ${found}`);
});

test.each<[messages: Message[]]>([
  // The history is missing, or a part of it.
  [[]],
  [[tokyo]],
  [[persona, japan, tokyo]],
  [[persona, tokyo]],
  [[persona, assistant("Spring")]],
  [[user("Hi"), user(`He asked: "${NAME}"`)]],
])("to %j, the simulator has no answer", (messages) => {
  expect(replyTo(messages, 1)).toBe(
    "I'm the offline simulator, not a model. I can't answer that. A real model would read this request, and nothing else.",
  );
});

test.each([
  [0.7, 0.76],
  [2, 0.46],
])("at %d, Tokyo's share is about %d", (temperature, share) => {
  const messages = [user("Which city should I visit first?")];
  const reply = () => replyTo(messages, temperature);
  const replies = Array.from({ length: 10_000 }, reply);
  const count = replies.filter((reply) => reply.includes("Tokyo")).length;
  // Within 0.05, which is nine standard deviations.
  expect(count / 10_000).toBeCloseTo(share, 1);
});
