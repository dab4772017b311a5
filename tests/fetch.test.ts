import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { onlineFetch } from "../exercises/common/fetch.ts";
import { logger } from "../exercises/common/logger.ts";
import { apiError, completion, startServer } from "./helpers.ts";

const CHAT = "http://server/v1/chat/completions?api-version=1";
const OTHER = "http://server/v1/embeddings";

/** Posts a request to a server that sends this response. */
function post(response: Response, url = CHAT, request: object = {}) {
  vi.stubGlobal("fetch", async () => response);
  return onlineFetch(url, { method: "POST", body: JSON.stringify(request) });
}

const json = { "content-type": "application/json" };
const events = { "content-type": "text/event-stream; charset=utf-8" };
const yes = JSON.stringify(completion("Yes."));

describe("a good response is passed on as it came:", () => {
  test.each<[what: string, response: Response, url?: string]>([
    ["a completion", Response.json(completion("Yes."))],
    ["no error", Response.json({ ...completion("Yes."), error: null })],
    ["no choices yet", Response.json({ choices: [] })],
    ["anything from another endpoint", new Response("Yes."), OTHER],
    ["nothing from another endpoint", new Response(null), OTHER],
    ["a stored completion", new Response("{}"), `${OTHER}/chat/completions/1`],
  ])("%s", async (_, response, url) => {
    expect(await post(response, url)).toBe(response);
    expect(response.bodyUsed).toBe(false);
  });

  test("an endless stream that the request asked for", async () => {
    const endless = new Response(new ReadableStream(), { headers: events });
    expect(await post(endless, CHAT, { stream: true })).toBe(endless);
  });

  test("anything that is read with another method", async () => {
    const response = Response.json({ data: [] });
    vi.stubGlobal("fetch", async () => response);
    expect(await onlineFetch(CHAT, { method: "GET" })).toBe(response);
  });
});

test.each<Record<string, string>>([
  { "content-type": "text/plain" },
  { "content-type": "text/json" },
  {},
])(
  "a completion is JSON, whatever its content type says: %j",
  async (headers) => {
    const body = new TextEncoder().encode(yes);
    const sent = new Response(body, { status: 203, headers });
    sent.headers.set("x-request-id", "req_42");
    const response = await post(sent);
    expect(response.status).toBe(203);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("x-request-id")).toBe("req_42");
    expect(await response.text()).toBe(yes);
  },
);

const page = `<html>\n${"x".repeat(400)}</html>`;
const hidden = apiError("Provider returned error", {
  code: 400,
  metadata: { raw: "Too large." },
});
const inChoice = { choices: [{ error: { message: "Lost.", code: 502 } }] };
const hiddenInChoice = { choices: [hidden] };

test.each<[status: number, body: unknown, message: string]>([
  [400, apiError("Bad."), "Bad."],
  [400, { error: "Bad." }, '{"error":"Bad."}'],
  [400, { error: { code: 1 } }, '{"code":1}'],
  [400, { message: "Bad.", code: 1 }, '{"message":"Bad.","code":1}'],
  [422, { detail: [{ msg: "Bad." }] }, '{"detail":[{"msg":"Bad."}]}'],
  [400, [{ error: { message: "Bad." } }], '[{"error":{"message":"Bad."}}]'],
  [400, hidden, JSON.stringify(hidden.error)],
  [502, `\n <!--${"x".repeat(400)}-->\n<TITLE lang="en">Bad</TITLE>`, "Bad"],
  [502, "<p>\r\n  Bad\r\n</p>", "<p> Bad </p>"],
  [400, "Not a page: <title>Bad</title>", "Not a page: <title>Bad</title>"],
  [503, page, `<html> ${"x".repeat(292)}…`],
  [500, "", "500 Oh no"],
])("%i %j: the message is %s", async (status, body, message) => {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const options = { status, statusText: "Oh no", headers: { "x-a": "b" } };
  for (const url of [CHAT, OTHER]) {
    const response = await post(new Response(text, options), url);
    expect(response.status).toBe(status);
    expect(response.headers.get("x-a")).toBe("b");
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toMatchObject({ error: { message } });
  }
});

