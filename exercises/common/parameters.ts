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

const oneOf = (...words: string[]) => new RegExp(words.join("|"), "i");

// How servers say that a parameter, or any value of it, is not for this model …
const REFUSAL = oneOf(
  "unsupported|unrecogni[sz]ed|unknown|unexpected|unpermitted|unavailable",
  "forbidden|disallowed|illegal|extra|deprecated|obsolete|removed?\\b|renamed",
  "replaced|incompatible|no longer|no such|instead|rather than|please use|only",
  "(for|with|by) this model|not an? (\\w+ )?(param|arg|field|prop|opt|key)",
  "invalid (param|arg|field|prop)|must not have additional",
  "(not|n['’]t) (be )?(support|permit|allow|accept|recogni|us|set|specif|known)",
  "not (found|exist|available|implemented|applicable|compatible)",
);
// … and that it is, but not with this value.
const OUT_OF_BOUNDS = oneOf(
  "[<>]=|[<>] ?\\d|[≤≥]|\\d ?(to|–|\\.\\.=?) ?\\d|\\[-?[\\d.]+, ?|between|range",
  "\\d ?- ?\\d(?![\\w-])|within",
  "(max|min)(imum)?:? (\\d|value|allowed|supported|of|is)|at (most|least)|up to",
  "(less|greater|more|lower|higher|larger|smaller|fewer) (than|value)|too \\w+",
  "(above|below) (the )?(max|min|\\d)|over \\d|to (be )?(0|zero)(?![.\\d])|exceed",
  "limit is|limited to|positive|negative|integer|whole number|unexpected value",
  "invalid type|expected an? ",
);
// What leaves no doubt, whatever else is said.
const DECISIVE =
  /(unsupported|unknown|unrecogni[sz]ed)[_ ](param|arg|key|field)|unsupported_value|extra_forbidden/i;

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
 * the reader's. A complaint about another parameter may name these in passing.
 */
export function refusedParameter(
  { message, type = "", code = "", param = "" }: Complaint,
  request: Parameters,
): ParameterName | undefined {
  const place = (name: string, text = `${param} ${message}`) =>
    text.search(new RegExp(`\\b${name}\\b`, "i"));
  const isOther = /^(?!(body|none)$)[a-z_]+$/i.test(param);
  if (isOther && NAMES.every((name) => place(name, param) < 0))
    return undefined;

  const [name] = NAMES.filter((name) => request[name] !== undefined)
    .filter((name) => place(name) >= 0)
    .sort((one, other) => place(one) - place(other));
  const isRefusal =
    DECISIVE.test(`${type} ${code} ${message}`) ||
    (REFUSAL.test(message) &&
      !OUT_OF_BOUNDS.test(message.replaceAll("_", " ")));
  return isRefusal || name === "reasoning_effort" ? name : undefined;
}
