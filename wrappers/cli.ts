#!/usr/bin/env node
// The very first statement: SIGUSR1 makes node open its inspector, through which any process of the same user could
// run code in here. A listener of ours takes the signal instead. Hence no static import in this file.
process.on("SIGUSR1", () => {});
void import("./main.ts").then(({ main }) => main(process.argv.slice(2)));

export {};
