"""Labels, units, symbols and sources, written into the variables of a Dataset."""

import xarray as xr

from theory.vocabulary import VARIABLES

PREFIXES = {
    "extrapolated_": "from settings ten times faster: ",
    "predicted_": "predicted ",
    "expected_": "expected ",
    "process_": "hazard process: ",
    "sphere_": "laws on the sphere: ",
    "baseline_": "baseline ",
    "power_law_": "power law of the ",
    "reason_": "why not: ",
}


SOURCES = {
    "extrapolated_baseline_": "baseline",
    "extrapolated_power_law_": "baseline",
    "extrapolated_": "theory",
    "predicted_": "theory",
    "expected_": "theory",
    "process_": "theory",
    "sphere_": "theory",
    "baseline_": "baseline",
    "power_law_": "baseline",
}


def describe(dataset: xr.Dataset, source: str) -> xr.Dataset:
    """Give every variable of the vocabulary its units, long name, symbol and source."""
    for name, variable in VARIABLES.items():
        if name in dataset.variables:
            dataset[name].attrs = {
                "symbol": variable.symbol,
                "long_name": variable.long_name,
                "units": variable.units,
                "source": source,
            }
    return dataset


def describe_comparison(comparison: xr.Dataset) -> xr.Dataset:
    """Give every variable of the comparison units, long name, symbol and source."""
    describe(comparison, "network")
    for name in comparison.data_vars:
        prefix = next((p for p in PREFIXES if str(name).startswith(p)), "")
        variable = VARIABLES[observable(str(name))]
        comparison[name].attrs = {
            "long_name": PREFIXES.get(prefix, "") + variable.long_name,
            "units": "1" if prefix == "reason_" else variable.units,
            "symbol": variable.symbol,
            "source": next((s for p, s in SOURCES.items() if str(name).startswith(p)), "network"),
        }
    return comparison


def observable(name: str) -> str:
    """Name of the observable that a variable is a prediction of, or a reason for."""
    for prefix in ("reason_", *PREFIXES):
        name = name.removeprefix(prefix)
    return name
