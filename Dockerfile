# nonevent, and the demo's shop: one image. Versions are those of requirements.lock, by hash.
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements.lock ./
# Every locked wheel; the second stage takes those that nonevent needs to run, and no others.
RUN pip wheel --quiet --require-hashes --wheel-dir /wheels -r requirements.lock
RUN pip install --quiet --no-index --find-links /wheels hatchling
COPY pyproject.toml README.md LICENSE ./
COPY collector collector
COPY analyzer analyzer
COPY ui ui
COPY nonevent nonevent
COPY demo demo
COPY expectations expectations
RUN pip wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir /wheels .

FROM python:3.11.14-slim-bookworm
ENV PATH=/opt/nonevent/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/var/lib/nonevent
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    python -m venv /opt/nonevent && \
    /opt/nonevent/bin/pip install --quiet --no-index --find-links /wheels nonevent
RUN useradd --system --uid 10001 --home-dir /var/lib/nonevent --create-home nonevent
USER 10001:10001
WORKDIR /var/lib/nonevent
VOLUME /var/lib/nonevent
EXPOSE 8321
ENTRYPOINT ["nonevent"]
CMD ["run", "--config", "/etc/nonevent/nonevent.yaml"]
