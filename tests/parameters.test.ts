import { describe, expect, test } from "vitest";
import { complaintsIn } from "../exercises/common/answer.ts";
import {
  refusedParameter,
  respell,
  spell,
  type ParameterName,
  type Parameters,
} from "../exercises/common/parameters.ts";
import { completion, requests, run, serve } from "./harness.ts";
import refusals from "./refusals.json" with { type: "json" };

test.each([
  [
    "https://api.openai.com/v1",
    { temperature: 0.7, max_completion_tokens: 500, reasoning_effort: "none" },
  ],
  [
    "https://res.openai.azure.com/openai/v1/",
    { temperature: 0.7, max_tokens: 500 },
  ],
  ["http://localhost:11434/v1", { temperature: 0.7, max_tokens: 500 }],
  [
    "https://api.openai.com.example.com/v1",
    { temperature: 0.7, max_tokens: 500 },
  ],
])("the first spelling for %s", (baseURL, parameters) => {
  expect(spell(baseURL, 0.7, 500)).toEqual(parameters);
});

/** A request with all that can be sent at once: one of the limits, not both. */
const requestWith = (limit: ParameterName): Parameters => ({
  temperature: 0.7,
  reasoning_effort: "none",
  [limit === "max_completion_tokens" ? limit : "max_tokens"]: 500,
});

describe("a refusal by name, in other words", () => {
  test.each<[ParameterName, string]>([
    [
      "max_completion_tokens",
      `{"error":{"message":"Unknown parameter: 'max_completion_tokens'.","param":"max_completion_tokens","code":"unknown_parameter"}}`,
    ],
    [
      "max_completion_tokens",
      '{"message":"unknown field `max_completion_tokens`, expected one of `model`, `messages`, `temperature`, `max_tokens`"}',
    ],
    [
      "max_completion_tokens",
      `[{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \\"max_completion_tokens\\": Cannot find field.","status":"INVALID_ARGUMENT"}}]`,
    ],
    [
      "max_completion_tokens",
      `{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","max_completion_tokens"],"msg":"Extra inputs are not permitted","input":500}]}}`,
    ],
    [
      "max_tokens",
      `{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\\"error\\":{\\"message\\":\\"Unsupported parameter: 'max_tokens'\\"}}"}}}`,
    ],
    [
      "max_tokens",
      `{"error":"Please use max_completion_tokens instead of max_tokens"}`,
    ],
    ["max_tokens", "max_tokens is deprecated"],
    [
      "temperature",
      `{"error":{"message":"temperature does not support 0.7 with this model","type":"x"}}`,
    ],
    [
      "temperature",
      `{"error":{"message":"invalid temperature: only 1 is allowed for this model"}}`,
    ],
    [
      "temperature",
      `{"detail":"temperature can't be set for reasoning models"}`,
    ],
    [
      "temperature",
      `{"error":{"message":"\`temperature\` may only be set to 1 when thinking is enabled."}}`,
    ],
    [
      "temperature",
      `{"errors":[{"message":"'temperature' cannot be used here","code":7}]}`,
    ],
    [
      "reasoning_effort",
      `{"error":{"message":"property 'reasoning_effort' is unsupported"}}`,
    ],
    [
      "reasoning_effort",
      `{"detail":[{"type":"literal_error","loc":["body","reasoning_effort"],"msg":"Input should be 'low', 'medium' or 'high'"}]}`,
    ],
    [
      "reasoning_effort",
      `{"error":{"message":"Additional properties are not allowed ('reasoning_effort' was unexpected)"}}`,
    ],
    [
      "reasoning_effort",
      "1 validation error: body -> reasoning_effort extra fields not permitted",
    ],
  ])("%s: %s", (name, body) => {
    expect(
      complaintsIn(body).map((complaint) =>
        refusedParameter(complaint, requestWith(name)),
      ),
    ).toContain(name);
  });
});

describe("a refusal by name, in a sentence", () => {
  test.each<[ParameterName, string, object?]>([
    ["temperature", "Temperature is not supported for this model."],
    ["max_tokens", "This model doesn’t support max_tokens"],
    [
      "max_tokens",
      "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' (between 1 and 4096) instead.",
    ],
    [
      "temperature",
      "'temperature' takes at least 1 here",
      { code: "unsupported_value" },
    ],
    ["max_tokens", "Invalid parameter: 'max_tokens'"],
    ["max_tokens", "'max_tokens' is not an allowed parameter."],
    ["max_tokens", "No such parameter: max_tokens"],
    ["max_tokens", "body must NOT have additional properties: max_tokens"],
    ["max_tokens", "Please use max_completion_tokens, not max_tokens"],
    ["max_tokens", "requires max_completion_tokens rather than max_tokens"],
    ["max_tokens", "max_tokens was removed"],
    ["max_tokens", "max_tokens is not supported with gpt-5-2025-08-07"],
    ["temperature", "temperature is forbidden", { param: "body.temperature" }],
  ])("%s: %s", (name, message, facts) => {
    const request = requestWith(name);
    expect(refusedParameter({ message, ...facts }, request)).toBe(name);
  });
});

