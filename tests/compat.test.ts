import { afterEach, describe, expect, test, vi } from "vitest";
import { compatFetch } from "../exercises/common/compat.ts";
import { logger } from "../exercises/common/logger.ts";
import { apiError, completion } from "./helpers.ts";
import refusals from "./refusals.json" with { type: "json" };

const LOCAL = "http://127.0.0.1/v1/chat/completions";
const OPENAI = "https://api.openai.com/v1/chat/completions";
const REQUESTED = { temperature: 0.7, max_tokens: 500 };
const LIMIT = { max_completion_tokens: 500 };
const VARIANTS = [
  REQUESTED,
  { temperature: 0.7, ...LIMIT, reasoning_effort: "none" },
  { temperature: 0.7, ...LIMIT },
  LIMIT,
  { max_tokens: 500 },
];

type Answer = { status?: number; headers?: HeadersInit; body: unknown };

/**
 * Connects to a server that answers with what `reject` returns, or else with a
 * completion. `sent` has the parameters of each request.
 */
function connectTo(reject: (sent: object) => Answer | undefined) {
  const sent: object[] = [];
  const send = compatFetch(async (_url, init) => {
    const { model, messages, ...parameters } = JSON.parse(String(init?.body));
    sent.push(parameters);
    const accepted = { status: 200, body: completion("Yes.") };
    const { body, ...options } = reject(parameters) ?? accepted;
    return Response.json(body, { status: 400, ...options });
  });
  const call = async (parameters: object = REQUESTED, url = LOCAL) => {
    const request = { model: "m", messages: [], ...parameters };
    const init = { method: "POST", body: JSON.stringify(request) };
    const response = await send(url, init);
    const { status, headers } = response;
    return { status, headers, body: await response.json() };
  };
  return { sent, call };
}

/** Rejects the parameters with these names, one at a time. */
const rejecting = (...names: string[]) =>
  connectTo((sent) => {
    const name = names.find((name) => name in sent);
    return name ? { body: apiError(`No ${name}, please.`) } : undefined;
  });

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("when the server rejects a parameter", () => {
  const rejections = refusals.filter(({ refuses }) => refuses !== null);

  describe.each([LOCAL, OPENAI])("of a request to %s", (url) => {
    test.each(rejections)("sends what it accepts: $from", async (rejection) => {
      const { call } = connectTo((sent) => {
        const { refuses, status, body } = rejection;
        const isAccepted =
          refuses === "temperature"
            ? !("temperature" in sent) || "reasoning_effort" in sent
            : !(String(refuses) in sent);
        return isAccepted ? undefined : { status, body };
      });
      expect(await call(REQUESTED, url)).toMatchObject({ status: 200 });
    });
  });

  test.each([
    [LOCAL, VARIANTS],
    [OPENAI, VARIANTS.slice(1)],
    ["https://api.openai.com.example/v1/chat/completions", VARIANTS],
  ])("sends the variants in order to %s", async (url, variants) => {
    const { sent, call } = connectTo((sent) => {
      return { body: apiError(`No ${Object.keys(sent).at(-1)}.`) };
    });
    const { status } = await call(REQUESTED, url);
    expect({ status, sent }).toEqual({ status: 400, sent: variants });
  });

  test.each([
    { message: "max_tokens is not supported" },
    { message: "Max_Tokens is deprecated" },
    { message: "参数max_tokens不受支持" },
    { message: "Le paramètre « max_tokens » est inconnu." },
    { message: "unknown field `max_tokens`, expected `temperature`" },
    { message: "1 validation error: max_tokens\n  extra fields" },
    { detail: [{ loc: ["body", "max_tokens"], msg: "Extra inputs" }] },
    apiError("Unsupported parameter.", { param: "max_tokens" }),
  ])("moves on, in whatever words it is named: %j", async (body) => {
    const warn = vi.spyOn(logger, "warn");
    const { sent, call } = connectTo((sent) =>
      "max_tokens" in sent ? { status: 422, body } : undefined,
    );
    expect(await call()).toMatchObject({ status: 200 });
    expect(sent).toEqual(VARIANTS.slice(0, 2));
    expect(warn.mock.calls[0]?.[0]).toEqual({ rejected: "max_tokens" });
  });

  test("quotes the server on one line, cut between words", async () => {
    const warn = vi.spyOn(logger, "warn");
    const message = `No max_tokens.\n${"word ".repeat(200)}`;
    const { call } = connectTo((sent) =>
      "max_tokens" in sent ? { body: { message } } : undefined,
    );
    await call();
    const text = String(warn.mock.calls[0]?.[1]);
    expect(text).toMatch(
      /rejected max_tokens: No max_tokens\. word .* word …$/,
    );
    expect(text.length).toBeLessThan(350);
  });

  test("logs the parameters that it sends instead, in later calls too", async () => {
    const info = vi.spyOn(logger, "info");
    const { call } = rejecting("max_tokens");
    await call();
    await call();
    const parameters = info.mock.calls.map(([fields]) => fields);
    expect(parameters).toEqual(
      [1, 1].map((i) => ({ parameters: VARIANTS[i] })),
    );
  });

  test("starts the next call with the variant that worked", async () => {
    const { sent, call } = rejecting("max_tokens", "reasoning_effort");
    await call();
    await call();
    expect(sent).toEqual([0, 1, 2, 2].map((i) => VARIANTS[i]));
  });

  test("calls in parallel agree on the variant that worked", async () => {
    const { sent, call } = connectTo((sent) =>
      "reasoning_effort" in sent
        ? undefined
        : { body: apiError("No temperature.") },
    );
    await Promise.all([call(), call(), call()]);
    await call();
    expect(sent.at(-1)).toEqual(VARIANTS[1]);
  });

  test("starts again if no variant worked", async () => {
    let body: unknown = apiError(
      "No temperature, max_tokens or max_completion_tokens.",
    );
    const { sent, call } = connectTo(() => (body ? { body } : undefined));
    await call();
    body = undefined;
    await call();
    expect(sent).toEqual([...VARIANTS, REQUESTED]);
  });

  test("keeps the parameters that a reader adds", async () => {
    const { sent, call } = rejecting("max_tokens");
    const added = { top_p: 0.5, reasoning_effort: "low" };
    await call({ ...REQUESTED, ...added });
    expect(sent[1]).toEqual({ ...VARIANTS[1], ...added });
  });

  test("returns the first error and what is different in later ones", async () => {
    const { call } = connectTo((sent) => {
      const name = Object.keys(sent).at(-1);
      return { body: apiError(`No ${name}`, { param: name }) };
    });
    expect((await call()).body.error).toMatchObject({
      message: "No max_tokens; No reasoning_effort; No max_completion_tokens",
      param: "max_tokens",
    });
  });
});

