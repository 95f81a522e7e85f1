"""Figures over the settings of a study.

periods        measured, predicted and baseline period
predictions    what was fitted, who is right, the first jump
regime_plane   regimes over learning rate and decay
pair           periods of two studies
"""
