# Stage 1 installs what the lock file names, by hash, and builds the project with a pinned backend.
FROM python:3.11.14-slim-bookworm AS builder

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1

WORKDIR /src
RUN python -m venv /opt/build && python -m venv /opt/tocsin
COPY requirements.lock requirements-build.lock ./
RUN /opt/tocsin/bin/pip install --require-hashes -r requirements.lock \
 && /opt/build/bin/pip install --require-hashes -r requirements-build.lock

COPY pyproject.toml README.md LICENSE ./
COPY contracts contracts
COPY bus bus
COPY models models
COPY agents agents
COPY console console
COPY config config
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/tocsin/bin/pip install --no-deps --no-index /dist/*.whl \
 && /opt/tocsin/bin/pip uninstall --yes setuptools pip


# Stage 2 has no compiler and no sources: the environment, tini, and one user.
FROM python:3.11.14-slim-bookworm AS final

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tocsin" \
      org.opencontainers.image.description="Watches machine sensors and can explain every alert" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11.14-slim-bookworm"

# A volume that is empty takes owner and mode of the folder it covers, so 10001 can write to it.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 tocsin \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/tocsin --shell /usr/sbin/nologin tocsin \
 && install --directory --owner=10001 --group=10001 --mode=0750 /var/lib/tocsin

COPY --from=builder /opt/tocsin /opt/tocsin

# The root may be read-only: what libraries want to keep at home goes to /tmp.
ENV PATH=/opt/tocsin/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GIT_PYTHON_REFRESH=quiet \
    MLFLOW_DISABLE_TELEMETRY=true \
    TOCSIN_DATA_DIR=/var/lib/tocsin

USER 10001:10001
WORKDIR /var/lib/tocsin
VOLUME ["/var/lib/tocsin"]
STOPSIGNAL SIGTERM

# Exit 0 is healthy; 69 (something cannot be reached) and 78 (configuration) are not.
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 \
  CMD ["tocsin", "doctor", "--json", "--quick"]

# tini passes signals on and reaps the children that the supervisor leaves.
ENTRYPOINT ["tini", "--", "tocsin"]
CMD ["up"]
