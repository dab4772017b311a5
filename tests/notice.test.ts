import { expect, test } from "vitest";
import { LESSON } from "./helpers.ts";
import { toNotice } from "./notice.ts";

test("npm test says how to undo an edit of the lesson, and nothing else", () => {
  expect(toNotice(`${LESSON}\n`)).toContain(`git checkout HEAD -- ${LESSON}`);
  expect(toNotice("")).toBeUndefined();
});
