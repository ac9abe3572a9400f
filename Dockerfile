# Runs the README's two commands on an NVIDIA card (host: driver and NVIDIA's container toolkit):
#   docker build -t athanor .
#   docker run --rm --gpus all -v "$PWD:/work" athanor repro
#   docker run --rm --gpus all -v "$PWD:/work" athanor test
# torch's wheel brings its own CUDA, so that the smallest runtime image is enough.
FROM nvidia/cuda:13.0.1-base-ubuntu24.04

RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git make python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*

# The packages, in a layer that changes only with them. No card is seen while an image is built, so `cuda` is named.
WORKDIR /setup
COPY pyproject.toml constraints.txt README.md LICENSE ./
ENV PATH=/opt/venv/bin:$PATH HF_HUB_DISABLE_TELEMETRY=1
RUN python3 -m venv /opt/venv \
 && pip install --no-cache-dir --constraint constraints.txt torch \
 && pip install --no-cache-dir --constraint constraints.txt ".[test,cuda]" \
 && pip uninstall --yes athanor

# The project is mounted here; results stay in it. Its files may belong to another user than root.
WORKDIR /work
RUN git config --system --add safe.directory /work
ENV ATHANOR_VENV=/opt/venv
ENTRYPOINT ["python3", "tasks.py"]
CMD ["repro"]
