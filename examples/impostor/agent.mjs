// A small agent: asks a signing server for a signature, and prints what it gets.
//
//   agent.mjs COMMAND…     starts the server, or what stands in front of it, as its child
//   agent.mjs unix:PATH    connects to one that listens
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { createInterface } from "node:readline";

const [first, ...rest] = process.argv.slice(2);
const [input, output] = first.startsWith("unix:") ? over(connect(first.slice(5))) : under(spawn(first, rest, {
  stdio: ["pipe", "pipe", "inherit"],
}));
const answers = createInterface({ input })[Symbol.asyncIterator]();

const opened = await ask(1, "initialize", {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "agent", version: "1.0.0" },
});
if (opened?.result !== undefined) {
  output.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
}
const { result, error } = opened?.result === undefined
  ? opened ?? { error: { message: "The connection was closed" } }
  : await ask(2, "tools/call", { name: "sign", arguments: { text: "Pay 1000 to the bearer" } });
process.stdout.write(`${result?.content[0].text ?? error.message}\n`);
output.end();

async function ask(id, method, params) {
  output.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
  const { value } = await answers.next();
  return value === undefined ? undefined : JSON.parse(value);
}

function over(socket) {
  return [socket, socket];
}

function under({ stdin, stdout }) {
  stdin.on("error", () => {}); // who stands there may have closed it
  return [stdout, stdin];
}
