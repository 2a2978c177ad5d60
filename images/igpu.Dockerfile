# syntax=docker/dockerfile:1
# Triton on a Jetson (JetPack 6, aarch64): NVIDIA's tritonserver for integrated GPUs and this package.
# Build from the repository's root: docker build -f images/igpu.Dockerfile .   (--target runtime for no models)

# Pin it for releases: --build-arg TRITON_IMAGE=nvcr.io/nvidia/tritonserver:24.10-py3-igpu@sha256:...
# 24.10 (Triton 2.51, Python 3.10) is the release that the tests run, in the form of the wheel. For a later one give its
# tag; its Python must be 3.10 to 3.12.
ARG TRITON_IMAGE=nvcr.io/nvidia/tritonserver:24.10-py3-igpu

FROM ${TRITON_IMAGE} AS build
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY awarenet awarenet
COPY clients/awarenet_client clients/awarenet_client
COPY export export
COPY gateway gateway
COPY training training
# Of the `serve` extra only psutil: the server is the image's own. A folder of its own, whatever Python the image has.
RUN python3 -m pip install --no-cache-dir --target /opt/awarenet --constraint constraints.txt '.[models]' psutil

FROM ${TRITON_IMAGE} AS runtime
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="awarenet-igpu" \
      org.opencontainers.image.description="AWARE-NET's cascade on NVIDIA Triton, for Jetson" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 0
# The trees of a model repository come as C source and are compiled at the first start.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin awarenet \
    && install --directory --owner 10001 --group 10001 /models /plans /var/cache/awarenet
COPY --from=build /opt/awarenet /opt/awarenet
ENV PATH=/opt/awarenet/bin:/opt/tritonserver/bin:$PATH \
    PYTHONPATH=/opt/awarenet \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AWARENET_CACHE=/var/cache/awarenet
USER 10001:10001
WORKDIR /opt/awarenet
EXPOSE 8000 8001 8002
# NVIDIA's entry point stays: it makes newer CUDA run on older drivers.
CMD ["awarenet", "serve", "--host", "0.0.0.0", "--model-repository", "/models/current"]

# With the models of this checkout: the default.
FROM runtime AS baked
COPY model_repository /opt/awarenet/models
CMD ["awarenet", "serve", "--host", "0.0.0.0", "--model-repository", "/opt/awarenet/models"]
