"""What must happen: exact laws, equilibria, the norm ODE and the reduced model (no torch)."""
