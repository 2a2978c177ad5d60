# syntax=docker/dockerfile:1
# The gateway and the web page. Without AWARENET_SERVER it starts a Triton of its own on the CPU.
# Build from the repository's root: docker build -f images/gateway.Dockerfile .   (--target runtime for no models)

# Pin them for releases: --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:... and so on.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG NODE_IMAGE=node:24-slim

FROM ${NODE_IMAGE} AS web
WORKDIR /web
COPY clients/web/package.json clients/web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY clients/web .
RUN npm run build

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY awarenet awarenet
COPY clients/awarenet_client clients/awarenet_client
COPY export export
COPY gateway gateway
COPY training training
RUN python -m venv /opt/awarenet \
    && /opt/awarenet/bin/pip install --no-cache-dir --constraint constraints.txt '.[gateway,traces,models]'

FROM ${PYTHON_IMAGE} AS runtime
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="awarenet-gateway" \
      org.opencontainers.image.description="AWARE-NET's REST and WebSocket service, and its web page" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The trees of a model repository come as C source and are compiled at the first start.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin awarenet \
    && install --directory --owner 10001 --group 10001 /models /var/cache/awarenet \
    && install --directory --owner 10001 --group 10001 --mode 700 /var/lib/awarenet
COPY --from=build /opt/awarenet /opt/awarenet
COPY --from=web /web/dist /opt/awarenet/web
ENV PATH=/opt/awarenet/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AWARENET_CACHE=/var/cache/awarenet \
    AWARENET_HOST=0.0.0.0 \
    AWARENET_MODEL_REPOSITORY=/models/current \
    AWARENET_STATE_FOLDER=/var/lib/awarenet \
    AWARENET_WEB_FOLDER=/opt/awarenet/web
USER 10001:10001
WORKDIR /opt/awarenet
EXPOSE 8080
# Readiness asks a question with a known answer through every stage.
HEALTHCHECK --interval=15s --timeout=10s --start-period=120s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=9)"]
CMD ["python", "-m", "gateway", "serve"]

# With the models of this checkout: the default.
FROM runtime AS baked
COPY model_repository /opt/awarenet/models
ENV AWARENET_MODEL_REPOSITORY=/opt/awarenet/models
