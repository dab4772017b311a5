import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { compatFetch } from "../exercises/common/compat.ts";
import { logger } from "../exercises/common/logger.ts";
import { apiError, completion } from "./helpers.ts";
import rejections from "./rejections.json" with { type: "json" };

const LOCAL = "http://127.0.0.1/v1/chat/completions";
const OPENAI = "https://api.openai.com/v1/chat/completions";
const REQUESTED = { temperature: 0.7, max_tokens: 500 };
const LIMIT = { max_completion_tokens: 500 };
const VARIANTS = [
  REQUESTED,
  { temperature: 0.7, ...LIMIT, reasoning_effort: "none" },
  { temperature: 0.7, ...LIMIT },
  LIMIT,
];
/** A server that rejects these accepts no variant. */
const NAMES = "max_tokens reasoning_effort temperature max_completion_tokens";

type Reply = { status?: number; headers?: HeadersInit; body: unknown };
const code = "unsupported_parameter";
const unsupported = (param: string, end = ""): Reply => ({
  body: apiError(`No ${param}${end}`, { param, code }),
});

/** Connects to a server. `sent` has the parameters of each request. */
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
const rejecting = (names: string, reply?: Reply) =>
  connectTo((sent) => {
    const name = names.split(" ").find((name) => name in sent);
    return name ? (reply ?? unsupported(name)) : undefined;
  });

test.each(rejections.filter(({ retry }) => retry))(
  "sends what the server accepts: $rejects, $from",
  async ({ rejects, ...reply }) => {
    for (const url of [LOCAL, OPENAI]) {
      const { sent, call } = connectTo((request) => {
        if (rejects in request) return reply;
        return "max_tokens" in request ? unsupported("max_tokens") : undefined;
      });
      expect((await call(REQUESTED, url)).status).toBe(200);
      // OpenAI never gets max_tokens.
      const isSent = url === LOCAL || rejects !== "max_tokens";
      expect(sent.some((each) => rejects in each)).toBe(isSent);
    }
  },
);

test.each(rejections.filter(({ retry }) => !retry))(
  "fails at once, in the server's words: $rejects, $from",
  async ({ from, rejects, ...reply }) => {
    const { sent, call } = rejecting(rejects, reply);
    const response = await call(REQUESTED, LOCAL);
    expect(response.status).toBe(reply.status);
    expect(sent).toEqual([REQUESTED]);
    const { message } = (await response.json()).error;
    expect(JSON.stringify(reply.body)).toContain(JSON.stringify(message));
  },
);

test.each([
  [LOCAL, VARIANTS, "max_tokens"],
  [OPENAI, VARIANTS.slice(1), "reasoning_effort"],
])("returns the first error: %s", async (url, variants, first) => {
  const { sent, call } = rejecting(NAMES);
  for (const number of ["first call", "next call"]) {
    const { error } = await (await call(REQUESTED, url)).json();
    expect(error.message, number).toBe(`No ${first}`);
  }
  expect(sent).toEqual([...variants, ...variants]);
});

test("quotes the server's message on one line", async () => {
  const warn = vi.spyOn(logger, "warn");
  const reply = unsupported("max_tokens", `.\n${"x".repeat(400)}`);
  await rejecting("max_tokens", reply).call();
  const text = warn.mock.calls[0]?.[0];
  expect(text).toMatch(/rejected max_tokens.*\(No max_tokens\. x{285}…\)$/);
});

test("starts the next call for a model with the variant that worked", async () => {
  const { sent, call } = rejecting("max_tokens reasoning_effort");
  for (const model of ["m", "m", "n"]) await call({ model, ...REQUESTED });
  expect(sent).toEqual([0, 1, 2, 2, 0, 1, 2].map((i) => VARIANTS[i]));
});

const warm = { temperature: 0.7 };
const low = { reasoning_effort: "low" };
test.each<[given: object, rejected: string, sent: object[]]>([
  [{ ...REQUESTED, ...low }, "max_tokens", [{ ...warm, ...LIMIT, ...low }]],
  [{ max_tokens: 500, n: 1 }, "max_tokens", [{ ...LIMIT, n: 1 }]],
  [warm, "temperature", [{ ...warm, reasoning_effort: "none" }, warm, {}]],
])("keeps what the reader asks for: %j", async (given, name, variants) => {
  const { sent, call } = rejecting(name);
  await call(given);
  expect(sent.slice(1)).toEqual(variants);
});

