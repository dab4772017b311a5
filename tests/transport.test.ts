import { expect, test, vi } from "vitest";
import { respellingFetch } from "../exercises/common/transport.ts";
import { completion } from "./harness.ts";

test("the clock of a wait stops with the reply", async () => {
  vi.useFakeTimers();
  const ask = respellingFetch(async () => {
    expect(vi.getTimerCount()).toBe(1);
    return Response.json(completion("Yes."));
  }, []);
  const response = await ask("", { method: "POST", body: "{}" });
  expect(await response.json()).toEqual(completion("Yes."));
  expect(vi.getTimerCount()).toBe(0);
});
