# The collector as an image; with EXTRAS=server,demo also the parts of the leaking shop.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ARG EXTRAS=server
WORKDIR /src
COPY pyproject.toml README.md ./
COPY proto proto
COPY viz viz
COPY tracecollect tracecollect
# Into an environment of its own, which is all that the next stage takes: neither pip's cache nor the sources.
RUN python -m pip wheel --quiet --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/tracecollect \
    && /opt/tracecollect/bin/python -m pip install --quiet --no-cache-dir --only-binary :all: \
        "$(echo /wheels/tracecollect-*.whl)[${EXTRAS}]"

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="tracecollect" \
    org.opencontainers.image.description="A trace collector that finds the request which took a database connection and never gave it back" \
    org.opencontainers.image.licenses="Apache-2.0"
# A number, so that an orchestrator can see that it is not root; made here, so that a new volume belongs to it.
RUN groupadd --gid 10001 tracecollect \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/tracecollect --shell /usr/sbin/nologin tracecollect \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/tracecollect
COPY --from=build /opt/tracecollect /opt/tracecollect
# Loopback inside a container is reachable for nobody, so it listens on all of the container's addresses;
# who may come in is decided where its ports are published.
ENV PATH=/opt/tracecollect/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TRACECOLLECT_DATA_DIR=/var/lib/tracecollect \
    TRACECOLLECT_OTLP_GRPC=0.0.0.0:4317 \
    TRACECOLLECT_OTLP_HTTP=0.0.0.0:4318 \
    TRACECOLLECT_WEB=0.0.0.0:16686 \
    TRACECOLLECT_ALLOW_PUBLIC=true
USER 10001:10001
WORKDIR /var/lib/tracecollect
VOLUME /var/lib/tracecollect
EXPOSE 4317 4318 16686
STOPSIGNAL SIGTERM
# Without the proxies of the environment: they are for other machines.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:16686/healthz', timeout=4).close()"]
ENTRYPOINT ["tracecollect"]
CMD ["serve"]