test.each<[status: number, fields: object, parameters?: object]>([
  [500, { param: "max_tokens" }],
  [400, { param: "top_p" }, { top_p: 5 }],
  [400, { param: null }],
  [400, { param: "max_tokens", code: "invalid_value" }],
  [400, { param: "reasoning_effort" }, { reasoning_effort: "low" }],
])("tries no other variant for a %i with %j", async (status, fields, added) => {
  const body = apiError("No max_tokens", { code, ...fields });
  const { sent, call } = connectTo(() => ({ status, body }));
  const response = await call({ ...REQUESTED, ...added });
  expect(await response.json()).toMatchObject({ error: fields });
  expect(sent).toEqual([{ ...REQUESTED, ...added }]);
});

test.each([
  [OPENAI, [VARIANTS[1], "sent", VARIANTS[1], "sent"]],
  [LOCAL, ["sent", "sent"]],
])("logs what differs before each call to %s", async (url, expected) => {
  const events: unknown[] = [];
  const log = (fields: unknown) => void events.push(Object(fields).parameters);
  vi.spyOn(logger, "info").mockImplementation(log);
  const { call } = connectTo(() => void events.push("sent"));
  await call(REQUESTED, url);
  await call(REQUESTED, url);
  expect(events).toEqual(expected);
});

const events = { headers: { "content-type": "text/event-stream" } };
const chat = (stream: boolean) =>
  JSON.stringify({ model: "m", messages: [], max_tokens: 5, stream });

test.each<[request: string, url: string, body?: string]>([
  ["POST", "https://api.openai.com/v1/embeddings", chat(false)],
  ["POST", "https://api.openai.com/v1/responses", chat(true)],
  ["POST", LOCAL, chat(true)],
  ["GET", "https://api.openai.com/v1/models"],
  ["GET", OPENAI],
])("passes on what needs no change: %s %s %s", async (method, url, body) => {
  const endless = new Response(new ReadableStream(), events);
  const send = vi.fn<typeof fetch>(async () => endless);
  const init = { method, ...(body && { body }) };
  expect(await compatFetch(send)(url, init)).toBe(endless);
  expect(send.mock.lastCall?.[1]?.body).toBe(body);
});

test.each<[stream: boolean, reply: Response]>([
  [true, Response.json(completion("Yes."))],
  [false, new Response("data: 1", events)],
])("stream: %j makes the other kind an error", async (stream, reply) => {
  const send = compatFetch(async () => reply);
  const response = await send(LOCAL, { method: "POST", body: chat(stream) });
  expect(response.ok).toBe(false);
  expect(await response.text()).toContain("Unexpected response: ");
});

const quota = apiError("No.", { code: "insufficient_quota" });
const now = new Date().toUTCString();
const inAnHour = new Date(Date.now() + 3_600_000).toUTCString();

test.each<[after: string, ms: string, retry: boolean, body?: object]>([
  ["10", "", true],
  ["11", "", false],
  [now, "", true],
  [inAnHour, "", false],
  ["", "10001", false],
  ["61", "9000", true],
  ["", "", false, quota],
])("retry-after %j, -ms %j: %s", async (after, ms, retry, body = {}) => {
  const headers = { "retry-after": after, "retry-after-ms": ms };
  const { call } = connectTo(() => ({ status: 429, headers, body }));
  const header = (await call()).headers.get("x-should-retry");
  expect(header).toBe(retry ? null : "false");
});

describe("while a reply takes a long time", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  test("a line every ten seconds says so, for each call, until its body arrives", async () => {
    const info = vi.spyOn(logger, "info");
    const wait = () => new Promise((resolve) => setTimeout(resolve, 12_000));
    const send = compatFetch(async () => {
      await wait();
      const start = (body: ReadableStreamDefaultController) =>
        void wait().then(() => body.close());
      return new Response(new ReadableStream({ start }));
    });
    void send(LOCAL, { method: "POST", body: "{}" });
    await vi.advanceTimersByTimeAsync(5_000);
    void send(LOCAL, { method: "POST", body: "{}" });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(info.mock.calls.join()).toMatch(/^\D+10 \D+10 \D+20 \D+20 \D+$/);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("no line comes after the connection breaks", async () => {
    const send = compatFetch(() => Promise.reject(new Error("reset")));
    await expect(send(LOCAL)).rejects.toThrow("Could not reach 127.0.0.1");
    expect(vi.getTimerCount()).toBe(0);
  });
});