test("an event stream may be an error, too", async () => {
  const error = new Response("Bad.", { status: 400, headers: events });
  const response = await post(error, CHAT, { stream: true });
  expect(await response.json()).toEqual({ error: { message: "Bad." } });
});

test("an error keeps its fields", async () => {
  const body = apiError("Bad.", { code: "no", param: "p", extra: [1] });
  const response = await post(Response.json(body, { status: 400 }));
  expect(await response.json()).toEqual(body);
});

test.each<[body: string, words: string]>([
  ["{}", "{}"],
  ["null", "null"],
  ['{"choices":null}', '{"choices":null}'],
  ['{"detail":"Not authenticated"}', '{"detail":"Not authenticated"}'],
  ['{"error":"Bad endpoint."}', '{"error":"Bad endpoint."}'],
  ['{"choices":[],"error":{"a":1}}', '{"a":1}'],
  ["Ollama is running", "Ollama is running"],
  ['{"choices":[{"mess', '{"choices":[{"mess'],
  ["data: {}\n\n", "data: {}"],
  ["", "200 OK"],
  [JSON.stringify(apiError("Bad.")), "Bad."],
  [JSON.stringify(apiError("Bad.", { code: "x" })), "Bad."],
  [JSON.stringify(apiError("Bad.", { code: 200 })), "Bad."],
  [JSON.stringify(apiError("Bad.", { code: 1211 })), "Bad."],
])("a response that says OK and isn't good: %s", async (body, words) => {
  const response = await post(new Response(body, { statusText: "OK" }));
  expect(response.status).toBe(502);
  const { error } = await response.json();
  expect(error).toMatchObject({
    message: `Unexpected response: ${words}`,
    code: "unexpected_response",
  });
});

test.each<[body: object, status: number, message: string]>([
  [apiError("Slow down.", { code: 429 }), 429, "Slow down."],
  [inChoice, 502, "Lost."],
  [hiddenInChoice, 400, JSON.stringify(hidden.error)],
])("an error's own status counts: %j", async (body, status, message) => {
  const response = await post(Response.json(body));
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({
    error: { message: `Unexpected response: ${message}`, code: status },
  });
});

test.each([204, 304])("a response without a body: %i", async (status) => {
  const response = await post(new Response(null, { status }));
  expect(response.status).toBe(502);
  const { error } = await response.json();
  expect(error.message).toBe(`Unexpected response: ${status}`);
});

test("a redirect isn't followed", async () => {
  const headers = { location: "/v2/chat/completions" };
  const { baseURL, calls } = await startServer({
    status: 307,
    headers,
    body: "",
  });
  const url = `${baseURL}/chat/completions`;
  const response = await onlineFetch(url, { method: "POST", body: "{}" });
  const { error } = await response.json();
  expect(error.message).toBe("Unexpected response: 307 Temporary Redirect");
  expect(calls).toHaveLength(1);
});

// A real server, because `new Response` rejects such a status.
test("an impossible status", async () => {
  const { baseURL } = await startServer({ status: 999, body: "Denied" });
  const url = `${baseURL}/embeddings`;
  const response = await onlineFetch(url, { method: "POST" });
  expect(response.status).toBe(502);
  const { error } = await response.json();
  expect(error.message).toBe("Unexpected response: Denied");
});

describe("while a request is under way", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("a line says so every ten seconds, until the body has arrived", async () => {
    const info = vi.spyOn(logger, "info").mockReturnValue();
    const wait = () => new Promise((resolve) => setTimeout(resolve, 12_000));
    vi.stubGlobal("fetch", async () => {
      await wait();
      const body = new ReadableStream({
        async start(controller) {
          await wait();
          controller.close();
        },
      });
      return new Response(body);
    });
    const response = onlineFetch(CHAT, { method: "POST" });
    await vi.advanceTimersByTimeAsync(60_000);
    await response;
    expect(info.mock.calls).toEqual([
      ["Still waiting for the server after 10 seconds"],
      ["Still waiting for the server after 20 seconds"],
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a failure ends the wait", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new Error("No.")));
    await expect(onlineFetch(CHAT)).rejects.toThrow("No.");
    expect(vi.getTimerCount()).toBe(0);
  });
});
