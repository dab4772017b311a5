import { spawnSync } from "node:child_process";
import { defineConfig } from "vitest/config";

// Readers edit the script. The tests that run it expect the committed one.
const script = "exercises/01_llm_basics/01_chat_completion.ts";
// With --quiet, git would exit with 1 in a folder that isn't a repository, too.
const diff = spawnSync("git", ["diff", "--name-only", "HEAD", "--", script]);
const isEdited = String(diff.stdout).includes(script);
if (isEdited) {
  console.log(
    `Tests that run ${script} are skipped: it has uncommitted changes.`,
  );
}

export default defineConfig({
  test: {
    include: ["tests/*.test.ts"],
    exclude: isEdited ? ["tests/{pages,script}.test.ts"] : [],
    // Empty settings count as unset. The tests set their own.
    env: {
      OPENAI_API_KEY: "",
      OPENAI_BASE_URL: "",
      OPENAI_MODEL: "",
      LOG_LEVEL: "",
    },
    maxWorkers: 2,
    // A process takes a second on an idle machine, and longer on a busy one.
    testTimeout: 60_000,
    restoreMocks: true,
    unstubEnvs: true,
    unstubGlobals: true,
  },
});
