"""Train in several processes, on one machine or more, with torch's own launcher; then go on with the stages after it.

    python -m scripts.train_distributed --processes 4
    python -m scripts.train_distributed --processes 8 --nodes 2 --node 0 --first trainer-0.example:29500   # there
    python -m scripts.train_distributed --processes 8 --nodes 2 --node 1 --first trainer-0.example:29500   # and there

The command of the stage is that of dvc.yaml, with its variables. The first node keeps what came out and tells DVC
(`dvc commit`), so that `dvc repro` goes on after the training; the others write nothing.
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

DVC_YAML = Path("dvc.yaml")
LAUNCHER = ("-m", "torch.distributed.run")


def launched(stage: str, options: Sequence[str]) -> list[str]:
    """The command ``… python -m MODULE`` of a stage with torch's launcher and its ``options`` before the module."""
    words = shlex.split(stage)
    at = words.index("-m")
    return [*words[:at], *LAUNCHER, *options, *words[at:]]


def launcher_options(processes: int, nodes: int, node: int, first: str | None) -> list[str]:
    """Options of torch.distributed.run: ``processes`` on each of ``nodes`` machines, of which this is number ``node``.

    ``first`` is HOST:PORT of number 0, a port that is free there; the one machine alone needs none.

    Raises:
        ValueError: the numbers or the address make no sense.
    """
    if processes < 1 or not 0 <= node < nodes:
        raise ValueError("--processes is at least 1, --node is 0 to --nodes less 1")
    each = ["--nproc-per-node", str(processes)]
    if nodes == 1:
        return ["--standalone", *each]
    host, colon, port = (first or "").rpartition(":")
    if not (host and colon and port.isdigit()):
        raise ValueError("several nodes need --first HOST:PORT, where number 0 can be reached")
    place = ["--node-rank", str(node), "--master-addr", host, "--master-port", port]
    return ["--nnodes", str(nodes), *place, *each]


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 0 where the training, and on the first node every stage after it, succeeded."""
    parser = argparse.ArgumentParser(
        prog="make train-distributed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--processes", type=int, default=2, help="on this machine: one a GPU (default 2)")
    parser.add_argument("--nodes", type=int, default=1, help="machines (default 1)")
    parser.add_argument("--node", type=int, default=0, help="which of them this is, from 0")
    parser.add_argument("--first", metavar="HOST:PORT", help="where number 0 can be reached")
    chosen = parser.parse_args(argv)
    try:
        options = launcher_options(chosen.processes, chosen.nodes, chosen.node, chosen.first)
    except ValueError as error:
        parser.error(str(error))
    stage = yaml.safe_load(DVC_YAML.read_text(encoding="utf-8"))["stages"]["train"]["cmd"]
    commands = [["dvc", "repro", "validate"], launched(stage, options)]
    if chosen.node == 0:
        commands += [["dvc", "commit", "--force", "train"], ["dvc", "repro"]]
    for command in commands:
        print(f"$ {shlex.join(command)}", flush=True)
        if status := subprocess.run(command, check=False).returncode:
            print(f"error: `{shlex.join(command)}` ended with {status}; what it said tells why", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
