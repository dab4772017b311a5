import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { parse } from "dotenv";
import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { checkSettings, readSettings } from "../exercises/common/env.ts";
import { explain } from "../exercises/common/failure.ts";
import { draw } from "../exercises/common/view.ts";
import {
  completion,
  copyProject,
  LESSON,
  ROOT,
  run,
  serve,
  type Result,
} from "./harness.ts";

const read = (file: string) => readFileSync(join(ROOT, file), "utf8");
const readme = read("README.md");
const lesson = read(LESSON).split("\n");
const envExample = read(".env.example");

/** The code blocks of one language. */
const blocks = (language: string, text = readme) =>
  [
    ...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms")),
  ].map(([, block = ""]) => block);

/** The part of the README below a heading. */
const section = (heading: string) =>
  readme.split(/^## /m).find((part) => part.startsWith(heading)) ?? "";

/** The rows of the table in a section, without its head, as trimmed cells. */
const rows = (heading: string) =>
  section(heading)
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .slice(2)
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

/** What an output quoted in the README matches: any time, and anything for an ellipsis. */
function pattern(quoted: string): RegExp {
  const source = quoted
    .trimEnd()
    .replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
    .replace(/\b\d\d:\d\d:\d\d\b/g, "\\d\\d:\\d\\d:\\d\\d")
    .replace(/(seconds )\d\\.\d/g, "$1\\d+\\.\\d")
    .replace(/("time":)\d+/g, "$1\\d+")
    .replace(/\s*…\s*/g, "[^]*?");
  return new RegExp(source);
}

// The exercise as it comes, run once for all that quote it.
const plainRun = run();

/** What a person sees of a run in a terminal. */
const screen = ({ lines }: Result) =>
  stripVTControlCharacters(lines.map(draw).join(""));

describe("what you see", () => {
  const [terminal, pipe] = [blocks("text")[0]!, blocks("json")[0]!];

  test("in a terminal", async () => {
    const whole = new RegExp(`^${pattern(terminal).source}\n$`);
    expect(screen(await plainRun)).toMatch(whole);
  });

  test("in a pipe", async () => {
    const { stdout } = await plainRun;
    expect(stdout.split("\n")[1]).toMatch(
      new RegExp(`^${pattern(pipe).source}$`),
    );
  });
});

test("the lines of code stand in the lesson, in that order but for the call", () => {
  const quoted = blocks("ts")
    .flatMap((block) => block.split("\n"))
    .filter(Boolean);
  expect(quoted).toHaveLength(5);
  const places = quoted.map((line) =>
    lesson.findIndex((text) => text.trim() === line),
  );
  expect(places.every((place) => place >= 0)).toBe(true);
  expect(places).toEqual(places.toSorted((a, b) => a - b));
});

test("the conversation is the one that is held", async () => {
  const { lines } = await plainRun;
  const { messages } = lines.findLast(({ request }) => request)!.request!;
  const { message } = lines.findLast(({ response }) => response)!.response!
    .choices[0]!;
  const held = [...messages, message];
  const table = rows("How it works");
  expect(table).toHaveLength(held.length);
  for (const [index, [number, role, content = ""]] of table.entries()) {
    expect([number, role]).toEqual([`${index + 1}`, held[index]?.role]);
    expect(held[index]?.content).toMatch(
      new RegExp(`^${pattern(content).source}$`),
    );
  }
});

const experiments = section("Experiments").split(/^### /m).slice(1);

test("there are six to eight experiments, and each says what it needs", () => {
  expect(experiments.length).toBeGreaterThanOrEqual(6);
  expect(experiments.length).toBeLessThanOrEqual(8);
  for (const text of experiments) {
    expect(text).toMatch(/^(Works offline\.|Needs a real model:) /m);
  }
});

/** A copy of the project with an experiment's edit made, as printed. */
function tryOut(experiment: string): string {
  const [diff = ""] = blocks("diff", experiment);
  let text = lesson.join("\n");
  const edits = [...diff.matchAll(/^-(.*)\n((?:\+.*\n)+)/gm)];
  expect(edits.map(([edit]) => edit).join("")).toBe(diff);
  for (const [, before = "", after = ""] of edits) {
    expect(lesson.filter((line) => line === before)).toHaveLength(1);
    const lines = after
      .trimEnd()
      .split("\n")
      .map((line) => line.slice(1));
    text = text.replace(`\n${before}\n`, () => `\n${lines.join("\n")}\n`);
  }
  const folder = copyProject();
  writeFileSync(join(folder, LESSON), text);
  return folder;
}

describe("an experiment that works offline", () => {
  const offline = experiments.filter((text) => text.includes("Works offline."));
  test.each(offline.map((text) => [text.split("\n")[0]!, text]))(
    "%s",
    async (_title, text) => {
      const result = await run({ folder: tryOut(text) });
      const promised = blocks("text", text);
      expect(promised).toHaveLength(1);
      expect(screen(result)).toMatch(pattern(promised[0]!));
      expect(result.stderr).toBe("");
      expect(result.status).toBe(promised[0]!.includes("FATAL") ? 1 : 0);
      // Where only part of the list was sent, the rest must not have arrived.
      if (text.includes("slice(-1)")) {
        expect(screen(result).split("Sending 1 messages")[1]).not.toMatch(
          /Japan|assistant: /,
        );
      }
    },
  );
});

describe("an experiment for a real model changes what is sent", () => {
  const real = experiments.filter((text) =>
    text.includes("Needs a real model:"),
  );
  test.each(real.map((text) => [text.split("\n")[0]!, text]))(
    "%s",
    async (_title, text) => {
      const { calls, env } = await serve(() => completion("Arr."));
      const { status } = await run({ folder: tryOut(text), env });
      expect(status).toBe(0);
      const [, added = ""] = /^\+\D*?("[^"]*"|[\d.]+);$/m.exec(text) ?? [];
      const { temperature, messages } = calls[0]!.body;
      expect([temperature, messages[0]?.content]).toContain(JSON.parse(added));
    },
  );
});

describe("settings", () => {
  const names = (text: string, form: RegExp) =>
    [...new Set([...text.matchAll(form)].map(([, name]) => name))].sort();

  test("every variable is in README.md, .env.example and env.ts", () => {
    const read_ = names(read("exercises/common/env.ts"), /read\("(\w+)"\)/g);
    expect(read_).toHaveLength(4);
    expect(names(readme, /\b(OPENAI_[A-Z_]+|LOG_LEVEL)\b/g)).toEqual(read_);
    expect(names(envExample, /^#(\w+)=/gm)).toEqual(read_);
  });

  test(".env.example sets nothing as it stands", () => {
    expect(parse(envExample)).toEqual({});
  });

  const providers = rows("Use a real model").map(
    ([name = "", lines = "", asked = ""]) => {
      const spans = (cell: string) =>
        [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);
      return { name, lines: spans(lines), asked: spans(asked) };
    },
  );

  test("the eight providers are there", () => {
    expect(providers.map(({ name }) => name)).toEqual([
      "OpenAI",
      "Azure OpenAI",
      "Ollama",
      "llama.cpp",
      "LM Studio",
      "vLLM",
      "OpenRouter",
      "Any other",
    ]);
  });

  test.each(providers)("$name", ({ name, lines, asked }) => {
    const settings = readSettings(parse(lines.join("\n")));
    expect(() => checkSettings(settings)).not.toThrow();
    expect([settings.model, settings.baseURL]).toEqual(asked);

    const block = envExample
      .split("\n\n")
      .find((text) => new RegExp(`^# ${name}\\b`).test(text));
    expect(block?.match(/^#\w+=.*$/gm)).toEqual(
      lines.map((line) => `#${line}`),
    );
  });
});

// The quotes of its lines are a POSIX shell's.
const hasJq =
  process.platform !== "win32" && spawnSync("jq", ["--version"]).status === 0;

describe.skipIf(!hasJq)("jq", () => {
  test("its lines run, and show what the README says", async () => {
    const commands =
      blocks("sh")
        .join("")
        .match(/jq .*$/gm) ?? [];
    const { stdout: input, lines } = await plainRun;
    const printed = commands.map(
      (command) =>
        spawnSync(command, { shell: true, input, encoding: "utf8" }).stdout,
    );
    const replies = lines.flatMap(({ response }) => response ?? []);
    expect(printed).toEqual([
      '["system","user"]\n["system","user","assistant","user"]\n',
      replies.map(({ choices }) => `${choices[0]?.message.content}\n`).join(""),
      replies.map(({ usage }) => `${usage?.prompt_tokens}\n`).join(""),
    ]);
  });
});

test("what you see of a failure is what there is to see", async () => {
  const folder = copyProject();
  const slip = lesson
    .join("\n")
    .replace("TEMPERATURE = 0.7", "TEMPERATURE = 0,7");
  writeFileSync(join(folder, LESSON), slip);
  const { stderr, status } = await run({ folder });
  expect(status).toBe(1);

  const common = join(ROOT, "exercises/common");
  const files = readdirSync(common).map((file) =>
    join("exercises/common", file),
  );
  const seen = [stderr, ...files.map(read)].join("\n");
  const symptoms = rows("When something goes wrong").map(([cell = ""]) =>
    cell.replace(/^`(.*?)( …)?`$/, "$1"),
  );
  const statuses = symptoms.flatMap((symptom) =>
    [...symptom.matchAll(/^status (\d+)$/g)].map(([, status]) =>
      Number(status),
    ),
  );
  const texts = symptoms.filter((symptom) => !symptom.startsWith("status "));
  expect(texts.length).toBeGreaterThanOrEqual(4);
  expect(texts.filter((text) => !seen.includes(text))).toEqual([]);
  expect(stderr).toContain(texts[0]);

  expect(statuses).toEqual([401, 404]);
  for (const status of statuses) {
    const error = new OpenAI.APIError(status, {}, "", new Headers());
    expect(explain(error).hint).toMatch(/OPENAI_(API_KEY|BASE_URL)/);
  }
});

test("its npm scripts exist, and CI runs its commands", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: object };
  const named = [...readme.matchAll(/\bnpm (?:run )?(\w+)/g)]
    .map(([, name]) => name)
    .filter((name) => name !== "ci");
  expect(named.length).toBeGreaterThan(0);
  expect(Object.keys(scripts)).toEqual(expect.arrayContaining(named));

  const commands = blocks("sh")[0]!.trim().split("\n");
  expect(commands).toEqual([
    `npm ci && npx tsx ${LESSON}`,
    "npm ci && npm test",
  ]);
  expect(read(".ci/run").match(/^npm .*$/gm)).toEqual(
    commands[1]!.split(" && "),
  );
});

test("every relative link leads somewhere", () => {
  const links = [...readme.matchAll(/\]\((?!https?:)([^)]+)\)/g)].map(
    ([, link]) => link!,
  );
  expect(links.length).toBeGreaterThan(0);
  expect(links.filter((link) => !existsSync(join(ROOT, link)))).toEqual([]);
});
