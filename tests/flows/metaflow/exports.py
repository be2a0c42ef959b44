"""The flow as a DAG of Airflow and as a state machine, by Metaflow's commands, with moto for AWS.

Prints, for each export, the attempts of each step and the steps that are mapped. Neither export
runs here: the one needs Kubernetes, the other AWS Batch.
"""

import ast
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions

FLOW = Path("deploy/flows/metaflow/flow.py").resolve()
PORT = os.environ["MOTO_PORT"]
URL = f"http://127.0.0.1:{PORT}"
ROLE = "arn:aws:iam::123456789012:role/tryout"
AWS = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": URL,
    "METAFLOW_S3_ENDPOINT_URL": URL,
    "METAFLOW_DATASTORE_SYSROOT_S3": "s3://tryout-metaflow/data",
    "METAFLOW_SFN_IAM_ROLE": ROLE,
    "METAFLOW_ECS_S3_ACCESS_IAM_ROLE": ROLE,
    "METAFLOW_ECS_FARGATE_EXECUTION_ROLE": ROLE,
    "METAFLOW_EVENTS_SFN_ACCESS_IAM_ROLE": ROLE,
    "METAFLOW_SFN_DYNAMO_DB_TABLE": "tryout",
    "METAFLOW_BATCH_JOB_QUEUE": "tryout",
    "METAFLOW_USER": "tester",
    "METAFLOW_DEFAULT_METADATA": "local",
}


def main() -> None:
    """Prints both exports in short."""
    os.environ.update(AWS)
    with moto():
        boto3.client("s3").create_bucket(Bucket="tryout-metaflow")
        queue()
        batch, pods = "batch:image=tryout:jobs", "kubernetes:image=tryout:jobs"
        definition = exported("--with", batch, "step-functions", "create", "--only-json")
        exported("--with", pods, "airflow", "create", "dag.py")
    dag = Path(os.environ["METAFLOW_HOME"], "dag.py").read_text(encoding="utf-8")
    exports = {
        "step-functions": of_state_machine(json.loads(definition)),
        "airflow": of_dag(dag),
    }
    print(json.dumps(exports))


def exported(*arguments: str) -> str:
    """The output of the command."""
    done = subprocess.run(
        [sys.executable, FLOW, "--datastore=s3", *arguments],
        cwd=os.environ["METAFLOW_HOME"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def of_state_machine(definition: dict[str, Any]) -> dict[str, Any]:
    """The attempts of each step that is a job of AWS Batch, and the steps inside a Map."""
    jobs: dict[str, int] = {}
    mapped: list[str] = []
    for name, state in definition["States"].items():
        if state["Type"] == "Map":
            inner = of_state_machine(state["Iterator"])
            jobs |= inner["attempts"]
            mapped += inner["attempts"]
        elif "batch:submitJob" in state.get("Resource", ""):
            jobs[name] = state["Parameters"]["RetryStrategy"]["Attempts"]
    return {"attempts": jobs, "mapped": mapped}


def of_dag(source: str) -> dict[str, Any]:
    """The attempts of each step that is a pod, the mapped ones, and the schedule."""
    (config,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CONFIG"
    )
    steps = config["states"].values()
    return {
        "attempts": {step["name"]: 1 + step["operator_args"]["retries"] for step in steps},
        "mapped": [step["name"] for step in steps if step["is_mapper_node"]],
        "schedule": config["dag_instantiation_params"]["schedule_interval"],
    }


def queue() -> None:
    """The job queue of AWS Batch that Metaflow looks up."""
    ec2, batch, iam = boto3.client("ec2"), boto3.client("batch"), boto3.client("iam")
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = iam.create_role(RoleName="tryout", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    environment = batch.create_compute_environment(
        computeEnvironmentName="tryout",
        type="MANAGED",
        serviceRole=role,
        computeResources={
            "type": "FARGATE",
            "maxvCpus": 4,
            "subnets": [subnet],
            "securityGroupIds": [group],
        },
    )["computeEnvironmentArn"]
    order = [{"order": 1, "computeEnvironment": environment}]
    batch.create_job_queue(
        jobQueueName="tryout", state="ENABLED", priority=1, computeEnvironmentOrder=order
    )


@contextmanager
def moto() -> Iterator[None]:
    """A server that answers as AWS does, until the block ends."""
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", PORT],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(120):
            try:
                boto3.client("s3").list_buckets()
                break
            except botocore.exceptions.EndpointConnectionError:
                time.sleep(1)
        yield
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
