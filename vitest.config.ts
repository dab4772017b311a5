import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/*.test.ts"],
    maxWorkers: 2,
    maxConcurrency: 4,
    // A process takes a second on an idle machine, and longer on a busy one.
    testTimeout: 60_000,
    restoreMocks: true,
    unstubGlobals: true,
  },
});
