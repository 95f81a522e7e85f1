"""What must happen: exact laws, equilibria, the norm ODE, toy losses, models of a cycle.

    laws/             exact laws of a step, equilibria of each optimizer, bounds on jumps
    vocabulary/       names, labels, units and tolerances of all data
    trajectory/       runs, their Dataset, what is read out of it: jumps, regimes
    norm_ode/         the norm over time, for gradients that are given
    toy_losses/       scale-invariant losses as SymPy expressions
    simulation/       SGD with weight decay on toy losses, in compiled kernels
    cycle_models/     models of a period: kicks, hazards, an oscillator
    files/            files written whole or not at all, over nothing of others
    arrays            types of arrays
    strict_dataclass  dataclasses from TOML and JSON, each mistake named
    validate          checks of numbers, each with one clear sentence

Nothing here imports torch.
"""
