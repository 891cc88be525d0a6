#!/bin/sh
# The code of REVISION of REPOSITORY into the current folder, which may hold models/ already, with DVC_REMOTE as the place
# of the photos. The remote that travels with a clone stays known; what is in neither ends in DVC's own sentence.
set -eu
git init --quiet
git fetch --quiet --depth 1 "$REPOSITORY" "$REVISION"
git checkout --quiet --force FETCH_HEAD
dvc remote add --quiet --force --local --default shared "$DVC_REMOTE"
if [ -n "${S3_ENDPOINT:-}" ]; then # an S3 that is not Amazon's
    dvc remote modify --quiet --local shared endpointurl "$S3_ENDPOINT"
fi
echo "$(git rev-parse FETCH_HEAD) of $REPOSITORY, photos from $DVC_REMOTE"
