import { exec } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import {
  bareEnvironment,
  completion,
  copyProject,
  requests,
  responses,
  roles,
  ROOT,
  run,
  serve,
  type Result,
} from "./harness.ts";

function expectOfflineConversation({ stdout, stderr, status, lines }: Result) {
  expect(stderr).toBe("");
  expect(status).toBe(0);
  expect(lines).toHaveLength(stdout.trimEnd().split("\n").length);
  expect(lines[0]).toMatchObject({ level: 40, provider: "offline" });
  expect(lines[0]?.msg).toMatch(/No model answers/);
  expect(lines.slice(1).map(({ part, level }) => [part, level])).toEqual([
    ["single-turn", 30],
    ["single-turn", 30],
    ["multi-turn", 30],
    ["multi-turn", 30],
  ]);

  const [first, second] = requests(lines);
  expect(roles(first)).toBe("system,user");
  expect(roles(second)).toBe("system,user,assistant,user");
  const [reply, other] = responses(lines);
  expect(second?.messages[2]?.content).toBe(reply?.choices[0]?.message.content);
  expect(reply?.model).toMatch(/stand-in/);
  expect(other?.usage?.prompt_tokens).toBeGreaterThan(
    reply?.usage?.prompt_tokens ?? Infinity,
  );
}

describe("with no provider", () => {
  test("the stand-in holds the conversation of the page", async () => {
    const result = await run();
    expectOfflineConversation(result);
    const { messages } = requests(result.lines)[1]!;
    expect(messages.map(({ content }) => content)).toEqual([
      "You are a knowledgeable and enthusiastic travel assistant. Help users plan trips with practical advice.",
      "What's the best time of year to visit Japan?",
      "Spring (March-May) is ideal for cherry blossoms. Autumn (September-November) offers beautiful foliage and mild weather. Both seasons have comfortable temperatures and fewer typhoons than summer.",
      "Can you suggest a 3-day itinerary for Tokyo?",
    ]);
    expect(responses(result.lines)[1]?.choices[0]?.message.content).toBe(
      "Day 1: Explore Shibuya crossing and Harajuku street fashion. Day 2: Visit Senso-ji temple in Asakusa, then Akihabara for electronics. Day 3: Day trip to Kamakura for the Great Buddha and coastal views.",
    );
  });

  test("from another working directory, with an empty key", async () => {
    const env = { OPENAI_API_KEY: "" };
    expectOfflineConversation(await run({ cwd: tmpdir(), env }));
  });

  test("with .env.example as .env", async () => {
    const folder = copyProject();
    const example = readFileSync(join(ROOT, ".env.example"), "utf8");
    writeFileSync(join(folder, ".env"), example);
    expectOfflineConversation(await run({ folder }));
  });

  test("by the README's own command, as a shell runs it", async () => {
    const readme = readFileSync(join(ROOT, "README.md"), "utf8");
    const [, command] = /^npm ci && (npx tsx .*)$/m.exec(readme) ?? [];
    const { stdout } = await promisify(exec)(String(command), {
      cwd: copyProject(),
      env: bareEnvironment(),
    });
    expect(stdout.split("\n").filter((line) => line.startsWith("{"))).toEqual(
      stdout.trimEnd().split("\n"),
    );
    expect(stdout).toContain('"part":"multi-turn"');
  });
});

describe("with a provider", () => {
  const TRICKY = 'One\nTwo\r\n"three" \\ \\n 四 🗾 \u2028 five\t.';

  test("two calls carry the list, and the log shows them as they were", async () => {
    const sent = { ...completion(TRICKY), x_unknown: { kept: [1, null] } };
    const { calls, env, baseURL } = await serve(() => sent);
    const { lines, stderr, status, lingered } = await run({ env });
    expect({ stderr, status }).toEqual({ stderr: "", status: 0 });

    expect(calls.map(({ method, path }) => [method, path])).toEqual([
      ["POST", "/v1/chat/completions"],
      ["POST", "/v1/chat/completions"],
    ]);
    for (const { headers, body } of calls) {
      expect(headers.authorization).toBe(`Bearer ${env.OPENAI_API_KEY}`);
      expect(body).toMatchObject({
        model: "test-model",
        temperature: 0.7,
        max_tokens: 500,
      });
    }
    expect(calls.map(({ body }) => roles(body))).toEqual([
      "system,user",
      "system,user,assistant,user",
    ]);
    expect(calls[1]?.body.messages.slice(0, 2)).toEqual(
      calls[0]?.body.messages,
    );
    expect(calls[1]?.body.messages[2]).toEqual({
      role: "assistant",
      content: TRICKY,
    });

    expect(lines[0]).toMatchObject({
      level: 30,
      provider: baseURL,
      model: "test-model",
    });
    expect(requests(lines)).toEqual(calls.map(({ body }) => body));
    expect(responses(lines)).toEqual([sent, sent]);
    for (const { response, duration_ms } of lines) {
      if (response) expect(duration_ms).toBeGreaterThanOrEqual(0);
    }
    // An idle connection to a server that keeps it open must not hold it up.
    expect(lingered).toBeLessThan(3000);
  });

  test("a reply that reaches the limit is warned of", async () => {
    const { env } = await serve(() =>
      completion("Spring is", { finish_reason: "length" }),
    );
    const { lines, status } = await run({ env });
    expect(status).toBe(0);
    const cuts = lines.filter(({ level }) => level === 40);
    expect(cuts).toHaveLength(2);
    expect(cuts[0]).toMatchObject({
      part: "single-turn",
      finish_reason: "length",
    });
    expect(cuts[0]?.msg).toMatch(/MAX_TOKENS/);
  });

  test("settings come from .env, and the environment wins", async () => {
    const { calls, baseURL } = await serve(() => completion("Yes."));
    const folder = copyProject();
    writeFileSync(
      join(folder, ".env"),
      `OPENAI_API_KEY="sk-file"\nOPENAI_BASE_URL=${baseURL}\nOPENAI_MODEL=file-model\n`,
    );
    const env = { OPENAI_MODEL: "env-model", OPENAI_API_KEY: " " };
    const { status, stderr } = await run({ folder, cwd: tmpdir(), env });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(calls[0]?.body.model).toBe("env-model");
    expect(calls[0]?.headers.authorization).toBe("Bearer sk-file");
  });

  test("a server that needs no key is sent none", async () => {
    const { calls, env } = await serve(() => completion("Yes."));
    const { status } = await run({ env: { ...env, OPENAI_API_KEY: "" } });
    expect(status).toBe(0);
    expect(calls).toHaveLength(2);
    expect(calls[0]?.headers).not.toHaveProperty("authorization");
  });
});
