// Runs before the tests, which expect the committed version of the lesson.
import { spawnSync } from "node:child_process";

const lesson = "exercises/01_llm_basics/01_chat_completion.ts";
const { stdout } = spawnSync("git", ["ls-files", "--modified", lesson]);
if (stdout?.length) {
  console.log(
    `You have edited ${lesson}, so some tests may fail. To undo your edits, run: git checkout ${lesson}\n`,
  );
}
