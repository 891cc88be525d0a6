# Two environments for compose.yaml: MLflow's server, and everything that the pipeline needs. Neither holds the project's
# code: the checkout is mounted over /project, so that what runs is what lies there, with its photos and its git history.
#
#   docker build -f deploy/pipeline.Dockerfile --target mlflow -t art-text-plant-mlflow .       # 1 minute
#   docker build -f deploy/pipeline.Dockerfile --target pipeline -t art-text-plant-pipeline .   # some GB with CUDA
#
# PIP_EXTRA goes to pip: `--extra-index-url` with the address of PyTorch's builds for CPU makes the pipeline 4 GB smaller.
# The pipeline runs on the Python that its lock was made with, MLflow's server on that of the service.
ARG PYTHON=python:3.11-slim-bookworm
ARG MLFLOW_PYTHON=python:3.13-slim-trixie

FROM ${MLFLOW_PYTHON} AS mlflow
COPY requirements/pipeline.lock deploy/mlflow.txt /requirements/
# The version of mlflow is the pipeline's; mlflow.txt names the driver for PostgreSQL.
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --root-user-action ignore --only-binary :all: \
        -c /requirements/pipeline.lock -r /requirements/mlflow.txt \
    && mkdir /mlflow && chown 10001:10001 /mlflow
ENV PATH=/venv/bin:$PATH \
    MLFLOW_DISABLE_TELEMETRY=true
USER 10001:10001
WORKDIR /mlflow
EXPOSE 5000
ENTRYPOINT ["mlflow", "server", "--host", "0.0.0.0", "--port", "5000", "--workers", "1", "--serve-artifacts"]

FROM ${PYTHON} AS pipeline
ARG PIP_EXTRA=
COPY requirements/pipeline.lock /requirements/
# git: the commit goes into a model's lineage, and DVC works in a repository.
# hadolint ignore=DL3008,SC2086
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/* \
    && python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --root-user-action ignore ${PIP_EXTRA} \
        -r /requirements/pipeline.lock
COPY --chmod=755 deploy/pipeline.sh /usr/local/bin/pipeline
# The checkout belongs to whoever cloned it; compose.yaml runs this as that user.
ENV PATH=/venv/bin:$PATH \
    MLFLOW_DISABLE_TELEMETRY=true \
    DVC_NO_ANALYTICS=1 \
    DVC_SITE_CACHE_DIR=/tmp/dvc \
    HOME=/tmp \
    LOGNAME=pipeline \
    GIT_CONFIG_COUNT=1 \
    GIT_CONFIG_KEY_0=safe.directory \
    GIT_CONFIG_VALUE_0=/project
WORKDIR /project
USER 1000:1000
ENTRYPOINT ["pipeline"]
CMD ["dvc", "repro"]
