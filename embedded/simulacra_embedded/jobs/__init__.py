"""The Job controller of the embedded product: batch/v1 Jobs to Pods, through the Kubernetes API only.

Level-triggered: each pass reads the Job and its Pods anew (`controller`), decides with a pure function (`reconcile`)
and writes; nothing is kept that a restart could lose. Pod names are computed (`template`), so that a request repeated
after a crash meets AlreadyExists instead of making a second pod.

Not done, and refused with a Failed condition: `backoffLimitPerIndex`, `maxFailedIndexes`, `successPolicy`.
"""