describe("sends a request once", () => {
  test.each<[status: number, body: unknown, parameters?: object]>([
    [401, apiError("Unsupported: max_tokens")],
    [404, apiError("Unsupported: max_tokens")],
    [500, apiError("Unsupported: max_tokens", { param: "max_tokens" })],
    [400, apiError("Unknown role: robot", { param: "messages" })],
    [400, apiError("Bad temperature"), { temperature: 3 }],
    [400, apiError("Bad temperature"), { temperature: -0.1 }],
    [400, apiError("Bad temperature"), { temperature: "0.7" }],
    [400, apiError("Bad max_tokens"), { max_tokens: 0 }],
    [400, apiError("Bad max_tokens"), { max_tokens: 1.5 }],
    [400, apiError("Bad max_tokens"), { max_tokens: "500" }],
    [400, refusals.at(-1)?.body, { temperature: 3 }],
  ])("for a %i with %j and %j", async (status, body, parameters) => {
    const { sent, call } = connectTo(() => ({ status, body }));
    const requested = { ...REQUESTED, ...parameters };
    expect(await call(requested)).toMatchObject({ status, body });
    expect(sent).toEqual([requested]);
  });
});

test.each<[what: string, answer: Answer, shouldRetry: string | null]>([
  [
    "no credit",
    { body: apiError("No.", { code: "insufficient_quota" }) },
    "false",
  ],
  ["an hour", { headers: { "retry-after": "3600" }, body: {} }, "false"],
  ["a minute", { headers: { "retry-after": "60" }, body: {} }, null],
  ["no time", { body: apiError("Slow down.") }, null],
])(
  "lets the SDK retry a 429 only if it may help: %s",
  async (_what, answer, shouldRetry) => {
    const { call } = connectTo(() => ({ status: 429, ...answer }));
    const { headers } = await call();
    expect(headers.get("x-should-retry")).toBe(shouldRetry);
  },
);

describe("while a reply takes long", () => {
  const init = { method: "POST", body: "{}" };

  test("says so every ten seconds, for each call", async () => {
    vi.useFakeTimers();
    const info = vi.spyOn(logger, "info");
    const replies: ((response: Response) => void)[] = [];
    const send = compatFetch(
      () => new Promise((resolve) => replies.push(resolve)),
    );
    const first = send(LOCAL, init);
    await vi.advanceTimersByTimeAsync(5_000);
    const second = send(LOCAL, init);
    await vi.advanceTimersByTimeAsync(15_000);
    const seconds = info.mock.calls.map(
      ([text]) => /\d+/.exec(String(text))?.[0],
    );
    expect(seconds).toEqual(["10", "10", "20"]);

    replies[0]?.(Response.json(completion("One.")));
    await first;
    expect(vi.getTimerCount()).toBe(1);
    replies[1]?.(Response.json(completion("Two.")));
    await second;
    expect(vi.getTimerCount()).toBe(0);
  });

  test("stops when the connection breaks", async () => {
    vi.useFakeTimers();
    const send = compatFetch(() => Promise.reject(new Error("reset")));
    await expect(send(LOCAL, init)).rejects.toThrow("reset");
    expect(vi.getTimerCount()).toBe(0);
  });
});
