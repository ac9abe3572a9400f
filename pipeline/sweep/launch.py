"""Starts jobs with Hydra's launchers: basic, joblib, submitit (Slurm, or local processes), Ray."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from pipeline.errors import UserError
from pipeline.sweep.devices import threads
from pipeline.sweep.jobs import SweepJob
from pipeline.sweep.work import work

EXTRA_OF_LAUNCHER = {"joblib": "joblib", "submitit_local": "slurm", "submitit_slurm": "slurm", "ray": "ray"}
"""The project's extra that installs each launcher."""
HYDRA_FOLDER = Path(__file__).with_name("conf")


def task(config: DictConfig) -> str:
    """The function that a launcher's worker calls."""
    return str(work(SweepJob.of_json(config.job))["status"])


class Launcher:
    """One of Hydra's launchers, ready for batches of jobs."""

    def __init__(self, settings: Sequence[str]) -> None:
        """`settings`: such as `hydra/launcher=joblib hydra.launcher.n_jobs=2`."""
        from hydra import initialize_config_dir
        from hydra._internal.callbacks import Callbacks
        from hydra.core.global_hydra import GlobalHydra
        from hydra.core.hydra_config import HydraConfig
        from hydra.core.plugins import Plugins
        from hydra.errors import HydraException
        from hydra.types import HydraContext, RunMode

        self.name = _launcher_name(settings)
        with initialize_config_dir(str(HYDRA_FOLDER), job_name="sweep", version_base="1.3"):
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            try:
                config = hydra.compose_config(
                    "sweep", list(settings), RunMode.MULTIRUN, with_log_configuration=False, from_shell=False
                )
            except HydraException as error:
                raise UserError(_advice(self.name, error)) from None
        HydraConfig.instance().set_config(config)
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
        self._hydra = Plugins.instance().instantiate_launcher(
            hydra_context=context, task_function=task, config=config
        )
        self.at_once = _at_once(self.name, config.hydra.launcher)
        self._started = 0

    def launch(self, jobs: Sequence[SweepJob]) -> None:
        """Runs the jobs to their end; their files have the results."""
        own = threads(min(self.at_once, len(jobs)))
        wrapped = [[f"job={_quoted(replace(job, threads=own).to_json())}"] for job in jobs]
        returned = self._hydra.launch(wrapped, initial_job_idx=self._started)
        self._started += len(jobs)
        for each in returned:
            _ = each.return_value  # raises the launcher's own errors


def _quoted(text: str) -> str:
    """Quotes a text as one value in Hydra's grammar."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _launcher_name(settings: Sequence[str]) -> str:
    names = [each.partition("=")[2] for each in settings if each.startswith("hydra/launcher=")]
    return names[-1] if names else "basic"


def _advice(name: str, error: Exception) -> str:
    from importlib.util import find_spec

    plugin = f"hydra_plugins.hydra_{name.partition('_')[0]}_launcher"
    if name in EXTRA_OF_LAUNCHER and find_spec(plugin) is None:
        return f"hydra/launcher={name}: not installed; `pip install 'athanor[{EXTRA_OF_LAUNCHER[name]}]'`"
    first = " ".join(str(error).split())
    return f"hydra/launcher={name}: {first}; allowed: basic, {', '.join(EXTRA_OF_LAUNCHER)}"


def _at_once(name: str, settings: Any) -> int:
    """How many jobs share a machine."""
    cores = threads(1)
    if name == "joblib":
        number = int(settings.n_jobs)
        return number if number > 0 else max(1, cores + 1 + number)
    if name == "submitit_local":
        return cores
    if name == "ray":
        per_job = float(settings.ray.remote.get("num_cpus") or 1)
        return max(1, int(float(settings.ray.init.get("num_cpus") or cores) // per_job))
    return 1
