import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/*.test.ts"],
    // Empty settings count as unset. The tests set their own.
    env: {
      OPENAI_API_KEY: "",
      OPENAI_BASE_URL: "",
      OPENAI_MODEL: "",
      LOG_LEVEL: "",
    },
    maxWorkers: 2,
    maxConcurrency: 4,
    // A process takes a second on an idle machine, and longer on a busy one.
    testTimeout: 60_000,
    restoreMocks: true,
    unstubEnvs: true,
    unstubGlobals: true,
  },
});
