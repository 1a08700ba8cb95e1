"""The node agent of the embedded product: Pods bound to this node run as local processes.

Speaks only the Kubernetes API, so it also runs the pods of a real control plane (tests). What a container would give,
it gives as far as a process can: environment, a private temporary folder, a memory limit (a watchdog on resident
memory), threads by CPU request, logs, termination message, exit code, grace on deletion. What it does not give:
isolation of file system, network or users, names of Services (pods of a Job that talk to each other meet on loopback),
volumes, init or second containers. Linux only (procfs, PDEATHSIG).

Binding: with `--bind` the agent assigns pending pods to itself, because the embedded mode has no scheduler; on a real
control plane the scheduler does it, and the option is left out.
"""
