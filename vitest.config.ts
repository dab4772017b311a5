import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/*.test.ts"],
    testTimeout: 30_000,
    // For what a test imports; the processes that it starts have their own.
    env: { LOG_LEVEL: "silent" },
    // A test mostly waits for the process that it started.
    sequence: { concurrent: true },
    maxConcurrency: 4,
  },
});
