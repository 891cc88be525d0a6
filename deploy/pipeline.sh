#!/bin/sh
# Fetches the photos where there are none, as `make data` does, and then runs what it is told.
set -eu
if [ ! -f dvc.yaml ]; then
    echo "error: the checkout is not mounted at $PWD: run this by \`docker compose run --rm pipeline\`" >&2
    exit 1
fi
if [ ! -d data ] || [ -e .dvc/tmp/fetching ]; then
    mkdir -p .dvc/tmp && touch .dvc/tmp/fetching && dvc pull data.dvc && rm .dvc/tmp/fetching
fi
exec "$@"
