# syntax=docker/dockerfile:1
# Triton on the CPU: slim Python, this package, and the Triton that the nvidia-pytriton wheel carries.
# Build from the repository's root: docker build -f images/triton-cpu.Dockerfile .   (--target runtime for no models)

# Pin it for releases: --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY awarenet awarenet
COPY clients/awarenet_client clients/awarenet_client
COPY export export
COPY gateway gateway
COPY training training
RUN python -m venv /opt/awarenet \
    && /opt/awarenet/bin/pip install --no-cache-dir --constraint constraints.txt '.[serve,models]'

FROM ${PYTHON_IMAGE} AS runtime
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="awarenet-triton-cpu" \
      org.opencontainers.image.description="AWARE-NET's cascade on NVIDIA Triton, on the CPU" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The trees of a model repository come as C source and are compiled at the first start.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin awarenet \
    && install --directory --owner 10001 --group 10001 /models /plans /var/cache/awarenet
COPY --from=build /opt/awarenet /opt/awarenet
ENV PATH=/opt/awarenet/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AWARENET_CACHE=/var/cache/awarenet
USER 10001:10001
WORKDIR /opt/awarenet
EXPOSE 8000 8001 8002
CMD ["awarenet", "serve", "--host", "0.0.0.0", "--model-repository", "/models/current"]

# With the models of this checkout: the default.
FROM runtime AS baked
COPY model_repository /opt/awarenet/models
CMD ["awarenet", "serve", "--host", "0.0.0.0", "--model-repository", "/opt/awarenet/models"]