test.each(
  "unsupported, unrecognised, unrecognized, unknown, unexpected, unpermitted, unavailable, forbidden, disallowed, illegal, extra, deprecated, obsolete, removed, renamed, replaced, incompatible, no longer taken, for others only, an invalid field, not an option, not permitted, not be accepted, not used, not set, not specified, not known, not found, not available, not implemented, not applicable, not compatible".split(
    ", ",
  ),
)("'max_tokens' is %s", (words) => {
  const message = `'max_tokens' is ${words}`;
  expect(refusedParameter({ message }, { max_tokens: 5 })).toBe("max_tokens");
});

describe("a bad value, or another's trouble, in a sentence", () => {
  test.each<[string, object?]>([
    ["temperature 3 is not supported. Valid values: 0.0 to 2.0"],
    ["temperature 3 not allowed (max 2)"],
    ["temperature must lie in 0-2; 3 is not supported"],
    ["temperature is limited to 2; use a smaller value instead"],
    ["Unexpected value for temperature: 3"],
    ["max_tokens 999999 is not allowed, the limit is 8192"],
    ["does not support max_tokens values over 8192"],
    ["max_tokens cannot be set to 0"],
    ["max_tokens must be a whole number; 0.5 is not supported"],
    ["max_tokens must be an integer; only whole ones are allowed"],
    [
      "Unsupported parameter: 'stream'; supported: temperature, max_tokens",
      { param: "stream" },
    ],
  ])("%s", (message, facts) => {
    const request = requestWith("max_tokens");
    expect(refusedParameter({ message, ...facts }, request)).toBeUndefined();
  });
});

describe("the reader's mistake is no refusal", () => {
  test.each([
    `{"error":{"message":"Invalid 'max_tokens': integer below minimum value. Expected a value >= 1, but got 0 instead.","param":"max_tokens","code":"integer_below_min_value"}}`,
    `{"error":{"message":"max_tokens is too large: 999999. This model supports at most 4096 completion tokens.","param":"max_tokens"}}`,
    `{"detail":[{"type":"less_than_equal","loc":["body","temperature"],"msg":"Input should be less than or equal to 2"}]}`,
    `{"error":{"message":"temperature must be between 0 and 2; 3 is not supported"}}`,
    `{"error":{"message":"only temperatures up to 2 are allowed: temperature=3"}}`,
    `{"error":{"message":"The model 'x' does not exist","code":"model_not_found"}}`,
    `{"error":{"message":"Invalid type for 'temperature': expected a decimal, but got a string instead.","param":"temperature","code":"invalid_type"}}`,
    `{"error":{"message":"Unknown role: robot","param":"messages"}}`,
    `{"error":{"message":"temperature is wrong","param":"temperature"}}`,
    `{"error":{"message":"temperature should be in [0, 1] for this model"}}`,
  ])("%s", (body) => {
    const found = complaintsIn(body).map((complaint) =>
      refusedParameter(complaint, requestWith("max_tokens")),
    );
    expect(found.length).toBeGreaterThan(0);
    expect(found.filter(Boolean)).toEqual([]);
  });
});

test("a value out of bounds stays the reader's beside a refusal", () => {
  const body = `{"detail":[{"type":"less_than_equal","loc":["body","temperature"],"msg":"Input should be less than or equal to 2"},{"type":"extra_forbidden","loc":["body","reasoning_effort"],"msg":"Extra inputs are not permitted"}]}`;
  expect(
    complaintsIn(body).map((complaint) =>
      refusedParameter(complaint, requestWith("max_tokens")),
    ),
  ).toEqual([undefined, "reasoning_effort"]);
});

test("only a parameter that was sent can be refused", () => {
  const [complaint] = complaintsIn(refusals[0]!.body.error!.message);
  expect(refusedParameter(complaint!, { max_completion_tokens: 5 })).toBe(
    "max_completion_tokens",
  );
  expect(refusedParameter(complaint!, { temperature: 1 })).toBeUndefined();
});

test.each<[Parameters, ParameterName, ParameterName[], Parameters | undefined]>(
  [
    [{ max_tokens: 5 }, "max_tokens", [], { max_completion_tokens: 5 }],
    [
      { max_completion_tokens: 5 },
      "max_completion_tokens",
      [],
      { max_tokens: 5 },
    ],
    [
      { max_completion_tokens: 5 },
      "max_tokens",
      [],
      { max_completion_tokens: 5 },
    ],
    [{ max_tokens: 5 }, "max_tokens", ["max_completion_tokens"], undefined],
    [
      { max_completion_tokens: 5 },
      "max_completion_tokens",
      ["max_tokens"],
      undefined,
    ],
    [
      { temperature: 1 },
      "temperature",
      [],
      { temperature: 1, reasoning_effort: "none" },
    ],
    [
      { temperature: 1, reasoning_effort: "none" },
      "temperature",
      [],
      { reasoning_effort: "none" },
    ],
    [{ temperature: 1 }, "temperature", ["reasoning_effort"], {}],
    [
      { temperature: 1, reasoning_effort: "none" },
      "reasoning_effort",
      [],
      { temperature: 1 },
    ],
    [
      { temperature: 1, reasoning_effort: "none" },
      "reasoning_effort",
      ["temperature"],
      {},
    ],
  ],
)(
  "%o, refused %s after %o, is respelt %o",
  (parameters, refused, before, expected) => {
    expect(respell(parameters, refused, before)).toEqual(expected);
  },
);

