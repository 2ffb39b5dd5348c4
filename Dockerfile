# One image; the role is the command:
#   standalone (default)  a headless run, or the web UI with --ui, in one container
#   master | worker       Locust's distribution (deploy/compose.yaml, deploy/kubernetes)
#   report                summary and report of a run folder mounted at /runs
#   anything else         that `greenup` command: csms, check, compare, ship, …
# Build:  docker build -t greenup-swarm .
# Run:    docker run --rm -v "$PWD/runs:/runs" greenup-swarm standalone steady --stations 500 --duration 60s
FROM python:3.13-slim AS build
WORKDIR /app
RUN python -m venv --without-pip /venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY stations stations
COPY profiles profiles
COPY engine engine
COPY csms csms
COPY results results
COPY locustfiles locustfiles
# The import names are generic, so the project is installed from its folder and the folder is kept.
RUN pip --python /venv/bin/python install --no-cache-dir -c constraints.txt -e ".[report,sql,transfer]"
# The hot path compiled beside its sources (make fast), with tools that stay in this stage.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY deploy/compile.py deploy/compile.py
RUN cp -a /venv /tools && pip --python /tools/bin/python install --no-cache-dir -c constraints.txt --group fast
RUN /tools/bin/python deploy/compile.py

FROM python:3.13-slim
RUN useradd --create-home --uid 10001 greenup && install -d -o greenup /runs
COPY --from=build /venv /venv
COPY --from=build /app /app
COPY deploy/entrypoint.sh /entrypoint.sh
# With a read-only root only /runs and /tmp can be written.
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=/tmp GREENUP_RUNS=/runs
# By number: Kubernetes cannot tell from a name that it is not root.
USER 10001
WORKDIR /app
VOLUME /runs
EXPOSE 8089 5557
ENTRYPOINT ["/bin/sh", "/entrypoint.sh"]
CMD ["standalone"]
