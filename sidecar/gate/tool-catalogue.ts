/**
 * The tools that the server says it has. A call names one of them byte for byte or is refused, also where the policy's
 * default is to allow: what a lax server makes of another spelling is nothing we could judge.
 */
import type { Policy, ToolDefinition } from "../../policy/mod.ts";
import { foldKey } from "../../policy/match/fold.ts";

/** A list that named no such tool is asked for again at most this often: servers add tools without saying so. */
const REFRESH_MS = 2000;

export class ToolCatalogue {
  #policy: Policy | undefined;
  #tools = new Map<string, ToolArguments>();
  #definitions: ToolDefinition[] = [];
  #gathering = new Map<string, ToolDefinition>();
  #completedAt = -Infinity;
  #complete = false;

  constructor(policy: Policy | undefined) {
    this.#policy = policy;
  }

  /** Whether every page of the list has been seen since it last changed. */
  get complete(): boolean {
    return this.#complete;
  }

  get definitions(): readonly ToolDefinition[] {
    return this.#definitions;
  }

  find(name: string): ToolArguments | undefined {
    return this.#tools.get(name);
  }

  /** Whether a tool that is not listed may be so only because the list is old. */
  mayBeOutdated(now: number): boolean {
    return !this.#complete || now - this.#completedAt > REFRESH_MS;
  }

  /** The server said that its list changed, or is a new process. */
  forget(): void {
    this.#complete = false;
  }

  /**
   * Takes in one page of a `tools/list` result.
   *
   * @param first Whether it was asked for without a cursor.
   * @param last Whether it names no next page.
   */
  learn(tools: readonly unknown[], first: boolean, last: boolean, now: number): void {
    if (first) this.#gathering = new Map();
    for (const tool of tools) {
      if (isDefinition(tool)) this.#gathering.set(tool.name, tool);
    }
    if (!last) return;
    this.#definitions = [...this.#gathering.values()];
    this.#index();
    this.#complete = true;
    this.#completedAt = now;
  }

  /** The names of arguments that this policy reads are known from here on. */
  adopt(policy: Policy): void {
    this.#policy = policy;
    this.#index();
  }

  /** The server has no list of tools. */
  learnNone(now: number): void {
    this.learn([], true, true, now);
  }

  #index(): void {
    this.#tools = new Map(this.#definitions.map((tool) => [tool.name, this.#argumentsOf(tool)]));
  }

  #argumentsOf(tool: ToolDefinition): ToolArguments {
    return new ToolArguments([...schemaProperties(tool), ...(this.#policy?.argumentNames(tool.name) ?? [])]);
  }
}

/** The argument names of one tool that its schema or a rule knows. */
export class ToolArguments {
  readonly #names: ReadonlySet<string>;
  readonly #folded: ReadonlySet<string>;

  constructor(names: readonly string[]) {
    this.#names = new Set(names);
    this.#folded = new Set(names.map(foldKey));
  }

  /** Whether a key is not one of the names, and a lax parser would take it for one. */
  isLookAlike(key: string): boolean {
    return !this.#names.has(key) && this.#folded.has(foldKey(key));
  }
}

function isDefinition(tool: unknown): tool is ToolDefinition {
  return typeof tool === "object" && tool !== null && Object.hasOwn(tool, "name") &&
    typeof (tool as { name: unknown }).name === "string";
}

function schemaProperties(tool: ToolDefinition): string[] {
  const schema = tool.inputSchema;
  if (typeof schema !== "object" || schema === null || !Object.hasOwn(schema, "properties")) return [];
  const { properties } = schema as { properties: unknown };
  return typeof properties === "object" && properties !== null ? Object.keys(properties) : [];
}
