"""The jobs of a configuration as Snakemake has planned them: image, packages, cores and GPUs of each, as JSON.

Run as a script: ``planned_jobs.py TARGET CONFIGFILE…``; Snakemake's own output goes to its standard error.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
CORES = 64


def planned_jobs(target: str, *configfiles: Path) -> list[dict[str, Any]]:
    """Return each job's ``rule``, ``wildcards``, ``image``, ``conda`` (the file's name), ``threads`` and ``gpu``."""
    command = [sys.executable, __file__, target, *map(str, configfiles)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    jobs: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return jobs


def _plan(target: str, configfiles: list[str]) -> list[dict[str, Any]]:
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

    with SnakemakeApi(OutputSettings(dryrun=True)) as api:
        flow = api.workflow(
            resource_settings=ResourceSettings(cores=CORES),
            config_settings=ConfigSettings(configfiles=[Path(file) for file in configfiles]),
            snakefile=Path("workflow/Snakefile"),
        )
        flow.dag(DAGSettings(targets={target}, forceall=True)).execute_workflow(executor="dryrun")
        return [
            {
                "rule": job.rule.name, "wildcards": dict(job.wildcards_dict), "image": job.container_img_url,
                "conda": _name(job.conda_env_spec),
                "threads": job.threads, "gpu": job.resources.get("gpu", 0),
            }
            for job in flow._workflow.dag.jobs
        ]  # fmt: skip


def _name(conda: Any) -> str:
    return "" if conda is None else Path(conda.file.get_path_or_uri(secret_free=True)).name


if __name__ == "__main__":
    print(json.dumps(_plan(sys.argv[1], sys.argv[2:])))
