# The image that `astro dev start` builds. It holds the versions that ./trainyard installs, because both install
# requirements.txt, which pins everything, and nothing else decides a version:
#
# - Astro Runtime 3.3-8 carries Airflow 3.3.2, as requirements.txt does. Its build calls itself 3.3.2+astro.N, which meets
#   the pin ==3.3.2, so it stays in place; were it another version, the pin would replace it.
# - The tag without -base would refuse: its ONBUILD steps turn away a requirements.txt that names apache-airflow, and
#   hold packages to Runtime's own constraints (/etc/pip-constraints.txt), which name other versions than ours.
#   A -base tag runs no ONBUILD steps, so the steps stand below, without constraints.
# - Runtime 3.3 runs Python 3.14 unless the tag names another; Trainyard runs on 3.11 to 3.13.
FROM astrocrpublic.azurecr.io/runtime:3.3-8-python-3.12-base

USER root
COPY packages.txt requirements.txt ./
RUN apt-get update \
    && sed -e 's/#.*//' packages.txt | xargs apt-get install -y --no-install-recommends \
    && rm -rf /var/lib/apt/lists/*
RUN env -u UV_CONSTRAINT -u PIP_CONSTRAINT \
    uv pip install --system --no-cache --compile-bytecode -r requirements.txt

USER astro
COPY --chown=astro:0 . .
# `include` is imported from here by DAGs, plugins and tasks alike.
ENV PYTHONPATH=/usr/local/airflow
