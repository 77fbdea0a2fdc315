# The server in an image. Targets: cpu (the default) and gpu. What is in them and why: docs/how-to/deploy.md.
#   docker build -t skiprnn:0.2.0 .
#   docker build -t skiprnn:0.2.0-gpu --target gpu .
ARG PYTHON_IMAGE=python:3.13.9-slim-bookworm

# -- the project's wheel
FROM ${PYTHON_IMAGE} AS wheel
WORKDIR /src
COPY deploy/requirements/build.txt deploy/requirements/
RUN ["python", "-m", "pip", "install", "--no-cache-dir", "--require-hashes", "--root-user-action=ignore", "-r", "deploy/requirements/build.txt"]
COPY pyproject.toml README.md LICENSE ./
COPY model model
COPY export export
COPY client client
COPY service service
COPY cli cli
RUN ["python", "-m", "pip", "wheel", "--no-cache-dir", "--no-build-isolation", "--no-deps", "--wheel-dir", "/wheel", "."]

# -- what it depends on, exactly as locked
FROM ${PYTHON_IMAGE} AS environment
RUN ["python", "-m", "venv", "--without-pip", "/opt/skiprnn"]

FROM environment AS environment-cpu
COPY deploy/requirements/cpu.txt /
RUN ["python", "-m", "pip", "--python", "/opt/skiprnn/bin/python", "install", "--no-cache-dir", "--require-hashes", "--no-deps", "-r", "/cpu.txt"]

FROM environment AS environment-gpu
COPY deploy/requirements/gpu.txt /
RUN ["python", "-m", "pip", "--python", "/opt/skiprnn/bin/python", "install", "--no-cache-dir", "--require-hashes", "--no-deps", "-r", "/gpu.txt"]

# -- what both targets share
FROM ${PYTHON_IMAGE} AS runtime
# The slim image has no .pyc files, and a read-only root cannot write them: without, every start compiles anew.
RUN python -m compileall -q -x "/(test|idlelib|site-packages)/" "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && install -d -o 10001 -g 10001 -m 0750 /data
ENV PATH=/opt/skiprnn/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    SKIPRNN_HOST=0.0.0.0 \
    SKIPRNN_PORT=8000 \
    SKIPRNN_MODELS_DIR=/models
WORKDIR /
EXPOSE 8000
ENTRYPOINT ["skiprnn"]
CMD ["serve"]
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 CMD ["skiprnn", "healthcheck"]
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="skiprnn" \
      org.opencontainers.image.description="Serves Skip RNNs to thousands of live streams, reading only the samples they choose." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# -- the targets: dependencies in one layer, the project and its models in the next; all owned by root
FROM runtime AS gpu
ENV SKIPRNN_DEVICE=cuda NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=environment-gpu /opt/skiprnn /opt/skiprnn
RUN --mount=type=bind,from=wheel,source=/wheel,target=/tmp/wheel \
    /usr/local/bin/python -m pip --python /opt/skiprnn/bin/python install --no-cache-dir --no-index --no-deps /tmp/wheel/*.whl \
 && cp -r /opt/skiprnn/lib/python3*/site-packages/skiprnn_service/bundles /models
USER 10001:10001

FROM runtime AS cpu
COPY --from=environment-cpu /opt/skiprnn /opt/skiprnn
RUN --mount=type=bind,from=wheel,source=/wheel,target=/tmp/wheel \
    /usr/local/bin/python -m pip --python /opt/skiprnn/bin/python install --no-cache-dir --no-index --no-deps /tmp/wheel/*.whl \
 && cp -r /opt/skiprnn/lib/python3*/site-packages/skiprnn_service/bundles /models
USER 10001:10001
