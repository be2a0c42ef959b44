// Runs flow.asl.json on this machine, as it is: a job of AWS Batch is a process here, and its stream
// in CloudWatch the lines that it printed. The argument is the input of the execution, as JSON.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline";

const FOLDER = import.meta.dirname;
const ROOT = path.resolve(FOLDER, "../../..");
const PYTHON = path.resolve(ROOT, process.env.TRYOUT_PYTHON ?? ".venv/bin/python");
const JOBS_AT_ONCE = 2; // each has the model in memory
const RETRY_AFTER_MS = 1000;
const TOLD = ["StateEntered", "StateRetried", "StateFailed", "ExecutionFailed"];

// By require, which also looks where NODE_PATH says; an import does not.
const { StateMachine } = createRequire(import.meta.url)("aws-local-stepfunctions");
const streams = new Map(); // of CloudWatch: names and lines
const waiting = [];
let running = 0;

async function submitJob({ JobName, ContainerOverrides: { Command } }) {
  if (running === JOBS_AT_ONCE) await new Promise((resolve) => waiting.push(resolve));
  else running += 1;
  try {
    const LogStreamName = `${JobName}/${streams.size}`;
    streams.set(LogStreamName, []);
    const ExitCode = await run(Command.slice(1), JobName, streams.get(LogStreamName));
    const job = { JobName, Container: { Command, ExitCode, LogStreamName } };
    if (ExitCode === 0) return { ...job, Status: "SUCCEEDED" };
    const cause = JSON.stringify({ ...job, Status: "FAILED" });
    throw Object.assign(new Error(cause), { name: "States.TaskFailed" });
  } finally {
    if (waiting.length) waiting.shift()();
    else running -= 1;
  }
}

function run(command, name, lines) {
  const child = spawn(PYTHON, command, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  createInterface(child.stdout).on("line", (line) => lines.push(line));
  createInterface(child.stderr).on("line", (line) => console.error(`${name}: ${line}`));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 137)); // a process that a signal ended has no code
  });
}

function filterLogEvents({ LogStreamNames, FilterPattern }) {
  const pattern = new RegExp(FilterPattern.slice(1, -1)); // %…%
  const lines = LogStreamNames.flatMap((name) => streams.get(name));
  return { Events: lines.filter((line) => pattern.test(line)).map((Message) => ({ Message })) };
}

const HANDLERS = {
  "arn:aws:states:::batch:submitJob.sync": submitJob,
  "arn:aws:states:::aws-sdk:cloudwatchlogs:filterLogEvents": filterLogEvents,
};

function* statesOf({ States }) {
  for (const [name, state] of Object.entries(States)) {
    yield [name, state];
    for (const inner of [...(state.Branches ?? []), state.ItemProcessor ?? []].flat())
      yield* statesOf(inner);
  }
}

const definition = JSON.parse(readFileSync(path.join(FOLDER, "flow.asl.json"), "utf8"));
const states = [...statesOf(definition)];
const having = (key, value) =>
  Object.fromEntries(states.filter(([, state]) => state[key]).map(([name, state]) => [name, value(state)]));
const execution = new StateMachine(definition).run(JSON.parse(process.argv[2]), {
  overrides: {
    taskResourceLocalHandlers: having("Resource", (state) => HANDLERS[state.Resource]),
    retryIntervalOverrides: having("Retry", () => RETRY_AFTER_MS),
  },
});
const ended = execution.result.then(
  (figures) => console.log(JSON.stringify(figures)),
  () => (process.exitCode = 1),
);
for await (const { type, state, index, Error: error } of execution.eventLogs) {
  const parts = [type, state?.name, index, error].filter((part) => part !== undefined);
  if (TOLD.includes(type)) console.error(parts.join(" "));
}
await ended;
