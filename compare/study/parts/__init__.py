"""A study in parts: trained by any executor, on a cluster or by a job array, with equal numbers.

dealing         which runs form a part
train_part      what a worker does
part_files      finished parts on disk, and all of them as one Dataset
schedule        parts to an executor, and what comes back
local_processes a process for each core or GPU of this machine
dask_workers    executors of Dask: a local cluster, or a scheduler that exists
shards          a study without any of it: every n-th part here, the rest elsewhere
"""
