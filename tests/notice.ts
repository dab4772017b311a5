import { spawnSync } from "node:child_process";

const LESSON = "exercises/01_llm_basics/01_chat_completion.ts";

/** Vitest runs what this returns after the tests, below its summary. */
export default () => () => {
  const command = ["--no-optional-locks", "diff", "HEAD", "--name-only"];
  const { stdout } = spawnSync("git", [...command, "--", LESSON]);
  const notice = toNotice(String(stdout ?? ""));
  if (notice) console.log(notice);
};

/** Returns what to say when git lists the lesson as changed. */
export function toNotice(changedFiles: string): string | undefined {
  if (!changedFiles.includes(LESSON)) return undefined;
  return `You have edited ${LESSON}, so some tests may fail. To undo your edits, run:\n\ngit checkout HEAD -- ${LESSON}\n`;
}
