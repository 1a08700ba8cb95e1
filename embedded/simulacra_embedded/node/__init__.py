"""The node agent of the embedded product: Pods of this node run as local processes.

It uses only the Kubernetes API, so it also runs the pods of a real control plane (tests). It gives
a process what it can of a container: environment, a private temporary directory, a memory limit
(a watchdog on resident memory), threads by CPU request, logs, termination message, exit code, grace
at deletion. It does not give: isolation of files, network or users, names of Services (a worker
group meets on loopback), volumes, init or second containers. Linux only (procfs, PDEATHSIG).

With `--bind`, the agent assigns pending pods to itself, because the embedded product has no
scheduler. On a real control plane, the scheduler does this.
"""
