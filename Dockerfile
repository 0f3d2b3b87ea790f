# An image of mergefront for every machine of a cluster, and for the service alone:
#     docker build --tag mergefront:0.1.0 .
#     docker build --tag mergefront:0.1.0-gpu --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .
#     docker run --init --publish 127.0.0.1:8300:8300 --shm-size 4g --volume /srv:/srv mergefront:0.1.0
# of which user 1000 must be able to write /srv/mergefront.
FROM python:3.11-slim-bookworm

# g++: torch compiles kernels; wget: the probes of KubeRay. Not pinned: Debian keeps no old versions.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ wget \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 mergefront \
    && mkdir --parents /srv/mergefront /srv/models \
    && chown 1000 /srv/mergefront

# into the system's Python, whose programs are found in a login shell too, where KubeRay starts Ray
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /opt/mergefront
COPY constraints.txt ./
RUN pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX" "$(grep '^torch==' constraints.txt)"
COPY pyproject.toml README.md LICENSE ./
COPY evaluators evaluators
COPY workers workers
COPY search search
RUN pip install --no-cache-dir --constraint constraints.txt '.[ray-serve]'

USER 1000
WORKDIR /home/mergefront
EXPOSE 8300
HEALTHCHECK --start-period=120s CMD ["wget", "--quiet", "--tries=1", "--output-document=-", "http://127.0.0.1:8300/healthz"]
CMD ["mergefront", "serve", "--root", "/srv/mergefront", "--data", "/srv/models", "--host", "0.0.0.0"]
