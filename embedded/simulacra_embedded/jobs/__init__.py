"""The Job controller of the embedded product: batch/v1 Jobs to Pods, through the Kubernetes API.

Level-triggered: each pass of the `controller` reads the Job and its Pods again, decides with the
pure function `reconcile`, and writes; a restart loses no state. Pod names are computed (`pods`), so
a create repeated after a crash meets AlreadyExists instead of making a second pod.

It runs Jobs as the operator writes them: Indexed, with podReplacementPolicy Failed. Any other Job
fails with a condition that says why.
"""
