# What a training pod runs: the learners' packages and the few files of ours that train an ordered shard. No Airflow, no ledger, no
# store, nothing that reads data: a pod has only what its order lets it reach.
#
# BASE is a Debian with Python 3.11 to 3.13 and its venv module. Name it with its digest (docker/build insists).
# PACKAGES are further Debian packages: for training on an accelerator, an OpenCL loader and a driver (docs/ops.md).
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
COPY requirements.txt /build/
# Constraints, not a list of its own: the versions are those of the whole platform, whose shards refuse any other.
RUN python3 -m venv /opt/trainyard/venv \
    && /opt/trainyard/venv/bin/pip install --no-cache-dir --quiet --constraint /build/requirements.txt lightgbm numpy scipy threadpoolctl \
    && /opt/trainyard/venv/bin/pip uninstall --quiet --yes pip setuptools \
    && find /opt/trainyard/venv -name tests -type d -prune -exec rm -r {} +
COPY include/__init__.py include/__main__.py /opt/trainyard/include/
COPY include/core /opt/trainyard/include/core
COPY include/learner /opt/trainyard/include/learner
COPY include/training /opt/trainyard/include/training
COPY include/elsewhere /opt/trainyard/include/elsewhere
COPY include/data/__init__.py include/data/losses.py /opt/trainyard/include/data/
RUN /opt/trainyard/venv/bin/python -m compileall -q /opt/trainyard/include

FROM ${BASE}
ARG PACKAGES=libgomp1
RUN dpkg --status ${PACKAGES} >/dev/null 2>&1 \
    || (apt-get update -qq \
        && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${PACKAGES} >/dev/null \
        && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin)
# Where the node's container runtime brings NVIDIA's driver (the CUDA variant in docs/ops.md), OpenCL finds it by this
# file; without the driver it is passed over.
RUN mkdir -p /etc/OpenCL/vendors && echo libnvidia-opencl.so.1 >/etc/OpenCL/vendors/nvidia.icd
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build /opt/trainyard /opt/trainyard
# The root is read-only in a pod and /tmp is its only writable folder: compiled OpenCL kernels are cached there.
ENV PATH=/opt/trainyard/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/trainyard PYTHONUNBUFFERED=1 HOME=/tmp POCL_CACHE_DIR=/tmp/pocl
WORKDIR /opt/trainyard
ARG CODE=unknown
LABEL org.opencontainers.image.title="Trainyard trainer" org.opencontainers.image.revision=${CODE}
USER 65532:65532
ENTRYPOINT ["python", "-m", "include"]
