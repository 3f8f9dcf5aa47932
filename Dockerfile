FROM python:3.12-slim AS build
# For the C extension of the server.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
RUN python -m venv /opt/syncline
COPY requirements requirements
RUN pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && /opt/syncline/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY protocol protocol
COPY server server
COPY tools tools
COPY clients clients
RUN python -m build --wheel --no-isolation --outdir dist . \
    && SYNCLINE_BUILD_SPEEDUPS=required python -m build --wheel --no-isolation --outdir dist server \
    && /opt/syncline/bin/pip install --no-cache-dir --no-deps dist/*.whl

FROM python:3.12-slim
# `docker build --build-arg VERSION=…` names the release in the labels.
ARG VERSION=development
LABEL org.opencontainers.image.title="Syncline" \
      org.opencontainers.image.description="Self-hosted, real-time state-sync server on Redis" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
# The embedded Redis comes as a wheel for amd64; elsewhere (arm64, …) Debian's takes its place.
RUN if [ "$(dpkg --print-architecture)" != amd64 ]; then \
        apt-get update \
        && apt-get install -y --no-install-recommends redis-server \
        && rm -rf /var/lib/apt/lists/*; \
    fi
RUN useradd --system --uid 10001 --no-create-home syncline \
    && install --directory --owner=syncline --mode=700 /data
COPY --from=build /opt/syncline /opt/syncline
ENV PATH=/opt/syncline/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SYNCLINE_HOST=0.0.0.0 \
    SYNCLINE_PORT=8040 \
    SYNCLINE_DATA_DIR=/data
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8040
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python", "-c", \
    "import ssl; from os import environ; from urllib.request import urlopen; tls = 'SYNCLINE_TLS_CERT' in environ; urlopen(f'http{\"s\" * tls}://127.0.0.1:{environ[\"SYNCLINE_PORT\"]}/healthz', timeout=2, context=ssl._create_unverified_context() if tls else None)"]
ENTRYPOINT ["syncline"]
CMD ["serve"]
