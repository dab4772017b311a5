import { defineConfig } from "vitest/config";

export default defineConfig({
  // Vite must not read the developer's own .env, nor must a test depend on it:
  // these settings win over it, and a key goes only with its own base URL.
  envDir: false,
  test: {
    env: { LOG_LEVEL: "silent", OPENAI_BASE_URL: "http://unit.test" },
    include: ["tests/*.test.ts"],
    globalSetup: "tests/notice.ts",
    maxWorkers: 2,
    testTimeout: 30_000,
    restoreMocks: true,
    maxConcurrency: 4,
  },
});
