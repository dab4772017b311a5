import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { compatFetch } from "../exercises/common/compat.ts";
import { logger } from "../exercises/common/logger.ts";
import { apiError, completion } from "./helpers.ts";
import refusals from "./refusals.json" with { type: "json" };

const LOCAL = "http://127.0.0.1/v1/chat/completions";
const OPENAI = "https://api.openai.com/v1/chat/completions";
const LOOKALIKE = "https://api.openai.com.example/v1/chat/completions";
const REQUESTED = { temperature: 0.7, max_tokens: 500 };
const LIMIT = { max_completion_tokens: 500 };
const VARIANTS = [
  REQUESTED,
  { temperature: 0.7, ...LIMIT, reasoning_effort: "none" },
  { temperature: 0.7, ...LIMIT },
  LIMIT,
  { max_tokens: 500 },
];
/** A server that rejects these accepts no variant. */
const NAMES = ["max_tokens", "reasoning_effort", "max_completion_tokens"];

type Reply = { status?: number; headers?: HeadersInit; body: unknown };

/**
 * Connects to a server that responds with what `reject` returns, or with a
 * completion. `sent` has the parameters of each request.
 */
function connectTo(reject: (sent: object) => Reply | undefined) {
  const sent: object[] = [];
  const send = compatFetch(async (_url, init) => {
    const { model, messages, ...parameters } = JSON.parse(String(init?.body));
    sent.push(parameters);
    const accepted = { status: 200, body: completion("Yes.") };
    const { body, ...options } = reject(parameters) ?? accepted;
    return Response.json(body, { status: 400, ...options });
  });
  const call = (parameters: object = REQUESTED, url = LOCAL) => {
    const request = { model: "m", messages: [], ...parameters };
    return send(url, { method: "POST", body: JSON.stringify(request) });
  };
  return { sent, call };
}

/** Rejects the parameters with these names, one at a time. */
const rejecting = (names: string[], reply?: Reply) =>
  connectTo((sent) => {
    const param = names.find((name) => name in sent);
    const body = apiError(`No ${param}`, { param });
    return param ? (reply ?? { body }) : undefined;
  });

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("when the server rejects a parameter", () => {
  test.each(refusals.filter(({ refuses }) => refuses))(
    "sends parameters that the server accepts: $from",
    async ({ refuses, status, body }) => {
      for (const url of [LOCAL, OPENAI]) {
        const { call } = rejecting([String(refuses)], { status, body });
        expect((await call(REQUESTED, url)).status).toBe(200);
      }
    },
  );

  test.each([
    [LOCAL, VARIANTS],
    [OPENAI, VARIANTS.slice(1)],
    [LOOKALIKE, VARIANTS],
  ])("sends the variants in order to %s", async (url, variants) => {
    const { sent, call } = rejecting(NAMES);
    expect((await call(REQUESTED, url)).status).toBe(400);
    expect(sent).toEqual(variants);
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
  ])("sends the next variant for the error %j", async (body) => {
    const warn = vi.spyOn(logger, "warn");
    const { sent, call } = rejecting(["max_tokens"], { status: 422, body });
    expect((await call()).status).toBe(200);
    expect(sent).toEqual(VARIANTS.slice(0, 2));
    expect(warn.mock.calls[0]?.[0]).toEqual({ rejected: "max_tokens" });
  });

  test("quotes the server's message on one line, truncated between words", async () => {
    const warn = vi.spyOn(logger, "warn");
    const message = `No max_tokens.\n${"words ".repeat(200)}`;
    await rejecting(["max_tokens"], { body: { message } }).call();
    const text = String(warn.mock.calls[0]?.[1]);
    expect(text).toMatch(
      /rejected max_tokens: No max_tokens\. words .*words …$/,
    );
    expect(text.length).toBeLessThan(350);
  });

  test("logs the parameters that it sends instead, in later calls too", async () => {
    const info = vi.spyOn(logger, "info");
    const { call } = rejecting(["max_tokens"]);
    await call();
    await call();
    const logged = info.mock.calls.map(([fields]) => fields);
    const parameters = VARIANTS[1];
    expect(logged).toEqual([{ parameters }, { parameters }]);
  });

  test("starts the next call with the variant that worked", async () => {
    const { sent, call } = rejecting(["max_tokens", "reasoning_effort"]);
    await call();
    await call();
    expect(sent).toEqual([0, 1, 2, 2].map((i) => VARIANTS[i]));
  });

  test("calls in parallel agree on the variant that worked", async () => {
    const body = apiError("No temperature");
    const { sent, call } = connectTo((sent) =>
      "reasoning_effort" in sent ? undefined : { body },
    );
    await Promise.all([call(), call(), call()]);
    await call();
    expect(sent.at(-1)).toEqual(VARIANTS[1]);
  });

  test("starts with the first variant again if none worked", async () => {
    const names = [...NAMES];
    const { sent, call } = rejecting(names);
    await call();
    names.length = 0; // From here on, the server accepts everything.
    await call();
    expect(sent).toEqual([...VARIANTS, REQUESTED]);
  });

  test("returns the server's error for an out-of-range value", async () => {
    const { sent, call } = rejecting(["max_tokens", "temperature"]);
    const response = await call({ temperature: 3, max_tokens: 500 });
    const error = { message: "No temperature" };
    expect(await response.json()).toMatchObject({ error });
    expect(sent).toHaveLength(2);
  });

  test("keeps the parameters that a reader adds", async () => {
    const { sent, call } = rejecting(["max_tokens"]);
    const added = { top_p: 0.5, reasoning_effort: "low" };
    await call({ ...REQUESTED, ...added });
    expect(sent[1]).toEqual({ ...VARIANTS[1], ...added });
  });

  test("returns the first error, followed by later messages that differ", async () => {
    const response = await rejecting(NAMES).call();
    const message = NAMES.map((name) => `No ${name}`).join("; ");
    const error = { message, param: "max_tokens" };
    expect(await response.json()).toMatchObject({ error });
  });
});

