"""Empty logs, copied from a template: to migrate a new database takes ten times as long."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import psycopg

from feedback import FeedbackLog
from tests.helpers.server import free_port

# A crash of the machine would lose what a test stored; a crash of the app would not.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@cache
def _sqlite_template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log.db")
        FeedbackLog(f"sqlite:///{path}").close()
        return path.read_bytes()


def sqlite_log(path: Path) -> str:
    """The URL of a new log in the file `path`, with the schema and nothing in it."""
    path.write_bytes(_sqlite_template())
    return f"sqlite:///{path}"


class Postgres:
    """A PostgreSQL server on 127.0.0.1; `url` is that of its first database, which is empty."""

    TEMPLATE = "empty_log"

    def __init__(self, address: str) -> None:
        self._address = address
        self.url = f"{address}/postgres"
        self._numbers = count()

    @contextmanager
    def database(self, *, template: str = "template1") -> Iterator[str]:
        """The URL of a new copy of the database `template`, dropped in the end."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield f"{self._address}/{name}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def make_template(self) -> None:
        """Makes the database TEMPLATE, which has the schema of a log and nothing in it."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {self.TEMPLATE}")
        FeedbackLog(f"{self._address}/{self.TEMPLATE}").close()


def postgres_programs() -> Path | None:
    """The folder of PostgreSQL's server programs; None if they are not installed."""
    found = shutil.which("initdb") or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None
    )
    return Path(found).parent if found else None


@contextmanager
def postgres(programs: Path) -> Iterator[Postgres]:
    """A server of our own in a temporary folder, until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="tryout-postgres-"))
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    port, data = free_port(), folder / "data"

    def run(program: str, *arguments: str) -> None:
        command = [*as_user, str(programs / program), "-D", str(data), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, timeout=120)

    run("initdb", "-U", "tryout", "--auth=trust", "-E", "UTF8", "--no-sync")
    settings = ("listen_addresses=127.0.0.1", *FAST)
    options = f"-p {port} -k {folder} " + " ".join(f"-c {setting}" for setting in settings)
    run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        server = Postgres(f"postgresql://tryout@127.0.0.1:{port}")
        server.make_template()
        yield server
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
