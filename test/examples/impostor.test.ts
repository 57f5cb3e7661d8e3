/** The example that the README of `examples/impostor` shows: what it prints is what happens. */
import { spawn } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited } from "../harness.ts";
import { ROOT } from "../tools/runtimes.ts";

const it = suite("examples/impostor");

it(
  "the naive guard serves the impostor and not the agent, mcp-guard the agent and not the impostor",
  limited(60_000, async () => {
    const command = "Deno" in globalThis ? ["run", "-A", "--no-remote", "--quiet"] : ["--import", "tsx"];
    const example = spawn(process.execPath, [...command, "examples/impostor/impostor.ts"], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    example.stdout.setEncoding("utf8").on("data", (text: string) => void (said += text));
    assert.is(await new Promise((resolve) => example.once("close", resolve)), 0);
    const outcomes = said.split("\n").filter((line) => line.startsWith("  the ")).map((line) =>
      line.trim().replace(/\s\s+/, " | ").replace(/signed:.*|Not admitted.*/, (text) => text.slice(0, 6))
    );
    const [impostor, agent] = ["the impostor, called 'claude' |", "the agent, called 'assistant' |"];
    assert.equal(outcomes, [
      `${impostor} signed`,
      `${agent} You are not the agent`,
      `${impostor} Not ad`,
      `${agent} signed`,
      `${impostor} Not ad`,
      `${agent} signed`,
    ]);
    assert.is(said.match(/agent: its script's digest is another/g)?.length, 2);
  }),
);

it.run();
