"""A study in Python: two settings of the demo, few steps, one file and its report."""

import sawtooth

study = sawtooth.run_study("studies/digits.toml", "small", seeds=1, steps=300, overwrite=True)
comparison = study["comparison"]
for run in comparison["run"].values[-3:]:
    one = comparison.to_dataset().sel(run=run)
    print(f"{run}: {one['regime'].item()}, norm law to {float(one['norm_law_residual']):.1e}")
print("report: small/report.html")
