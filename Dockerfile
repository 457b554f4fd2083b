# syntax=docker/dockerfile:1.7
# Two images: `service` runs every process of ours, `broker` is the official nats-server under an ordinary user.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/fengsui
COPY requirements-dev.lock ./
# The lock's versions without its hashes: pip refuses hashes together with a folder of sources.
RUN sed -e '/--hash=/d' -e 's/ *\\$//' requirements-dev.lock > /tmp/constraints.txt
COPY pyproject.toml README.md LICENSE ./
COPY core core
COPY registry registry
COPY ingest ingest
COPY detectors detectors
COPY alerts alerts
COPY storage storage
COPY console console
COPY dashboards dashboards
COPY simulators simulators
COPY service service
RUN /opt/fengsui/bin/pip install --constraint /tmp/constraints.txt .

FROM python:3.11-slim-bookworm AS service
RUN groupadd --gid 10001 fengsui \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/fengsui fengsui \
 && groupadd --gid 10002 nats \
 && useradd --uid 10002 --gid 10002 --no-create-home --home-dir /tmp nats \
 && install -d -o fengsui -g fengsui -m 0750 /var/lib/fengsui /town \
 && install -d -o nats -g nats -m 0750 /users
# /users is the gatekeeper's, which runs as the broker's user: a volume takes the owner of the folder that it covers.
COPY --from=build /opt/fengsui /opt/fengsui
ENV PATH=/opt/fengsui/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/fengsui
USER 10001:10001
ENTRYPOINT ["fengsui"]
CMD ["--help"]

# The official image runs as root and has no folder that another user could write: a volume takes this one's owner.
FROM nats:2.12.1-alpine AS broker
RUN addgroup -S -g 10002 nats && adduser -S -D -H -u 10002 -G nats nats \
 && install -d -o nats -g nats -m 0750 /data /users
USER 10002:10002
CMD ["--config", "/etc/nats/nats.conf"]
