import { describe, expect, test } from "vitest";
import { complaintsIn, isCompletion } from "../exercises/common/answer.ts";

describe("the words of a server's complaint", () => {
  test.each<[unknown, string[]]>([
    [{ error: { message: "Bad." } }, ["Bad."]],
    [{ error: "Bad." }, ["Bad."]],
    [{ error: "Bad Request", message: "Bad.", statusCode: 400 }, ["Bad."]],
    [{ message: "Bad Request", error: { message: "Bad." } }, ["Bad."]],
    [{ detail: "Bad." }, ["Bad."]],
    [{ detail: [{ loc: ["body", "n"], msg: "Bad." }] }, ["body: n: Bad."]],
    [{ object: "error", message: "Bad." }, ["Bad."]],
    [{ object: "error", message: { detail: [{ msg: "Bad." }] } }, ["Bad."]],
    [
      { errors: [{ message: "Bad." }, { message: "Worse." }] },
      ["Bad.", "Worse."],
    ],
    [[{ error: { message: "Bad.", status: "INVALID_ARGUMENT" } }], ["Bad."]],
    [
      {
        error: {
          message: "Outer.",
          metadata: { raw: '{"error":{"message":"Bad."}}' },
        },
      },
      ["Outer.", "Bad."],
    ],
    [
      { error: { message: "Outer.", metadata: { raw: "Bad." } } },
      ["Outer.", "Bad."],
    ],
    [{ error: null, message: "" }, []],
    [{ n: ["Bad."] }, []],
    [{ message: "Bad.", errors: { n: ["Worse."] } }, ["n: Worse."]],
    [{ error: { issues: [{ message: "Bad." }] } }, ["issues: Bad."]],
    [{ title: "Bad.", status: 400 }, ["Bad."]],
    [{ title: "Bad.", detail: "Worse." }, ["Worse."]],
    [{ message: "Bad.", error: {} }, ["Bad."]],
    [null, []],
    [42, []],
  ])("%j", (body, words) => {
    const complaints = complaintsIn(JSON.stringify(body));
    expect(complaints.map(({ message }) => message)).toEqual(words);
  });

  test.each([
    ["Bad.", ["Bad."]],
    [" \n", []],
    ["<!doctype html>\n<HTML><TITLE lang=en>502 Bad\n</TITLE>", ["502 Bad\n"]],
    ["<p>Bad.</p>", []],
  ])("%j, which is no JSON", (text, words) => {
    const complaints = complaintsIn(text);
    expect(complaints.map(({ message }) => message)).toEqual(words);
  });

  test("its facts come from where they stand", () => {
    const item = { type: "missing", loc: ["body", "n"], msg: "Bad." };
    expect(complaintsIn(JSON.stringify({ code: 7, detail: [item] }))).toEqual([
      { message: "body: n: Bad.", type: "missing", code: "7", param: "n" },
    ]);
  });
});

test.each<[unknown, boolean]>([
  [{ choices: [{ message: {} }] }, true],
  [{ choices: [{ message: null }] }, false],
  [{ choices: [{}] }, false],
  [{ choices: [null] }, false],
  [{ choices: [] }, false],
  [{ choices: {} }, false],
  [{ choices: "abc" }, false],
  [{}, false],
  ["choices", false],
  [null, false],
])("%j is a completion: %s", (body, expected) => {
  expect(isCompletion(body)).toBe(expected);
});
