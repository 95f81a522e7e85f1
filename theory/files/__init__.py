"""Files that are written whole or not at all, and never over something of somebody else's.

replacing   a file that takes its place when it is complete
targets     what may be written where
locks       one writer at a time
netcdf      Datasets and trees as netCDF files
"""

from theory.files.locks import is_lock, locked
from theory.files.netcdf import compressed, write_dataset
from theory.files.replacing import WholeFile, replacing, write_text
from theory.files.targets import check_new, check_ours, holds, new_file

__all__ = [
    "WholeFile",
    "check_new",
    "check_ours",
    "compressed",
    "holds",
    "is_lock",
    "locked",
    "new_file",
    "replacing",
    "write_dataset",
    "write_text",
]
