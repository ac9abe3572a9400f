# Runs the README's two commands on an NVIDIA card (host: driver and NVIDIA's container toolkit). With --user the results
# belong to you, not to root:
#   docker build -t athanor .
#   docker run --rm --gpus all --user "$(id -u):$(id -g)" -v "$PWD:/work" athanor repro
#   docker run --rm --gpus all -v "$PWD:/work" athanor test
# The tests run as root: in a container Chromium's sandbox starts for nobody else.
# torch's wheel brings the CUDA runtime; the toolkit brings the driver. Debian has Chromium as a package, Ubuntu has not.
FROM python:3.12-slim-bookworm

# gcc: train.compile builds a launcher for its kernels. chromium: the tests drive the workbench's pages.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends chromium gcc git libc6-dev make \
 && rm -rf /var/lib/apt/lists/*

# The packages, in a layer that changes only with them. No card is seen while an image is built, so `cuda` is named.
WORKDIR /setup
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --constraint constraints.txt torch \
 && /opt/venv/bin/pip install --no-cache-dir --constraint constraints.txt ".[test,cuda]" \
 && /opt/venv/bin/pip uninstall --yes athanor

# What the toolkit passes through; a home for any user: caches of models and compiled kernels.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
ENV PATH=/opt/venv/bin:$PATH HF_HUB_DISABLE_TELEMETRY=1 HOME=/home/anyone USER=anyone
RUN mkdir --mode 1777 /home/anyone

# The project is mounted here; results stay in it. Its files may belong to another user than the container's.
WORKDIR /work
RUN git config --system --add safe.directory /work
ENV ATHANOR_VENV=/opt/venv
ENTRYPOINT ["python3", "tasks.py"]
CMD ["repro"]
