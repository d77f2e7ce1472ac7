// Checks an AsyncAPI document with the parser of the AsyncAPI initiative: node validate.mjs FILE
// Prints one line a finding and exits 1 if one of them is an error; prints what was understood otherwise.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const ERROR = 0;
const WARNING = 1;
const file = process.argv[2];
if (!file) {
  console.error("usage: node validate.mjs FILE");
  process.exit(2);
}
const { document, diagnostics } = await new Parser().parse(readFileSync(file, "utf8"), { source: file });
for (const { severity, code, message, path, range } of diagnostics) {
  if (severity <= WARNING) {
    console.error(`${file}:${range.start.line + 1}: ${severity === ERROR ? "error" : "warning"} ${code}: ${message} (at ${path.join(".")})`);
  }
}
if (!document || diagnostics.some(({ severity }) => severity === ERROR)) {
  process.exit(1);
}
const understood = {
  version: document.version(),
  channels: document.channels().all().map((channel) => channel.address()).sort(),
  messages: document.components().messages().all().map((message) => message.name()).sort(),
  operations: document.operations().all().length,
};
console.log(JSON.stringify(understood));
