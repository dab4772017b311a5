/** The exercise's two controls, and what makes a server accept them. */
export interface Parameters {
  temperature?: number;
  max_tokens?: number;
  max_completion_tokens?: number;
  reasoning_effort?: "none";
}
export type ParameterName = keyof Parameters;

const NAMES: ParameterName[] = [
  "temperature",
  "max_tokens",
  "max_completion_tokens",
  "reasoning_effort",
];

/**
 * Spells a temperature and a limit, in tokens, for a server's first request.
 *
 * OpenAI's current models refuse `max_tokens`, and take a temperature only with
 * reasoning off: their words are in tests/refusals.json. Everyone else gets
 * `max_tokens`: many local servers ignore `max_completion_tokens` silently.
 */
export function spell(
  baseURL: string,
  temperature: number,
  limit: number,
): Parameters {
  return new URL(baseURL).hostname === "api.openai.com"
    ? { temperature, max_completion_tokens: limit, reasoning_effort: "none" }
    : { temperature, max_tokens: limit };
}

/**
 * Spells a request anew for a server that refuses one of its parameters by
 * name, and refused those of `before` already. Returns undefined for a limit
 * that is refused under both names; what else is refused is left out at last.
 */
export function respell<Request extends Parameters>(
  request: Request,
  refused: ParameterName,
  before: readonly ParameterName[],
): Request | undefined {
  switch (refused) {
    case "max_tokens":
    case "max_completion_tokens": {
      const other =
        refused === "max_tokens" ? "max_completion_tokens" : "max_tokens";
      const limit = request[refused] ?? request[other];
      return before.includes(other)
        ? undefined
        : { ...request, [refused]: undefined, [other]: limit };
    }
    case "temperature":
      // Reasoning may stand in its way. With that off, or fixed, it goes.
      return request.reasoning_effort || before.includes("reasoning_effort")
        ? { ...request, temperature: undefined }
        : { ...request, reasoning_effort: "none" };
    case "reasoning_effort":
      // Where it came for the temperature's sake, both go.
      return before.includes("temperature")
        ? { ...request, temperature: undefined, reasoning_effort: undefined }
        : { ...request, reasoning_effort: undefined };
  }
}

// Words for a parameter, or a value, that is not for this model or server …
const REFUSAL =
  /unsupported|unrecogni[sz]ed|unknown|unexpected|forbidden|disallowed|deprecated|incompatible|no longer|instead|\bonly\b|(for|with|by) this model|not a valid (param|arg|field|prop|opt|key)|(not|n't) (be )?(support|permit|allow|accept|recogni|us|set|specif|known|found|exist|available|implement)/i;
// … and for a value that is out of bounds.
const OUT_OF_BOUNDS =
  /[<>]=|[<>] ?\d|[≤≥]|between|range|up to|at (most|least)|exceed|positive|negative|integer|invalid type|expected an? |\[-?[\d.]+, ?|(less|greater|more|lower|higher|larger|smaller|fewer) than|too \w+|(above|below) (the )?(max|min|\d)|(max|min)imum (value|allowed|supported|of|is)/i;

/** What a server says is wrong: its own words, in the API's terms. */
export interface Complaint {
  message: string;
  type?: string;
  code?: string;
  param?: string;
}

/**
 * The parameter of a request that a server refuses by name, if any. A value out
 * of bounds is no refusal but the reader's mistake; `reasoning_effort` is never
 * the reader's.
 */
export function refusedParameter(
  { message, type, code, param }: Complaint,
  request: Parameters,
): ParameterName | undefined {
  const place = (name: string) =>
    `${param} ${message}`.search(new RegExp(`\\b${name}\\b`));
  const [name] = NAMES.filter((name) => request[name] !== undefined)
    .filter((name) => place(name) >= 0)
    .sort((one, other) => place(one) - place(other));
  const words = `${message} ${type} ${code}`.replaceAll("_", " ");
  const isRefusal = REFUSAL.test(words) && !OUT_OF_BOUNDS.test(words);
  return isRefusal || name === "reasoning_effort" ? name : undefined;
}
