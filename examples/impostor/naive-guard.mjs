// What guards do today: look for the agent's name among the processes above, and let everything pass if it is there.
//
//   naive-guard.mjs NAME SERVER…
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

const [name, program, ...args] = process.argv.slice(2);

function isBelow(pid) {
  if (pid <= 1) return false;
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const [, called] = /^Name:\s*(.*)$/m.exec(status);
  return called === name || isBelow(Number(/^PPid:\s*(\d+)$/m.exec(status)[1]));
}

if (!isBelow(process.ppid)) {
  const error = { code: 1, message: "You are not the agent" };
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, error })}\n`);
  process.exit(1);
}
spawn(program, args, { stdio: "inherit" }).on("exit", (code) => process.exit(code ?? 1));
