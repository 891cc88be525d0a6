#!/usr/bin/env bash
# Builds the images and holds them to their promises (tests/deploy). Where there is no container engine it starts one of
# its own by ../shared/tools/ci-image.sh (as root, on Debian), which also smoke-tests the image, and puts all back after.
set -euo pipefail
cd "$(dirname "$0")/.."

tool=${CI_IMAGE:-../shared/tools/ci-image.sh}
bases="python:3.13-slim-trixie node:22-trixie-slim"
export IMAGE=art-text-plant:ci MLFLOW_IMAGE=art-text-plant-mlflow:ci
python=.venv/bin/python
started=$SECONDS
say() { printf '== %4d s: %s\n' "$((SECONDS - started))" "$*"; }

work= # of an engine of our own
stop_engine() {
    [ -n "$work" ] || return 0
    say "stopping the engine"
    local pid name table
    pid=$(cat "$work/dockerd.pid")
    kill "$pid"
    for _ in $(seq 150); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    # what the tool does at its end, where it is not told to keep the engine
    for name in iptables ip6tables; do
        if [ -s "$work/$name.before" ]; then
            "$name-restore" < "$work/$name.before" || true
        else
            for table in filter nat; do "$name" -t "$table" -F && "$name" -t "$table" -X || true; done 2>/dev/null
            "$name" -P FORWARD ACCEPT 2>/dev/null || true # the engine drops what it does not know
        fi
    done
    cat "$work/ip_forward.before" > /proc/sys/net/ipv4/ip_forward
    [ -e "$work/had_docker0" ] || ip link delete docker0 2>/dev/null || true
    awk -v w="$work/" 'index($2, w) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do umount -l "$mount"; done
    rm -rf "$work"
}
trap stop_engine EXIT

if docker info >/dev/null 2>&1; then
    say "building $IMAGE with the engine that is here"
    "$python" -m scripts.release.image --tag "$IMAGE"
elif [ -x "$tool" ]; then
    say "building $IMAGE with an engine of our own"
    mapfile -t arguments < <("$python" -m scripts.release.image --arguments)
    [ "${#arguments[@]}" -gt 0 ] || exit 1
    log=$(mktemp)
    SMOKE_MEMORY=384m SMOKE_RUN_ARGS="--cpus 1 --env DECODE_BYTES=30000000 --env BUFFER_BYTES=20000000 --env STREAMS=8 --env CONNECTIONS=64" \
        "$tool" -f deploy/Dockerfile -t "$IMAGE" -u /readyz -b "$bases" -c "${CI_IMAGE_CACHE:-}" -k -- "${arguments[@]}" | tee "$log"
    DOCKER_HOST=$(sed -n 's/.*kept: export DOCKER_HOST=\([^ ]*\) .*/\1/p' "$log")
    DOCKER_CONFIG=$(sed -n 's/.* DOCKER_CONFIG=\([^;]*\);.*/\1/p' "$log")
    work=$(sed -n 's/.*, then remove \(.*\)/\1/p' "$log")
    rm "$log"
    export DOCKER_HOST DOCKER_CONFIG
    PATH=$(dirname "$(readlink -f "$DOCKER_CONFIG/cli-plugins/docker-compose")")/../../../bin:$PATH
    export PATH
else
    echo "error: there is neither a container engine here nor $tool, which can start one" >&2
    exit 1
fi

docker history --format '{{.Size}}	{{.CreatedBy}}' "$IMAGE" | grep -v '^0B' | cut -c 1-100

say "building $MLFLOW_IMAGE beside the first tests"
docker build --quiet --network host --file deploy/pipeline.Dockerfile --target mlflow --tag "$MLFLOW_IMAGE" . & mlflow=$!
"$python" -m pytest -q tests/deploy/test_image.py tests/deploy/test_image_bad_input.py tests/deploy/test_image_life.py \
    tests/deploy/test_deploy_files.py
wait "$mlflow"
say "compose"
"$python" -m pytest -q tests/deploy/test_image_compose.py
say "list of parts, and licences"
"$python" -m scripts.release.sbom "$IMAGE"
say "done"