test.each<[status: number, body: unknown, parameters?: object]>([
  [401, apiError("Unsupported: max_tokens")],
  [404, apiError("Unsupported: max_tokens")],
  [500, apiError("Unsupported: max_tokens", { param: "max_tokens" })],
  [400, apiError("Unknown role: robot", { param: "messages" })],
  [400, apiError("Over max_tokens_per_day")],
  [400, refusals.at(-1)?.body, { temperature: 3 }],
  [400, apiError("Bad temperature"), { temperature: "0.7" }],
  [400, apiError("Bad max_tokens"), { max_tokens: 0 }],
  [400, apiError("Bad top_p"), { top_p: 5 }],
  [422, apiError("max_tokens is required"), { max_tokens: undefined }],
])("tries no other variant for a %i: %j, %j", async (status, body, added) => {
  const { sent, call } = connectTo(() => ({ status, body }));
  const parameters = { ...REQUESTED, ...added };
  const response = await call(parameters);
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject(body as object);
  expect(sent).toEqual([parameters]);
});

const after = (value: string) => ({ headers: { "retry-after": value } });
const inHours = (hours: number) =>
  new Date(Date.now() + hours * 3_600_000).toUTCString();

test.each<[reply: Partial<Reply>, header: string | null]>([
  [{ body: apiError("No.", { code: "insufficient_quota" }) }, "false"],
  [after("61"), "false"],
  [after("60"), null],
  [after(inHours(1)), "false"],
  [after(inHours(0)), null],
  [{}, null],
])("lets the SDK retry if that can help: %j", async (reply, header) => {
  const { call } = connectTo(() => ({ status: 429, body: {}, ...reply }));
  expect((await call()).headers.get("x-should-retry")).toBe(header);
});

describe("when a reply takes a long time", () => {
  const init = { method: "POST", body: "{}" };
  beforeEach(() => vi.useFakeTimers());

  test("says so every ten seconds until the body arrives, for each call", async () => {
    const info = vi.spyOn(logger, "info");
    const wait = () => new Promise((resolve) => setTimeout(resolve, 12_000));
    const send = compatFetch(async () => {
      await wait();
      const start = (body: ReadableStreamDefaultController) =>
        void wait().then(() => body.close());
      return new Response(new ReadableStream({ start }));
    });
    void send(LOCAL, init);
    await vi.advanceTimersByTimeAsync(5_000);
    void send(LOCAL, init);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(info.mock.calls.join()).toMatch(/^\D+10 \D+10 \D+20 \D+20 \D+$/);
  });

  test("stops when the connection breaks", async () => {
    const send = compatFetch(() => Promise.reject(new Error("reset")));
    await expect(send(LOCAL, init)).rejects.toThrow("reset");
    expect(vi.getTimerCount()).toBe(0);
  });
});
