"""Files that are written whole or not at all, and never over something of somebody else's.

replacing   a file that takes its place when it is complete
targets     what may be written where
sealed      a checksum of all bytes behind the end of a file
locks       one writer at a time
netcdf      Datasets and trees as netCDF files
"""

from theory.files.locks import is_lock, locked
from theory.files.netcdf import compressed, dump, write_dataset
from theory.files.replacing import WholeFile, replacing, write_text
from theory.files.sealed import SEAL_SIZE, check_seal, is_sealed, replacing_sealed
from theory.files.targets import check_new, check_ours, check_there, holds, new_file

__all__ = [
    "SEAL_SIZE",
    "WholeFile",
    "check_new",
    "check_ours",
    "check_seal",
    "check_there",
    "compressed",
    "dump",
    "holds",
    "is_lock",
    "is_sealed",
    "locked",
    "new_file",
    "replacing",
    "replacing_sealed",
    "write_dataset",
    "write_text",
]
