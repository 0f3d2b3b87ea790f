"""The commands for searches that run as jobs of a Ray cluster: submit, jobs, logs and stop."""

from __future__ import annotations

import json

from search.cli.errors import FAILED, STOPPED, fail, input_errors
from search.cli.options import LOCAL_DASHBOARD, ConfigPath, Dashboard, Follow, JobName, Json, Logs
from search.cli.remote import Server, stop_on, submit_to


def submit(
    config: ConfigPath,
    address: Dashboard = LOCAL_DASHBOARD,
    follow: Follow = False,
    log_format: Logs = "text",
    server: Server = None,
) -> None:
    """Run the search as a job of a Ray cluster; an existing run is resumed."""
    with input_errors():
        if server:
            return submit_to(server, config)
        from search.runs import submit as submit_job

        name = submit_job(config, address, log_format=log_format)
    print(f"job {name} is submitted; mergefront logs {name} --follow --address {address}")
    return logs(name, address, follow=True) if follow else None


def jobs(address: Dashboard = LOCAL_DASHBOARD, as_json: Json = False) -> None:
    """List the searches of a Ray cluster."""
    with input_errors():
        from workers.pool.jobs import Jobs

        found = Jobs(address).jobs()
    if as_json:
        rows = [{"name": job.name, "status": job.status, "run": job.run} for job in found]
        print(json.dumps({"version": 1, "jobs": rows}, indent=2))
        return
    for job in found:
        print(f"{job.name}  {job.status}  {job.run}")


def logs(name: JobName, address: Dashboard = LOCAL_DASHBOARD, follow: Follow = False) -> None:
    """Print the output of a submitted search; --follow exits with the status of the search."""
    with input_errors():
        from workers.pool.jobs import Jobs

        cluster = Jobs(address)
        for text in cluster.follow(name) if follow else [cluster.logs(name)]:
            print(text, end="", flush=True)
        job = cluster.job(name)
    if follow and job.status != "SUCCEEDED":
        status = STOPPED if job.status == "STOPPED" else FAILED
        fail(f"job {name} is {job.status}: {job.message}", job.exit_code or status)


def stop(name: JobName, address: Dashboard = LOCAL_DASHBOARD, server: Server = None) -> None:
    """Stop a submitted search; submit it again to resume it."""
    with input_errors():
        if server:
            return stop_on(server, name)
        from workers.pool.jobs import Jobs

        job = Jobs(address).stop(name)
    return print(f"job {name} is {job.status}; `mergefront submit CONFIG` resumes it")
