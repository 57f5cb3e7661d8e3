declare const __MCP_GUARD_VERSION__: string | undefined;

/** The package's version; `0.0.0-source` when run from source. */
export const version: string = typeof __MCP_GUARD_VERSION__ === "string"
  ? __MCP_GUARD_VERSION__
  : "0.0.0-source";
