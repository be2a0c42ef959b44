"""The flow as a DAG of Airflow and as a state machine, by Metaflow's commands, with moto for AWS.

Prints by the name of each export: the steps that it has, the schedule, the attempts of a step and the
splits. Neither export runs here: the one needs Kubernetes, the other AWS Batch.
"""

import json
import os
import re
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
        asl = exported("--with", "batch:image=tryout:jobs", "step-functions", "create", "--only-json")
        dag = exported("--with", "kubernetes:image=tryout:jobs", "airflow", "create", "dag.py")
    print(json.dumps({"step-functions": asl, "airflow": dag}))


def exported(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, FLOW, "--datastore=s3", *arguments],
        cwd=os.environ["METAFLOW_HOME"],
        capture_output=True,
        text=True,
    )
    print(done.stdout[-6000:], done.stderr[-3000:], file=sys.stderr)
    return done.returncode


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
