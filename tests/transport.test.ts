import { expect, test, vi } from "vitest";
import type { ParameterName } from "../exercises/common/parameters.ts";
import { respellingFetch } from "../exercises/common/transport.ts";
import { completion } from "./harness.ts";

test.each([401, 404, 500])(
  "a %s is no refusal, whatever it says",
  async (status) => {
    const refused: ParameterName[] = [];
    const error = { message: "Unsupported parameter: 'max_tokens'" };
    const send = async () => Response.json({ error }, { status });
    const ask = respellingFetch(send, refused);
    const body = JSON.stringify({ max_tokens: 5 });
    expect((await ask("", { method: "POST", body })).status).toBe(status);
    expect(refused).toEqual([]);
  },
);

test.sequential("the clock of a wait stops with the reply", async () => {
  vi.useFakeTimers();
  const ask = respellingFetch(async () => {
    expect(vi.getTimerCount()).toBe(1);
    return Response.json(completion("Yes."));
  }, []);
  const response = await ask("", { method: "POST", body: "{}" });
  expect(await response.json()).toEqual(completion("Yes."));
  expect(vi.getTimerCount()).toBe(0);
});
