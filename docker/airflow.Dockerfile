# Airflow with Trainyard in it, for a cluster: the image that the official Helm chart runs (docker/kubernetes/values.yaml).
# The image of `astro dev start` is another: the Dockerfile at the top.
#
# BASE is a Debian with Python 3.11 to 3.13 and its venv module. Name it with its digest (docker/build insists).
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE}
COPY requirements.txt packages.txt /tmp/
RUN dpkg --status $(cat /tmp/packages.txt) >/dev/null 2>&1 \
    || (apt-get update -qq \
        && DEBIAN_FRONTEND=noninteractive xargs apt-get install -y -qq --no-install-recommends </tmp/packages.txt >/dev/null \
        && rm -rf /var/lib/apt/lists/*)
# uv installs the 190 packages in a tenth of pip's time, and stays out of the image.
RUN python3 -m venv /tmp/uv && /tmp/uv/bin/pip install --no-cache-dir --quiet uv==0.13.9 \
    && python3 -m venv --without-pip /opt/airflow/venv \
    && /tmp/uv/bin/uv pip install --system-certs --quiet --no-cache --python /opt/airflow/venv/bin/python \
        --requirement /tmp/requirements.txt \
    && rm -r /tmp/uv
# The chart's account; its group may write AIRFLOW_HOME, as on platforms that choose the account themselves.
RUN echo 'airflow:x:50000:0:Airflow:/opt/airflow:/bin/sh' >>/etc/passwd \
    && chown 50000:0 /opt/airflow && chmod 775 /opt/airflow
COPY include /opt/airflow/include
COPY dags /opt/airflow/dags
COPY plugins /opt/airflow/plugins
COPY config /opt/airflow/config
ENV PATH=/opt/airflow/venv/bin:/usr/local/bin:/usr/bin:/bin \
    AIRFLOW_HOME=/opt/airflow PYTHONPATH=/opt/airflow:/opt/airflow/config PYTHONUNBUFFERED=1 \
    AIRFLOW__CORE__LOAD_EXAMPLES=False DO_NOT_TRACK=true GX_ANALYTICS_ENABLED=false MLFLOW_DISABLE_TELEMETRY=true
WORKDIR /opt/airflow
ARG CODE=unknown
LABEL org.opencontainers.image.title="Trainyard on Airflow" org.opencontainers.image.revision=${CODE}
USER 50000:0
