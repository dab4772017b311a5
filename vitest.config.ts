import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/*.test.ts"],
    testTimeout: 30_000,
    // A test mostly waits for the process that it started.
    sequence: { concurrent: true },
    maxConcurrency: 4,
  },
});
