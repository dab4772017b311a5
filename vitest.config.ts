import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/*.test.ts"],
    testTimeout: 30_000,
    // For the modules that a test imports; the processes have their own.
    env: { LOG_LEVEL: "silent" },
    maxConcurrency: 4,
  },
});