const OPENAI = {
  temperature: 0.7,
  max_completion_tokens: 500,
  reasoning_effort: "none",
};
const OTHERS = { temperature: 0.7, max_tokens: 500 };

describe.each([
  // The preload leads this name to the test's own server.
  ["OpenAI's first spelling", "api.openai.com", OPENAI],
  ["everyone else's", "127.0.0.1", OTHERS],
])("%s", (_name, host, first) => {
  test.each(refusals)("$from", async ({ status, refuses, body }) => {
    const { calls, env, port } = await serve((call, _index, response) => {
      const { temperature, reasoning_effort } = call.body;
      const refused =
        refuses === null ||
        (refuses === "temperature"
          ? temperature !== undefined && reasoning_effort !== "none"
          : refuses in call.body);
      if (!refused) return completion("Yes.");
      response.statusCode = status;
      return body;
    });
    const result = await run({
      env: { ...env, OPENAI_BASE_URL: `http://${host}:${port}/v1` },
    });
    const logged = requests(result.lines);
    expect(logged[0]).toMatchObject(first);
    expect(calls[0]?.body).toEqual(logged[0]);

    if (refuses === null) {
      expect(calls).toHaveLength(1);
      expect(result.status).toBe(1);
      expect(result.lines.at(-1)).toMatchObject({
        level: 60,
        msg: body.error?.message,
      });
      expect(result.lines.at(-1)?.hint).toMatch(/TEMPERATURE/);
      return;
    }
    const refusedFirst =
      refuses in first &&
      !(refuses === "temperature" && "reasoning_effort" in first);
    expect(result.status).toBe(0);
    expect(calls).toHaveLength(refusedFirst ? 3 : 2);
    const warnings = result.lines.filter(({ level }) => level === 40);
    expect(warnings.map(({ refused }) => refused)).toEqual(
      refusedFirst ? [refuses] : [],
    );
    const [accepted, second] = calls.slice(-2).map(({ body }) => body);
    expect(second).toEqual(logged[1]);
    const { messages: _first, ...spelling } = accepted!;
    const { messages: _second, ...sameSpelling } = second!;
    expect(sameSpelling).toEqual(spelling);
    if (refusedFirst)
      expect({ model: "test-model", ...warnings[0]?.parameters }).toEqual(
        spelling,
      );
  });
});

test("a temperature refused even with reasoning off is dropped", async () => {
  const { calls, env } = await serve(({ body }, _index, response) => {
    if (body.temperature === undefined) return completion("Yes.");
    response.statusCode = 400;
    return refusals[1]?.body;
  });
  const { status } = await run({ env });
  expect(status).toBe(0);
  expect(
    calls.map(({ body: { temperature, reasoning_effort } }) => [
      temperature,
      reasoning_effort,
    ]),
  ).toEqual([
    [0.7, undefined],
    [0.7, "none"],
    [undefined, "none"],
    [undefined, "none"],
  ]);
});

test("a server that refuses everything by name gets a handful of calls", async () => {
  const { calls, env } = await serve(({ body }, _index, response) => {
    response.statusCode = 400;
    const [name] = Object.keys(body)
      .filter((key) => key !== "model" && key !== "messages")
      .slice(-1);
    return { error: { message: `Unsupported parameter: ${name}` } };
  });
  const { status, lines } = await run({ env });
  expect(status).toBe(1);
  expect(calls.length).toBeLessThanOrEqual(6);
  expect(lines.at(-1)).toMatchObject({ level: 60, err: { status: 400 } });
  expect(lines.at(-1)?.msg).toMatch(/^Unsupported parameter: /);
});

test("a retry after a refusal goes on with the new spelling", async () => {
  const { calls, env } = await serve(({ body }, index, response) => {
    response.statusCode = "max_tokens" in body ? 400 : index === 1 ? 503 : 200;
    return response.statusCode === 400 ? refusals[0]?.body : completion("Yes.");
  });
  const { status, lines } = await run({ env });
  expect(status).toBe(0);
  expect(calls.map(({ body }) => "max_tokens" in body)).toEqual([
    true,
    false,
    false,
    false,
  ]);
  expect(lines.filter(({ refused }) => refused)).toHaveLength(1);
});
