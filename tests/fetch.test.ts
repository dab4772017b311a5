import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { wrapFetch } from "../exercises/common/fetch.ts";
import { logger } from "../exercises/common/logger.ts";
import { apiError, completion } from "./helpers.ts";

const url = "http://server/v1/chat/completions";

const events = { headers: { "content-type": "text/event-stream" } };
test.each([
  ["a completion", Response.json(completion("Yes."))],
  ["an endless stream of events", new Response(new ReadableStream(), events)],
  ["text", new Response("Yes.")],
  ["nothing", new Response(null, { status: 204 })],
  ["no error", Response.json({ error: null })],
])("passes %s on as it came", async (_what, response) => {
  expect(await wrapFetch(async () => response)(url)).toBe(response);
  expect(response.bodyUsed).toBe(false);
});

const quota = apiError("No.", { code: "insufficient_quota" });
const LATER = "Wed, 25 Nov 2026 00:00:00 GMT";
test.each<[status: number, after: string, retry: boolean, body?: object]>([
  [429, "", true],
  [429, "10", true],
  [429, "11", false],
  [429, LATER, false],
  [429, "", false, quota],
  [200, "", false, apiError("No.")],
])("%i, retry-after %j: %s", async (status, after, retry, body = {}) => {
  const headers = { "retry-after": after };
  const response = Response.json(body, { status, headers });
  const wrapped = await wrapFetch(async () => response)(url);
  const header = wrapped.headers.get("x-should-retry");
  expect(header).toBe(retry ? null : "false");
});

test("a request that times out is retried, and the log says so", async () => {
  const warn = vi.spyOn(logger, "warn").mockReturnValue();
  const send = vi.fn<typeof fetch>(
    (_url, init) =>
      new Promise((_resolve, reject) => {
        const { signal } = init ?? {};
        signal?.addEventListener("abort", () => reject(signal.reason));
      }),
  );
  const options = { apiKey: "none", baseURL: "http://server/v1" };
  const retries = { timeout: 20, maxRetries: 1, fetch: wrapFetch(send) };
  const { models } = new OpenAI({ ...options, ...retries });
  await expect(models.list()).rejects.toThrow("Request timed out.");
  expect(send).toHaveBeenCalledTimes(2);
  expect(warn.mock.calls).toEqual([["Retry 1 after an error: timeout"]]);
});

describe("while a reply takes a long time", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  test("a line every ten seconds says so, until its body arrives", async () => {
    const info = vi.spyOn(logger, "info").mockReturnValue();
    const wait = () => new Promise((resolve) => setTimeout(resolve, 12_000));
    const send = wrapFetch(async () => {
      await wait();
      const start = (body: ReadableStreamDefaultController) =>
        void wait().then(() => body.close());
      return new Response(new ReadableStream({ start }));
    });
    void send(url);
    await vi.advanceTimersByTimeAsync(5_000);
    void send(url);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(info.mock.calls.join()).toMatch(/^\D+10 \D+10 \D+20 \D+20 \D+$/);
    expect(vi.getTimerCount()).toBe(0);
  });
});
